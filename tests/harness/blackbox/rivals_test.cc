// FedZGE's rivals: what they share with FedAvg, whom they weigh how, that generators learn; resumable; errors
// before the first round.
#include <ATen/ops/cat.h>

#include "harness/blackbox/feddf.hpp"
#include "harness/blackbox/open_clients.hpp"
#include "harness/blackbox/public_data.hpp"
#include "harness/blackbox/runs.hpp"
#include "harness/data/held_out.hpp"
#include "tests/doctest_torch.hpp"
#include "tests/harness/blackbox/scene.hpp"
#include "tests/support/complaint.hpp"

using namespace fedval;
using namespace fedval::harness;
using tests::complaint_of;

namespace {

Dataset with_public() {
  Dataset data = digits();
  set_aside(data, 40, 1);
  return data;
}

struct Outcome {
  Ending ending;
  double parameters = 0;
};

Outcome outcome_of(const std::string& method, const Settings& settings, const Dataset& data,
                   std::size_t threads = 2) {
  SmallFederation scene(settings, threads, data);
  const auto run = make_distillation_run(method, scene.federation);
  return {finish(scene, *run), static_cast<double>(scene.federation.dimension())};
}

}  // namespace

TEST_CASE("every method that distils runs, to the same bits with any number of workers and from any stop") {
  const Dataset data = with_public();
  for (const std::string& method : distillation_names()) {
    CAPTURE(method);
    const Settings settings = black_box_settings();
    const Ending whole = outcome_of(method, settings, data, 1).ending;
    CHECK(whole.server.equal(outcome_of(method, settings, data, 3).ending.server));
    SmallFederation scene(settings, 2, data);
    const auto first = make_distillation_run(method, scene.federation);
    first->next(scene.steps);
    Archive writer;
    first->fields(writer);
    const auto second = make_distillation_run(method, scene.federation);
    Archive reader(writer.bytes(), "run");
    second->fields(reader);
    reader.end();
    const Ending rest = finish(scene, *second);
    CHECK(rest.server.equal(whole.server));
    CHECK(rest.result.agent_loss == whole.result.agent_loss);
    double credit = 0;
    for (const auto& [id, share] : rest.result.credit) credit += share;
    CHECK(credit == doctest::Approx(1).epsilon(1e-12));
  }
}

TEST_CASE("models that travel are counted with all their numbers, both ways; answers are not models") {
  const Dataset data = with_public();
  for (const char* method : {"feddf", "dense", "fedgen"}) {
    const Outcome outcome = outcome_of(method, black_box_settings(), data);
    CHECK(figure(outcome.ending.result.bytes, "models") == 3 * 3 * 2 * 4 * outcome.parameters);
    CHECK(figure(outcome.ending.result.bytes, "answers") == 0);
  }
  for (const char* method : {"fedzge", "fedmd"}) {
    const Outcome outcome = outcome_of(method, black_box_settings(), data);
    CHECK(figure(outcome.ending.result.bytes, "models") == 0);
    CHECK(figure(outcome.ending.result.bytes, "answers") > 0);
  }
  // Six numbers of public examples each to three clients in three rounds.
  CHECK(figure(outcome_of("fedmd", black_box_settings(), data).ending.result.bytes, "samples") ==
        3 * 3 * 6 * 4);
}

TEST_CASE("FedGen weighs by class and says what that costs, DENSE when it is told to, the others by size") {
  const Dataset data = with_public();
  Settings by_class = black_box_settings();
  by_class.black_box.ensemble = "class";
  const double counts = 3 * 3 * 4 * 10;
  for (const char* method : {"fedmd", "feddf", "fedgen"}) {
    const Ending size = outcome_of(method, black_box_settings(), data).ending,
                 classes = outcome_of(method, by_class, data).ending;
    CHECK(size.server.equal(classes.server));
    for (const Ending& ending : {size, classes})
      CHECK(figure(ending.result.bytes, "class counts") == (std::string(method) == "fedgen" ? counts : 0));
  }
  for (const char* method : {"dense", "fedzge"}) {
    const Ending size = outcome_of(method, black_box_settings(), data).ending,
                 classes = outcome_of(method, by_class, data).ending;
    CHECK(!size.server.equal(classes.server));
    CHECK(figure(size.result.bytes, "class counts") == 0);
    CHECK(figure(classes.result.bytes, "class counts") == counts);
  }
}

