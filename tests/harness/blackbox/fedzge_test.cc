// FedZGE's run: the same bits however it is run, sent or stopped; bytes to the byte; budgets, estimators,
// clients of several kinds.
#include "harness/blackbox/fedzge.hpp"

#include "fedval/black_box/communication.hpp"
#include "harness/blackbox/query_options.hpp"
#include "tests/doctest_torch.hpp"
#include "tests/harness/blackbox/scene.hpp"
#include "tests/support/complaint.hpp"

using namespace fedval;
using namespace fedval::harness;
using tests::complaint_of;

namespace {

Ending ending_of(const Settings& settings, std::size_t threads = 2) {
  SmallFederation scene(settings, threads);
  FedZge run(scene.federation);
  return finish(scene, run);
}

void check_same(const Ending& one, const Ending& two) {
  CHECK(one.server.equal(two.server));
  CHECK(one.result.agent_accuracy == two.result.agent_accuracy);
  CHECK(one.result.agent_loss == two.result.agent_loss);
  CHECK(one.result.server_accuracy == two.result.server_accuracy);
  REQUIRE(one.rounds.size() == two.rounds.size());
  for (std::size_t t = 0; t < one.rounds.size(); ++t) {
    REQUIRE(one.rounds[t].figures.size() == 5);
    for (std::size_t k = 0; k < 5; ++k)
      CHECK(one.rounds[t].figures[k].value == two.rounds[t].figures[k].value);
  }
}

Settings with(const std::function<void(Settings&)>& change) {
  Settings settings = black_box_settings();
  change(settings);
  return settings;
}

}  // namespace

TEST_CASE("the same bits again, and with any number of workers") {
  const Ending one = ending_of(black_box_settings(), 1);
  check_same(one, ending_of(black_box_settings(), 1));
  check_same(one, ending_of(black_box_settings(), 3));
  CHECK(!one.server.equal(ending_of(with([](Settings& s) { s.seed = 2; })).server));
}

TEST_CASE("a run that sends a seed is, to the bit, the run that sends the points") {
  for (const char* directions : {"orthogonal", "hadamard", "rademacher", "sphere"})
    for (const char* estimator : {"chain", "scalar"}) {
      CAPTURE(directions);
      const auto sending = [&](const char* how) {
        return ending_of(with([&](Settings& s) {
          s.black_box.directions = directions;
          s.black_box.estimator = estimator;
          s.black_box.sending = how;
        }));
      };
      const Ending seed = sending("seed"), points = sending("points");
      check_same(seed, points);
      CHECK(figure(seed.result.bytes, "seed") == 3 * 3 * 8);
      CHECK(figure(seed.result.bytes, "points") == 0);
      CHECK(figure(points.result.bytes, "seed") == 0);
    }
}

TEST_CASE("what is serialised is what the closed forms count, to the byte") {
  using black_box::Communication;
  using black_box::Sending;
  for (const auto sending : {Sending::seed, Sending::points}) {
    const Ending ending = ending_of(with([&](Settings& s) {
      s.black_box.sending = sending == Sending::seed ? "seed" : "points";
      s.black_box.generator_steps = 2;
    }));
    const auto& bytes = ending.result.bytes;
    const Communication once = black_box::communication(sending, 6, 28 * 28, 10, 3);
    constexpr double clients = 3, rounds = 3, steps = 2;
    CHECK(figure(bytes, "samples") == clients * rounds * steps * static_cast<double>(once.samples));
    CHECK(figure(bytes, "seed") + figure(bytes, "points") ==
          clients * rounds * steps * static_cast<double>(once.points));
    CHECK(figure(bytes, "answers") == clients * rounds * steps * static_cast<double>(once.answers));
    CHECK(figure(bytes, "teaching") == clients * rounds * static_cast<double>(once.teaching));
    // Train, queries and lesson, each with its reply.
    CHECK(figure(bytes, "heads") == clients * rounds * 2 * (2 + steps) * 64);
    CHECK(ending.result.answered == 3 * 3 * 2 * (1 + 3) * 6);
  }
}

TEST_CASE("a stopped run goes on to the same bits") {
  const Settings settings = black_box_settings();
  const Ending whole = ending_of(settings);
  for (std::size_t stop = 1; stop < settings.training.rounds; ++stop) {
    SmallFederation scene(settings);
    FedZge first(scene.federation);
    while (first.rounds() < stop) first.next(scene.steps);
    Archive writer;
    first.fields(writer);
    SmallFederation later(settings);
    FedZge second(later.federation);
    Archive reader(writer.bytes(), "run");
    second.fields(reader);
    reader.end();
    const Ending rest = finish(later, second);
    CHECK(rest.server.equal(whole.server));
    CHECK(rest.result.agent_loss == whole.result.agent_loss);
    CHECK(rest.result.bytes.size() == whole.result.bytes.size());
    CHECK(figure(rest.result.bytes, "answers") == figure(whole.result.bytes, "answers"));
  }
}

