// An agent whose update is not finite, or is out of all proportion, is left out of the round, named, and
// changes nothing for the others.
#include "harness/federation/run.hpp"

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <numeric>

#include "harness/data/held_out.hpp"
#include "harness/federation/objection.hpp"
#include "harness/method/methods.hpp"
#include "harness/method/readers.hpp"
#include "tests/doctest_torch.hpp"
#include "tests/harness/federation/small_federation.hpp"

using namespace fedval::harness;

namespace {

/// A learning rate that weights survive once and no more: the first two agents have one batch, the last one
/// has three.
Settings settings_of(const std::string& method) {
  Settings settings = small_settings();
  settings.training.local_epochs = 1;
  settings.training.batch_size = 50;
  settings.training.learning_rate = 1e36;
  settings.training.schedule = "constant";
  settings.participation.longest_update = 0;
  settings.evaluation.every = 1;
  // An average moves the server by such updates too; CGSV scales them, so it goes on.
  settings.training.rounds = method == "cgsv" ? 3 : 1;
  return settings;
}

Indices range(std::size_t begin, std::size_t end) {
  Indices all(end - begin);
  std::iota(all.begin(), all.end(), begin);
  return all;
}

}  // namespace

TEST_CASE("left out of the round, named in the record and the notes, and the others go on as without it") {
  const Shards healthy{range(0, 30), range(30, 80)};
  Shards all = healthy;
  all.push_back(range(80, 230));
  for (const std::string method : {"fedavg", "cgsv", "spectral_fed"}) {
    CAPTURE(method);
    const Settings settings = settings_of(method);
    SmallFederation with(settings, 2, digits(), all), without(settings, 2, digits(), healthy);
    const auto run = with.run(method), peer = without.run(method);
    std::vector<std::string> notes;
    for (std::size_t t = 0; t < settings.training.rounds; ++t) {
      const KeptModels before = kept_by(*run);
      const RoundRecord record = run->next(with.steps), expected = peer->next(without.steps);
      CHECK(record.participants == std::vector<fedval::ClientId>{1, 2});
      REQUIRE(record.refused.size() == 1);
      CHECK(record.refused[0].id == 3);
      CHECK(record.refused[0].reason.starts_with("update["));
      notes.push_back("round " + std::to_string(t + 1) +
                      ": client 3 was left out: " + record.refused[0].reason);
      CHECK(expected.refused.empty());
      CHECK(record.server_accuracy == expected.server_accuracy);
      REQUIRE(record.readers.size() == expected.readers.size());
      for (std::size_t r = 0; r < record.readers.size(); ++r) {
        REQUIRE(record.readers[r].scores.size() == 2);
        for (std::size_t i = 0; i < 2; ++i)
          CHECK(record.readers[r].scores[i].second.value == expected.readers[r].scores[i].second.value);
      }
      const KeptModels after = kept_by(*run), peers = kept_by(*peer);
      CHECK(after.server.equal(peers.server));
      for (const int id : {1, 2}) CHECK(after.agents.at(id).equal(peers.agents.at(id)));
      // Refused is as good as away.
      CHECK(after.agents.at(3).equal(method == "cgsv" ? before.agents.at(3) : after.server));
    }
    const RunResult result = run->finish(), expected = peer->finish();
    CHECK(result.credit == expected.credit);
    CHECK(result.server_accuracy == expected.server_accuracy);
    CHECK(result.agent_accuracy.size() == 3);
    for (std::size_t i = 0; i < 2; ++i) CHECK(result.agent_accuracy[i] == expected.agent_accuracy[i]);
    notes.insert(notes.end(), expected.notes.begin(), expected.notes.end());
    CHECK(std::ranges::is_permutation(result.notes, notes));
  }
}

