// Attackers beside a run: they change nothing, and are scored in the rounds that they would have made.
#include <ATen/ops/zeros_like.h>

#include "harness/attack/attack.hpp"
#include "harness/data/held_out.hpp"
#include "harness/data/rendered_digits.hpp"
#include "tests/doctest_torch.hpp"
#include "tests/harness/federation/attacked_run.hpp"

using namespace fedval;
using namespace fedval::harness;

namespace {

std::vector<std::string> all_kinds() { return {attack_kinds().begin(), attack_kinds().end()}; }

/// For readers that ask for nothing but updates.
class NoContext : public Context {
 public:
  using Context::Context;
  std::vector<Tested> validate(const std::vector<at::Tensor>&) override { fail("asked to validate"); }
  std::vector<double> own_losses(const Round&) override { fail("asked for losses"); }
  std::vector<at::Tensor> tensors_of(const at::Tensor&) override { fail("asked for tensors"); }
};

/// Asks the federation for everything, and remembers nothing from round to round.
class Validating : public NoContext {
 public:
  Validating(Federation& federation, std::size_t round, const at::Tensor& server)
      : NoContext(round, 0.1, server), federation_(federation) {}
  std::vector<Tested> validate(const std::vector<at::Tensor>& parameters) override {
    return federation_.validate(parameters);
  }

 private:
  Federation& federation_;
};

Round round_of(const std::vector<Upload>& uploads, const at::Tensor& last_update, Federation& federation) {
  std::vector<Sent> sent;
  for (const Upload& upload : uploads) sent.emplace_back(upload, federation.network(), federation.ranks());
  return make_round(sent, last_update, federation.network(), federation.ranks());
}

}  // namespace

TEST_CASE("beside: training, readers and credit have the bits of a run without attackers") {
  for (const std::string method : {"fedavg", "cgsv", "spectral_fed"}) {
    CAPTURE(method);
    const Settings settings = settings_of({.kinds = all_kinds(), .agents = {3, 1}});
    const Outcome with = outcome_of(method, settings), without = outcome_of(method, small_settings());
    check_same_training(with, without);
    CHECK(without.result.attacks.empty());
    // An entry for every kind and agent, in the order of the settings, each with all readers and agents.
    REQUIRE(with.result.attacks.size() == 2 * attack_kinds().size());
    for (std::size_t i = 0; i < with.result.attacks.size(); ++i) {
      const RunResult::Attack& attack = with.result.attacks[i];
      CHECK(attack.kind == attack_kinds()[i / 2]);
      CHECK(attack.agent == (i % 2 == 0 ? 3 : 1));
      REQUIRE(attack.readers.size() == with.result.readers.size());
      for (std::size_t r = 0; r < attack.readers.size(); ++r) {
        CHECK(attack.readers[r].name == with.result.readers[r].name);
        REQUIRE(attack.readers[r].scores.size() == 3);
        for (const int id : {1, 2, 3}) CHECK(attack.readers[r].scores.contains(id));
      }
    }
    check_same_attacks(with, outcome_of(method, settings, 1));
  }
}

TEST_CASE("beside: readers see the rounds with that attack in them, and their own state across rounds") {
  Settings settings = settings_of(
      {.kinds = {"sign_flip", "zero", "replay", "label_flip", "duplicate", "copy"}, .agents = {2, 3}});
  settings.training.rounds = 5;
  settings.participation.fraction = 0.34;  // two of three, so that attackers are away at times
  SmallFederation scene(settings);
  std::vector<Watching::Seen> seen;
  Run run(scene.federation, std::make_unique<Watching>(seen), [&] { return make_readers(settings); });
  const Outcome outcome = finish(scene, run);
  std::size_t away = 0;
  for (const RunResult::Attack& attack : outcome.result.attacks) {
    CAPTURE(attack.kind);
    CAPTURE(attack.agent.text());
    const Readers readers = make_readers(settings);
    std::vector<std::map<ClientId, double>> expected(readers.size());
    for (std::size_t t = 0; t < seen.size(); ++t) {
      std::vector<Upload> uploads = seen[t].uploads;
      const auto own = std::ranges::find(uploads, attack.agent, &Upload::id);
      if (own == uploads.end()) {
        ++away;
      } else if (attack.kind == "sign_flip") {
        own->update = at::Tensor(-own->update);
      } else if (attack.kind == "zero") {
        own->update = at::zeros_like(own->update);
      } else if (attack.kind == "replay") {
        own->update = t == 0 ? at::zeros_like(own->update) : seen[t].last_update;
      } else if (attack.kind == "label_flip") {
        const std::size_t agent = attack.agent == 2 ? 1 : 2;
        const auto reached = scene.federation.train_all({{{agent, 1}, seen[t].server, true}}, t, scene.steps);
        own->update = reached[0] - seen[t].server;
      } else if (attack.kind == "duplicate") {
        own->samples /= 2;
        uploads.push_back({attack.agent.text() + "-2", own->update, own->samples});
      } else {
        REQUIRE(attack.kind == "copy");
        REQUIRE(uploads.size() == 2);
        own->update = uploads[own == uploads.begin() ? 1 : 0].update;
      }
      NoContext context(t, 0.1, seen[t].server);
      const Round round = round_of(uploads, seen[t].last_update, scene.federation);
      for (std::size_t r = 0; r < readers.size(); ++r) {
        std::map<ClientId, double> sums;
        for (const auto& [name, score] : readers[r]->observe(round, context))
          sums[name == attack.agent.text() + "-2" ? attack.agent : name] += score.value;
        for (const auto& [id, sum] : sums) expected[r][id] = sum;
      }
    }
    for (std::size_t r = 0; r < readers.size(); ++r) CHECK(attack.readers[r].scores == expected[r]);
  }
  CHECK(away > 0);
}

