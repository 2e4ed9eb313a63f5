// Who a process is among several, from the variables of each launcher.
#include "harness/distributed/rendezvous.hpp"

#include <doctest/doctest.h>

#include <map>

#include "fedval/error.hpp"

using namespace fedval::harness;

namespace {

Environment environment(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const std::string& name) -> std::optional<std::string> {
    const auto found = values.find(name);
    if (found == values.end()) return std::nullopt;
    return found->second;
  };
}

std::map<std::string, std::string> with(std::map<std::string, std::string> more) {
  more.insert({{"MASTER_ADDR", "10.0.0.1"}, {"MASTER_PORT", "29500"}, {"FEDVAL_SECRET", "s3cret"}});
  return more;
}

}  // namespace

TEST_CASE("the names of every launcher") {
  const std::map<std::string, std::string> launchers[] = {
      {{"RANK", "2"}, {"WORLD_SIZE", "4"}},
      {{"SLURM_PROCID", "2"}, {"SLURM_NTASKS", "4"}},
      {{"OMPI_COMM_WORLD_RANK", "2"}, {"OMPI_COMM_WORLD_SIZE", "4"}}};
  for (const auto& launcher : launchers) {
    CAPTURE(launcher.begin()->first);
    const std::optional<Rendezvous> found = rendezvous_of(environment(with(launcher)));
    REQUIRE(found);
    CHECK(found->rank == 2);
    CHECK(found->ranks == 4);
    CHECK(found->address == "10.0.0.1");
    CHECK(found->port == 29500);
    CHECK(found->secret == "s3cret");
    CHECK(found->interface.empty());
    CHECK_FALSE(found->goes_on);
    CHECK(found->patience == std::chrono::seconds(60));
    CHECK_FALSE(found->launcher_serves);
  }
}

TEST_CASE("torchrun keeps the store itself, and counts how often it has started all of them") {
  const std::map<std::string, std::string> torchrun{{"RANK", "0"},
                                                    {"WORLD_SIZE", "2"},
                                                    {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                                                    {"TORCHELASTIC_RESTART_COUNT", "3"}};
  const auto found = rendezvous_of(environment(with(torchrun)));
  REQUIRE(found);
  CHECK(found->launcher_serves);
  CHECK(found->attempt == 3);
}

TEST_CASE("torchrun's names go before Slurm's, in whose job it may run") {
  const auto found = rendezvous_of(environment(with({{"RANK", "1"},
                                                     {"WORLD_SIZE", "2"},
                                                     {"SLURM_PROCID", "0"},
                                                     {"SLURM_NTASKS", "8"},
                                                     {"FEDVAL_INTERFACE", "wg0"},
                                                     {"FEDVAL_PATIENCE", "5"},
                                                     {"FEDVAL_ON_RANK_LOSS", "continue"}})));
  REQUIRE(found);
  CHECK(found->rank == 1);
  CHECK(found->ranks == 2);
  CHECK(found->interface == "wg0");
  CHECK(found->goes_on);
  CHECK(found->patience == std::chrono::seconds(5));
}

TEST_CASE("a program that is to run alone") {
  CHECK_FALSE(rendezvous_of(environment({})));
  CHECK_FALSE(rendezvous_of(environment({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}})));
  CHECK_FALSE(rendezvous_of(environment({{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "8"}})));
  CHECK_FALSE(rendezvous_of(environment(with({{"RANK", "0"}, {"WORLD_SIZE", "1"}}))));
  CHECK_FALSE(rendezvous_of(environment({{"MASTER_ADDR", "10.0.0.1"}})));
}

TEST_CASE("a variable that is missing or out of range is named") {
  const auto said = [](const std::map<std::string, std::string>& values) -> std::string {
    try {
      static_cast<void>(rendezvous_of(environment(values)));
    } catch (const fedval::Error& error) {
      return error.what();
    }
    return "nothing";
  };
  CHECK(said(with({{"RANK", "0"}})) == "WORLD_SIZE is not set, but other variables of a launcher are");
  CHECK(said(with({{"WORLD_SIZE", "2"}})) == "RANK is not set, but other variables of a launcher are");
  CHECK(said(with({{"RANK", "2"}, {"WORLD_SIZE", "2"}})) ==
        "RANK is \"2\", must be a whole number from 0 to 1");
  CHECK(said(with({{"RANK", "-1"}, {"WORLD_SIZE", "2"}})) ==
        "RANK is \"-1\", must be a whole number from 0 to 1");
  CHECK(said(with({{"RANK", "1 "}, {"WORLD_SIZE", "2"}})) ==
        "RANK is \"1 \", must be a whole number from 0 to 1");
  CHECK(said(with({{"RANK", "0"}, {"WORLD_SIZE", "many"}})) ==
        "WORLD_SIZE is \"many\", must be a whole number from 1 to 4096");
  CHECK(said({{"RANK", "0"}, {"WORLD_SIZE", "2"}}) == "MASTER_ADDR is not set, but WORLD_SIZE is 2");
  CHECK(said({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}}) ==
        "MASTER_PORT is not set, but other variables of a launcher are");
  CHECK(said({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "70000"}}) ==
        "MASTER_PORT is \"70000\", must be a whole number from 1 to 65535");
  CHECK(said({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "7"}}) ==
        "FEDVAL_SECRET is not set: 2 processes meet under a secret that they share");
  CHECK(said(with({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"FEDVAL_PATIENCE", "0"}})) ==
        "FEDVAL_PATIENCE is \"0\", must be a whole number from 2 to 86400");
  CHECK(said(with({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"FEDVAL_ON_RANK_LOSS", "retry"}})) ==
        "FEDVAL_ON_RANK_LOSS is \"retry\", must be \"end\" or \"continue\"");
}
