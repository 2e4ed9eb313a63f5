#include "harness/distributed/rendezvous.hpp"

#include <charconv>
#include <cstdlib>

#include "fedval/error.hpp"

namespace fedval::harness {

namespace {

std::size_t number(const Environment& environment, const std::string& name, std::size_t least,
                   std::size_t most) {
  const std::optional<std::string> text = environment(name);
  if (!text) fail(name, " is not set, but other variables of a launcher are");
  std::size_t value = 0;
  const char* const end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, value);
  if (error != std::errc() || stop != end || value < least || value > most)
    fail(name, " is \"", *text, "\", must be a whole number from ", least, " to ", most);
  return value;
}

}  // namespace

std::optional<std::string> from_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

std::optional<Rendezvous> rendezvous_of(const Environment& environment) {
  struct Names {
    std::string rank, ranks;
  };
  const bool meant = environment("MASTER_ADDR").has_value();
  for (const Names& names : {Names{"RANK", "WORLD_SIZE"}, Names{"SLURM_PROCID", "SLURM_NTASKS"},
                             Names{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"}}) {
    if (!environment(names.rank) && !environment(names.ranks)) continue;
    // Slurm and Open MPI set theirs for every program, also for one that is to run alone.
    if (names.rank != "RANK" && !meant) continue;
    constexpr std::size_t most_ranks = 4096, a_day = 86400;
    Rendezvous found;
    found.ranks = number(environment, names.ranks, 1, most_ranks);
    found.rank = number(environment, names.rank, 0, found.ranks - 1);
    if (found.ranks == 1) return std::nullopt;
    if (!meant) fail("MASTER_ADDR is not set, but ", names.ranks, " is ", found.ranks);
    found.address = *environment("MASTER_ADDR");
    found.port = static_cast<std::uint16_t>(number(environment, "MASTER_PORT", 1, 65535));
    if (names.rank == "RANK" && environment("TORCHELASTIC_USE_AGENT_STORE") == "True") {
      found.launcher_serves = true;
      found.attempt = number(environment, "TORCHELASTIC_RESTART_COUNT", 0, 1'000'000);
    }
    found.secret = environment("FEDVAL_SECRET").value_or("");
    if (found.secret.empty())
      fail("FEDVAL_SECRET is not set: ", found.ranks, " processes meet under a secret that they share");
    found.interface = environment("FEDVAL_INTERFACE").value_or("");
    const std::string on_loss = environment("FEDVAL_ON_RANK_LOSS").value_or("end");
    if (on_loss != "end" && on_loss != "continue")
      fail("FEDVAL_ON_RANK_LOSS is \"", on_loss, "\", must be \"end\" or \"continue\"");
    found.goes_on = on_loss == "continue";
    if (environment("FEDVAL_PATIENCE"))
      found.patience = std::chrono::seconds(number(environment, "FEDVAL_PATIENCE", 2, a_day));
    return found;
  }
  return std::nullopt;
}

}  // namespace fedval::harness