TEST_CASE("the generators of DENSE and FedGen learn what was ordered") {
  const Dataset data = with_public();
  for (const char* method : {"dense", "fedgen"}) {
    CAPTURE(method);
    const auto fidelity = [&](double rate) {
      Settings settings = black_box_settings();
      settings.training.rounds = 8;
      settings.black_box.samples = 16;
      settings.black_box.generator_steps = 10;
      settings.black_box.generator_learning_rate = rate;
      settings.black_box.adversarial = settings.black_box.diversity = settings.black_box.information = 0;
      const Ending ending = outcome_of(method, settings, data).ending;
      return figure(ending.rounds.back().figures, "fidelity");
    };
    CHECK(fidelity(0.01) < 0.7 * fidelity(1e-12));
  }
}

TEST_CASE("without a step of distillation FedDF, and FedGen's first round, are FedAvg") {
  Settings settings = black_box_settings();
  settings.training.rounds = 1;
  settings.black_box.server_steps = 0;
  const Dataset data = with_public();
  SmallFederation scene(settings, 2, data);
  const auto average = scene.run("fedavg");
  average->next(scene.steps);
  const at::Tensor expected = kept_by(*average).server;
  for (const char* method : {"feddf", "fedgen"}) {
    const at::Tensor found = outcome_of(method, settings, data).ending.server;
    CHECK(found.sub(expected).abs().max().item().toDouble() < 1e-6);
  }
}

TEST_CASE("FedGen's clients feel its generator from the second round on") {
  Settings settings = black_box_settings();
  settings.training.rounds = 2;
  settings.black_box.generator_steps = 3;
  const Dataset data = with_public();
  SmallFederation scene(settings, 2, data);
  const auto average = scene.run("fedavg");
  while (!average->done()) average->next(scene.steps);
  const at::Tensor found = outcome_of("fedgen", settings, data).ending.server;
  CHECK(found.sub(kept_by(*average).server).abs().max().item().toDouble() > 1e-4);
}

TEST_CASE(
    "public batches are drawn without repeats, by seed and round alone, and not beyond what is public") {
  Settings settings = black_box_settings();
  settings.black_box.public_samples = 20;
  const Dataset data = with_public();
  SmallFederation scene(settings, 1, data);
  for (std::size_t round = 0; round < 20; ++round) {
    std::vector<std::uint32_t> batch = public_batch(scene.federation, 6, round);
    CHECK(batch == public_batch(scene.federation, 6, round));
    std::ranges::sort(batch);
    CHECK(std::ranges::adjacent_find(batch) == batch.end());
    CHECK(batch.back() < 20);
  }
  CHECK(public_batch(scene.federation, 6, 0) != public_batch(scene.federation, 6, 1));
}

TEST_CASE("too few public examples are an error before the first round") {
  for (const char* method : {"fedmd", "feddf"}) {
    SmallFederation none(black_box_settings());
    CHECK(complaint_of([&] { make_distillation_run(method, none.federation); }) ==
          "black_box.samples asks for 6 public examples of 0; data.held_out sets training examples aside");
    Settings settings = black_box_settings();
    settings.black_box.public_samples = 41;
    const Dataset data = with_public();
    SmallFederation few(settings, 1, data);
    CHECK(complaint_of([&] { make_distillation_run(method, few.federation); }) ==
          "black_box.public_samples is 41, but the held-out part of the data has 40; data.held_out sets "
          "training "
          "examples aside");
  }
  SmallFederation scene(black_box_settings());
  CHECK(complaint_of([&] { make_distillation_run("fedavg", scene.federation); }) ==
        "there is no method named \"fedavg\" that distils");
}

TEST_CASE(
    "a round in which nobody's model can be used leaves the server's; one for all agents ends the run") {
  const Dataset data = with_public();
  Settings settings = black_box_settings();
  settings.training.optimiser = "sgd";
  settings.training.learning_rate = 1e38;
  for (const std::string method : {"feddf", "dense", "fedgen"}) {
    CAPTURE(method);
    CHECK(complaint_of([&] {
            outcome_of(method, settings, data);
          }).starts_with("round 1: nobody's update can be used: client 1: "));
    Settings few = settings;
    few.participation.fraction = 0.3;  // one of three
    SmallFederation scene(few, 2, data);
    const auto run = make_distillation_run(method, scene.federation);
    const at::Tensor start = server_of(*run);
    for (std::size_t t = 0; t < 2; ++t) CHECK(run->next(scene.steps).refused.size() == 1);
    CHECK(server_of(*run).equal(start));
  }
}