TEST_CASE("an update is objected to that is not finite, or much longer than the server's model") {
  const at::Tensor model = at::full({4}, 2.0), nothing = at::zeros({4});  // of length 4
  const auto objection = [](const at::Tensor& sent, const at::Tensor& server, double longest) {
    return Objections(server, longest).to(sent, "update");
  };
  CHECK(objection(model * 1e6, model, 1e6).empty());
  CHECK(objection(model * 1.5e6, model, 1e6) ==
        "update is 1.5e+06 times as long as the server's model, more than 1e+06 "
        "(participation.longest_update)");
  // Its square is beyond a float.
  CHECK(objection(at::full({4}, 3e38), model, 1e6).starts_with("update is 1.5e+38 times"));
  CHECK(objection(at::full({4}, 3e38), model, 0).empty());
  CHECK(objection(model, nothing, 1e6).empty());
  CHECK(objection(nothing, nothing, 1e6).empty());
  CHECK(objection(model / nothing, model, 0).starts_with("update[0] is infinite"));
}

TEST_CASE("every method and every score goes on as if the agent whose update is refused were not there") {
  const Shards healthy{range(0, 30), range(30, 80)};
  Shards all = healthy;
  all.push_back(range(80, 230));
  for (const std::string& method : method_names()) {
    CAPTURE(method);
    Settings settings = small_settings();
    settings.evaluation.every = 1;
    settings.scores.read = reader_names();
    Settings attacked = settings;
    attacked.attack = {.kinds = {"rescale"}, .agents = {3}, .role = "inside", .factor = 1e60};
    Dataset data = digits();
    set_aside(data, 60, 1);
    SmallFederation with(attacked, 2, data, all), without(settings, 2, data, healthy);
    const auto run = with.run(method), peer = without.run(method);
    for (std::size_t t = 0; t < settings.training.rounds; ++t) {
      CAPTURE(t);
      const RoundRecord record = run->next(with.steps), expected = peer->next(without.steps);
      CHECK(record.participants == std::vector<fedval::ClientId>{1, 2});
      REQUIRE(record.refused.size() == 1);
      CHECK(record.refused[0].id == 3);
      CHECK(record.server_accuracy == expected.server_accuracy);
      REQUIRE(record.readers.size() == expected.readers.size());
      for (std::size_t r = 0; r < record.readers.size(); ++r) {
        CAPTURE(record.readers[r].name);
        const fedval::Scores &scores = record.readers[r].scores, &others = expected.readers[r].scores;
        REQUIRE(scores.size() == others.size());
        for (std::size_t i = 0; i < scores.size(); ++i) {
          CHECK(scores[i].first == others[i].first);
          CHECK(scores[i].second.value == others[i].second.value);
        }
      }
    }
    CHECK(kept_by(*run).server.equal(kept_by(*peer).server));
    const RunResult result = run->finish(), expected = peer->finish();
    for (const fedval::ClientId id : {1, 2}) CHECK(result.credit.at(id) == expected.credit.at(id));
    for (std::size_t i = 0; i < 2; ++i) CHECK(result.agent_accuracy[i] == expected.agent_accuracy[i]);
  }
}

TEST_CASE("a finite update that would leave nothing of the others': every method goes on as without it") {
  const auto outcome = [](const std::string& method, double factor) {
    Settings settings = small_settings();
    settings.attack = {.kinds = {"rescale"}, .agents = {2}, .role = "inside", .factor = factor};
    Dataset data = digits();
    set_aside(data, 60, 1);
    SmallFederation scene(settings, 2, data);
    const auto run = scene.run(method);
    for (std::size_t t = 0; t < settings.training.rounds; ++t) {
      CAPTURE(t);
      const RoundRecord record = run->next(scene.steps);
      CHECK(record.participants == std::vector<fedval::ClientId>{1, 3});
      REQUIRE(record.refused.size() == 1);
      CHECK(record.refused[0].id == 2);
      CHECK(record.refused[0].reason.starts_with(factor > 1e50 ? "update[" : "update is "));
    }
    KeptModels models = kept_by(*run);
    return std::pair(run->finish(), models);
  };
  for (const std::string& method : method_names()) {
    CAPTURE(method);
    const auto [huge, models] = outcome(method, 1e20);
    const auto [infinite, others] = outcome(method, 1e60);
    CHECK(models.server.equal(others.server));
    CHECK(huge.credit == infinite.credit);
    CHECK(huge.agent_accuracy == infinite.agent_accuracy);
  }
}
