// The federation: what it refuses, how many steps it counts, and accuracies against a direct computation.
#include "harness/federation/federation.hpp"

#include <numeric>

#include "tests/doctest_torch.hpp"
#include "tests/harness/federation/small_federation.hpp"
#include "tests/support/complaint.hpp"

using namespace fedval::harness;
using fedval::tests::complaint_of;

TEST_CASE("more test samples than there are, and a part that is not there, are refused") {
  Settings settings = small_settings();
  settings.evaluation.test_samples = 201;
  CHECK(complaint_of([&] { SmallFederation scene(settings); }) ==
        "evaluation.test_samples is 201, but the test part of the data has 200");
  settings.evaluation = {.on = "held_out"};
  CHECK(complaint_of([&] {
          SmallFederation scene(settings);
        }).starts_with("evaluation.on is \"held_out\", but digits has no such part"));
}

TEST_CASE("agents: their shards, their ids from 1, and how many classes they know") {
  Settings settings = small_settings();
  const Shards shards{{0, 1, 2}, {5}, {7, 7, 7}};
  SmallFederation scene(settings, 1, digits(), shards);
  REQUIRE(scene.federation.agents().size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(scene.federation.agents()[i].id == i + 1);
    CHECK(scene.federation.agents()[i].shard == shards[i]);
  }
  CHECK(scene.federation.agents()[0].classes == 3);  // digits come in blocks of ten, each once
  CHECK(scene.federation.agents()[2].classes == 1);
}

TEST_CASE(
    "accuracies: on the first examples of the part, in the order asked, equal to a direct computation") {
  Settings settings = small_settings();
  settings.evaluation.test_samples = 123;  // not a multiple of any batch
  SmallFederation scene(settings, 3);
  std::vector<at::Tensor> states{scene.federation.start()};
  for (std::size_t t = 0; t < 3; ++t)
    states.push_back(scene.federation.train_all({{{2, 1}, states.back()}}, t, scene.steps)[0]);
  states.push_back(states[0]);
  const std::vector<double> found = scene.federation.accuracies(states);
  FlatNetwork network = make_network(settings.model, digits().shape, digits().classes, 99);
  const Batches batches(digits().shape, normalisation_of(digits().train, digits().shape));
  std::vector<std::size_t> all(123);
  std::iota(all.begin(), all.end(), std::size_t{0});
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < states.size(); ++i) {
    network.state().copy_(states[i]);
    const at::Tensor chosen = network.forward(batches.inputs(digits().test, all)).argmax(1);
    const auto right = chosen.eq(batches.labels(digits().test, all)).sum().item().toLong();
    CHECK(found[i] == static_cast<double>(right) / 123);
  }
  CHECK(found[0] == found.back());
  CHECK(found[0] != found[3]);
}

TEST_CASE("an agent whose batch LibTorch refuses is named") {
  Dataset data = digits();
  data.train.labels[5] = 200;
  SmallFederation scene(small_settings(), 2, data, {{0, 1}, {4, 5}, {6}});
  const at::Tensor& start = scene.federation.start();
  const std::string message = complaint_of([&] {
    scene.federation.train_all({{{0, 1}, start}, {{1, 1}, start}, {{2, 1}, start}}, 0, scene.steps);
  });
  CHECK(message.starts_with("client 2: training: "));
}

TEST_CASE("the pace is measured without harm to what comes later") {
  SmallFederation scene(small_settings()), other(small_settings());
  const Federation::Pace pace = scene.federation.measure();
  CHECK(pace.seconds_a_step > 0);
  CHECK(pace.seconds_an_example > 0);
  const auto trained = [](SmallFederation& here) {
    return here.federation.train_all({{{1, 1}, here.federation.start()}}, 0, here.steps)[0];
  };
  CHECK(trained(scene).equal(trained(other)));
}
