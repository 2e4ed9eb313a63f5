// An agent whose update is not finite is left out of the round, named, and changes nothing for the others.
#include "harness/federation/run.hpp"

#include <algorithm>
#include <numeric>

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