TEST_CASE("beside: a zero update has no cosine and no entropy; an honest one twice as long has what it had") {
  Settings settings = settings_of({.kinds = {"zero", "rescale"}, .agents = {1, 2, 3}, .factor = 2});
  // Scores that take directions only.
  settings.scores.read = {"cgsv", "spectral_fed", "gated_entropy", "confirmed_entropy"};
  const Outcome outcome = outcome_of("fedavg", settings);
  for (const RunResult::Attack& attack : outcome.result.attacks)
    for (std::size_t r = 0; r < attack.readers.size(); ++r) {
      const RunResult::Reader &reader = attack.readers[r], &honest = outcome.result.readers[r];
      CAPTURE(attack.kind);
      CAPTURE(reader.name);
      if (attack.kind == "rescale") {
        for (const auto& [id, score] : honest.scores)
          CHECK(reader.scores.at(id) == doctest::Approx(score).epsilon(1e-9));
      } else {
        CHECK(honest.scores.at(attack.agent) > 0);
        // The state of SpectralFed starts at 1 / 3 and keeps nine tenths a round.
        if (reader.name == "SpectralFed s")
          CHECK(reader.scores.at(attack.agent) == doctest::Approx(0.9 * 0.9 * 0.9 / 3).epsilon(1e-12));
        else
          CHECK(reader.scores.at(attack.agent) == 0);
      }
    }
}

TEST_CASE("beside: what coalitions are worth is the same whether honest ones were asked for before or not") {
  Settings settings = settings_of({.kinds = {"sign_flip", "duplicate", "sybil"}, .agents = {1, 2}});
  settings.scores.read = {"fedsv", "leave_one_out", "eci_or"};
  settings.validation.utility = "loss";
  Dataset data = rendered_digits(1, 300, 200);
  set_aside(data, 60, 1);
  SmallFederation scene(settings, 2, data);
  std::vector<Watching::Seen> seen;
  Run run(scene.federation, std::make_unique<Watching>(seen), [&] { return make_readers(settings); });
  const Outcome outcome = finish(scene, run);
  REQUIRE(outcome.result.attacks.size() == 6);
  for (const RunResult::Attack& attack : outcome.result.attacks) {
    CAPTURE(attack.kind);
    CAPTURE(attack.agent.text());
    const Readers readers = make_readers(settings);
    std::vector<std::map<ClientId, double>> expected(readers.size());
    for (std::size_t t = 0; t < seen.size(); ++t) {
      std::vector<Upload> uploads = seen[t].uploads;
      const std::size_t agent = attack.agent == 1 ? 0 : 1;
      constexpr std::uint64_t tag = 0x6174;
      const auto kind =
          static_cast<std::uint64_t>(std::ranges::find(attack_kinds(), attack.kind) - attack_kinds().begin());
      const std::vector<Upload> sent =
          forge(attack.kind,
                {.honest = seen[t].uploads,
                 .attacker = agent,
                 .last_update = seen[t].last_update,
                 .network = scene.federation.network(),
                 .draws = {settings.seed, (tag << 48) | (kind << 40) | (std::uint64_t{agent} << 20) | t}},
                settings.attack);
      uploads[agent] = sent.front();
      uploads.insert(uploads.end(), sent.begin() + 1, sent.end());
      Validating context(scene.federation, t, seen[t].server);
      const Round round = round_of(uploads, seen[t].last_update, scene.federation);
      for (std::size_t r = 0; r < readers.size(); ++r) {
        std::map<ClientId, double> sums;
        for (const auto& [name, score] : readers[r]->observe(round, context))
          sums[owner_of(name)] += score.value;
        for (const auto& [id, sum] : sums) expected[r][id] = sum;
      }
    }
    for (std::size_t r = 0; r < readers.size(); ++r) CHECK(attack.readers[r].scores == expected[r]);
  }
}
