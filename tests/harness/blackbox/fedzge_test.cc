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
  const Settings settings = with([](Settings& s) {
    s.black_box.answer_noise = 0.1;  // drawn by how many images were answered so far
    s.black_box.query_budget = 60;   // spent in the third round
  });
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
    CHECK(rest.rounds.back().refused.size() == 3);
    CHECK(rest.result.answered == whole.result.answered);
    CHECK(rest.result.notes == whole.result.notes);
    CHECK(rest.result.agent_accuracy == whole.result.agent_accuracy);
    CHECK(rest.result.best_server_accuracy == whole.result.best_server_accuracy);
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
  const auto fidelity = [&](std::size_t k) { return endings[k].rounds[1].figures[0].value; };
  CHECK(std::abs(fidelity(3) - fidelity(2)) < 0.1 * std::abs(fidelity(0) - fidelity(2)));
  CHECK(std::abs(fidelity(3) - fidelity(2)) < 0.1 * std::abs(fidelity(1) - fidelity(2)));
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

TEST_CASE("a budget that ends between two steps of the generator leaves the round what was answered") {
  const std::uint64_t a_step = (1 + 3) * 6;
  SmallFederation scene(with([&](Settings& s) {
    s.black_box.generator_steps = 2;
    s.black_box.query_budget = 3 * a_step;
  }));
  FedZge run(scene.federation);
  run.next(scene.steps);
  const at::Tensor first = server_of(run).clone();
  CHECK(run.next(scene.steps).refused.size() == 3);
  const at::Tensor second = server_of(run).clone();
  CHECK(!second.equal(first));
  CHECK(run.next(scene.steps).refused.size() == 3);
  CHECK(server_of(run).equal(second));
  const RunResult result = run.finish();
  CHECK(result.answered == 3 * 3 * a_step);
  const auto said = [&](const std::string& note) { return std::ranges::count(result.notes, note) == 1; };
  CHECK(
      said("round 2, step 2 of the generator: nobody answered, so the global model learned from the step "
           "before"));
  CHECK(
      said("round 3, step 1 of the generator: nobody answered, so neither generator nor global model "
           "moved"));
}

TEST_CASE("the generator learns what was ordered: fidelity falls, and does not where it stands still") {
  const auto fidelity = [](double rate) {
    const Ending ending = ending_of(with([&](Settings& s) {
      s.training.rounds = 12;
      s.training.local_epochs = 1;
      s.black_box.samples = 16;
      s.black_box.queries = 32;
      s.black_box.generator_steps = 5;
      s.black_box.generator_learning_rate = rate;
      s.black_box.adversarial = s.black_box.diversity = s.black_box.information = 0;
      s.black_box.server_steps = 1;
      s.black_box.client_steps = 0;
    }));
    double last = 0;
    for (std::size_t t = 8; t < 12; ++t) last += ending.rounds[t].figures[0].value / 4;
    return last;
  };
  CHECK(fidelity(0.01) < 0.8 * fidelity(1e-12));
}

TEST_CASE("the loss is the sum that the factors say, and every one of them is felt") {
  const Ending plain = ending_of(black_box_settings());
  const auto other = [&](const std::function<void(BlackBoxSettings&)>& change) {
    return !ending_of(with([&](Settings& s) { change(s.black_box); })).server.equal(plain.server);
  };
  CHECK(other([](BlackBoxSettings& s) { s.adversarial = 3; }));
  CHECK(other([](BlackBoxSettings& s) { s.diversity = 3; }));
  CHECK(other([](BlackBoxSettings& s) { s.information = 3; }));
  CHECK(other([](BlackBoxSettings& s) { s.temperature = 3; }));
  CHECK(other([](BlackBoxSettings& s) { s.epsilon = 0.1; }));
  CHECK(other([](BlackBoxSettings& s) { s.generator_learning_rate = 0.1; }));
  CHECK(other([](BlackBoxSettings& s) { s.distillation_learning_rate = 0.1; }));
  const Ending weighed = ending_of(with([](Settings& s) {
    s.black_box.adversarial = 0.5;
    s.black_box.diversity = 0.25;
    s.black_box.information = 2;
  }));
  for (const RoundRecord& round : weighed.rounds) {
    const auto value = [&](const char* name) { return figure(round.figures, name); };
    CHECK(value("generator loss") == doctest::Approx(value("fidelity") + 0.5 * value("adversarial") +
                                                     0.25 * value("diversity") + 2 * value("information")));
    CHECK(value("diversity") > 0);
    CHECK(value("information") < 0);
  }
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
  SmallFederation many(with([](Settings& s) { s.black_box.queries = 785; }));
  CHECK(complaint_of([&] { FedZge run(many.federation); }).find("785") != std::string::npos);
  SmallFederation good(black_box_settings());
  CHECK(complaint_of([&] { FedZge run(good.federation, {nullptr}); }) == "1 clients for 3 agents");
}
