// Agents trained alone: the same steps as in a run, saved and restored; who diverges is named.
#include "harness/federation/standalone.hpp"

#include "tests/doctest_torch.hpp"
#include "tests/harness/federation/small_federation.hpp"
#include "tests/support/complaint.hpp"

using namespace fedval::harness;

TEST_CASE("everyone trains in every round, from where it was, whatever the participation") {
  Settings settings = small_settings();
  settings.participation = {.fraction = 0.34, .dropout = 0.5, .stragglers = 1};
  SmallFederation scene(settings), peer(settings, 1);
  Standalone standalone(scene.federation);
  std::vector<at::Tensor> states(3, peer.federation.start());
  for (std::size_t t = 0; t < settings.training.rounds; ++t) {
    CHECK_FALSE(standalone.done());
    standalone.next(scene.steps);
    CHECK(standalone.rounds() == t + 1);
    for (std::size_t agent = 0; agent < 3; ++agent)
      states[agent] = peer.federation.train_all({{{agent, 1}, states[agent]}}, t, peer.steps)[0];
  }
  CHECK(standalone.done());
  CHECK(standalone.accuracies() == peer.federation.accuracies(states));
  CHECK(scene.steps == scene.federation.steps(0, settings.training.rounds, true));
}

TEST_CASE("saved after any round and restored, it reaches the same accuracies") {
  const Settings settings = small_settings();
  SmallFederation scene(settings);
  Standalone whole(scene.federation);
  while (!whole.done()) whole.next(scene.steps);
  for (std::size_t stop = 0; stop <= settings.training.rounds; ++stop) {
    CAPTURE(stop);
    Standalone first(scene.federation), second(scene.federation);
    for (std::size_t t = 0; t < stop; ++t) first.next(scene.steps);
    Archive writer;
    first.fields(writer);
    Archive reader(writer.bytes(), "standalone");
    second.fields(reader);
    reader.end();
    CHECK(second.rounds() == stop);
    while (!second.done()) second.next(scene.steps);
    CHECK(second.accuracies() == whole.accuracies());
  }
}

TEST_CASE("an agent that diverges alone is named once, keeps its last model, and the others go on") {
  // A learning rate that weights survive once and no more: agents 1 and 2 have one batch a round, agent 3
  // three.
  Settings settings = small_settings();
  settings.training = {.rounds = 1, .local_epochs = 1, .batch_size = 50, .learning_rate = 1e36};
  Shards shards(3);
  for (std::size_t i = 0; i < 230; ++i) shards[i < 30 ? 0 : i < 80 ? 1 : 2].push_back(i);
  SmallFederation scene(settings, 2, digits(), shards), peer(settings, 2, digits(), {shards[0], shards[1]});
  Standalone all(scene.federation), healthy(peer.federation);
  all.next(scene.steps);
  healthy.next(peer.steps);
  REQUIRE(all.notes().size() == 1);
  CHECK(all.notes()[0].starts_with(
      "round 1: training alone diverged, the model of the round before is kept: client 3: model["));
  CHECK(healthy.notes().empty());
  std::vector<double> expected = healthy.accuracies();
  expected.push_back(scene.federation.accuracies({scene.federation.start()})[0]);
  CHECK(all.accuracies() == expected);

  Archive writer;  // who diverged is kept, too
  all.fields(writer);
  Standalone restored(scene.federation);
  Archive reader(writer.bytes(), "standalone");
  restored.fields(reader);
  CHECK(restored.notes() == all.notes());
}

TEST_CASE("when everyone diverges alone, all are named, with the round and the entry") {
  Settings settings = small_settings();
  settings.training.learning_rate = 1e38;
  SmallFederation scene(settings);
  Standalone standalone(scene.federation);
  const std::string message = fedval::tests::complaint_of([&] { standalone.next(scene.steps); });
  CAPTURE(message);
  CHECK(message.starts_with("round 1: training alone diverged"));
  for (const char* client : {"client 1: model[", "client 2: model[", "client 3: model["})
    CHECK(message.find(client) != std::string::npos);
}