TEST_CASE(
    "the estimators take other steps with the same questions, and reference is scalar but for Adam's "
    "epsilon") {
  std::vector<Ending> endings;
  for (const char* estimator : {"chain", "per_sample", "scalar", "reference"})
    endings.push_back(ending_of(with([&](Settings& s) { s.black_box.estimator = estimator; })));
  for (std::size_t k = 1; k < endings.size(); ++k) {
    CHECK(endings[k].result.answered == endings[0].result.answered);
    // The first round's losses are those of the untrained generator.
    CHECK(endings[k].rounds[0].figures[0].value == endings[0].rounds[0].figures[0].value);
  }
  CHECK(endings[0].rounds[1].figures[0].value != endings[1].rounds[1].figures[0].value);
  CHECK(endings[1].rounds[1].figures[0].value != endings[2].rounds[1].figures[0].value);
  // One step of Adam, made anew every round, is lr g / (|g| + 1e-8): a scale is lost.
  CHECK(endings[3].rounds[1].figures[0].value ==
        doctest::Approx(endings[2].rounds[1].figures[0].value).epsilon(0.05));
}

TEST_CASE("clients of several widths and kinds, and a server of another") {
  const Ending ending = ending_of(with([](Settings& s) {
    s.black_box.client_models = {"small_cnn", "mlp"};
    s.black_box.client_widths = {2, 3, 5};
    s.model.name = "mnist_cnn";
  }));
  CHECK(ending.result.agent_accuracy.size() == 3);
  SmallFederation scene(with([](Settings& s) { s.black_box.client_models = {"resnet18", "mlp"}; }));
  CHECK(client_model(scene.settings, 0).name == "resnet18");
  CHECK(client_model(scene.settings, 1).name == "mlp");
  CHECK(client_model(scene.settings, 2).name == "resnet18");
}

TEST_CASE("a client whose budget is spent is named, and trains on") {
  const std::uint64_t a_round = (1 + 3) * 6;
  const Ending ending = ending_of(with([&](Settings& s) { s.black_box.query_budget = 2 * a_round + 5; }));
  CHECK(ending.result.answered == 3 * 2 * a_round);
  REQUIRE(ending.rounds[2].refused.size() == 3);
  CHECK(ending.rounds[2].refused[0].reason == "refused: its budget of 53 images has 5 left for 24");
  CHECK(ending.rounds[1].refused.empty());
}

TEST_CASE("shares of the clients, dropouts and stragglers as everywhere") {
  const Ending ending = ending_of(with([](Settings& s) {
    s.participation.fraction = 0.5;
    s.participation.stragglers = 1;
  }));
  for (const RoundRecord& round : ending.rounds) {
    CHECK(round.participants.size() == 2);
    CHECK(round.stragglers == round.participants);
  }
}

TEST_CASE("the last round's accuracy and the best one are two figures, and the first is the last round's") {
  const Ending ending = ending_of(with([](Settings& s) {
    s.training.rounds = 4;
    s.evaluation.every = 1;
  }));
  double best = 0;
  for (const RoundRecord& round : ending.rounds) best = std::max(best, *round.server_accuracy);
  CHECK(ending.result.server_accuracy == *ending.rounds.back().server_accuracy);
  CHECK(ending.result.best_server_accuracy == best);
}

TEST_CASE("equal shares work, and the phases of a round add up to it") {
  const Ending ending = ending_of(with([](Settings& s) { s.partition.kind = "iid"; }));
  double phases = 0;
  for (const char* phase : {"client training", "generator", "queries", "distillation", "evaluation"}) {
    CHECK(figure(ending.result.split, phase) > 0);
    phases += figure(ending.result.split, phase);
  }
  CHECK(phases <= ending.result.seconds);
  CHECK(ending.result.training_seconds == doctest::Approx(figure(ending.result.split, "client training")));
}

TEST_CASE("answers with noise, of one class, or by class are other runs that end") {
  const Ending plain = ending_of(black_box_settings());
  for (const auto& change :
       std::vector<std::function<void(Settings&)>>{[](Settings& s) { s.black_box.answer_noise = 0.1; },
                                                   [](Settings& s) { s.black_box.answers = "top1"; },
                                                   [](Settings& s) { s.black_box.answers = "label"; },
                                                   [](Settings& s) { s.black_box.ensemble = "class"; }}) {
    const Ending other = ending_of(with(change));
    CHECK(!other.server.equal(plain.server));
    CHECK(other.server.isfinite().all().item().toBool());
  }
}

TEST_CASE("what it cannot run with is said before the first round") {
  SmallFederation scene(with([](Settings& s) {
    s.attack.kinds = {"zero"};
    s.attack.agents = {1};
  }));
  CHECK(complaint_of([&] { FedZge run(scene.federation); }) ==
        "attack.kinds: attackers send updates, and no update is sent by this method");
  SmallFederation good(black_box_settings());
  CHECK(complaint_of([&] { FedZge run(good.federation, {nullptr}); }) == "1 clients for 3 agents");
}
