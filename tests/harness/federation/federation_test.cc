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

namespace {

/// Digits whose test part has no 3, and of class 0 nine times as many as of each other one.
const Dataset& unequal_digits() {
  static const Dataset data = [] {
    Dataset all = digits();
    Examples& test = all.test;
    const Examples before = test;
    const std::size_t pixels = all.shape.entries();
    test.pixels.clear();
    test.labels.clear();
    for (std::size_t i = 0; i < before.size(); ++i)
      for (int times = before.labels[i] == 0 ? 9 : before.labels[i] == 3 ? 0 : 1; times > 0; --times) {
        const auto pixel = before.pixels.begin() + static_cast<std::ptrdiff_t>(i * pixels);
        test.pixels.insert(test.pixels.end(), pixel, pixel + static_cast<std::ptrdiff_t>(pixels));
        test.labels.push_back(before.labels[i]);
      }
    all.held_out = all.test;
    return all;
  }();
  return data;
}

Settings balanced_settings() {
  Settings settings = small_settings();
  settings.evaluation = {.accuracy = "balanced"};
  return settings;
}

}  // namespace

TEST_CASE("balanced accuracy: the mean over the classes that are tested, equal to a direct computation") {
  const Settings settings = balanced_settings();
  const Dataset& data = unequal_digits();
  SmallFederation scene(settings, 2, data);
  const at::Tensor state =
      scene.federation.train_all({{{2, 1}, scene.federation.start()}}, 0, scene.steps)[0];
  FlatNetwork network = make_network(settings.model, data.shape, data.classes, 99);
  network.state().copy_(state);
  std::vector<std::size_t> all(data.test.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  const at::NoGradGuard no_grad;
  const Batches batches(data.shape, normalisation_of(data.train, data.shape));
  const at::Tensor chosen = network.forward(batches.inputs(data.test, all)).argmax(1);
  double sum = 0;
  for (std::uint8_t c = 0; c < 10; ++c) {
    std::size_t right = 0, size = 0;
    for (const std::size_t i : all) {
      if (data.test.labels[i] != c) continue;
      ++size;
      right += chosen[static_cast<std::int64_t>(i)].item().toLong() == c ? 1 : 0;
    }
    if (size > 0) sum += static_cast<double>(right) / static_cast<double>(size);
  }
  CHECK(scene.federation.test({state})[0].accuracy == sum / 9);
  CHECK(scene.federation.validate({state})[0].accuracy == sum / 9);
  Settings plain = settings;
  plain.evaluation.accuracy = "plain";
  SmallFederation other(plain, 2, data);
  CHECK(other.federation.test({state})[0].accuracy != sum / 9);
  CHECK(other.federation.test({state})[0].loss == scene.federation.test({state})[0].loss);
}

TEST_CASE("balanced accuracy: a model that always says the largest of nine classes has a ninth") {
  SmallFederation scene(balanced_settings(), 2, unequal_digits());
  at::Tensor state = scene.federation.start().clone();
  state.zero_();
  scene.federation.network().final_bias(state.narrow(0, 0, scene.federation.dimension()))[0] = 1;
  CHECK(scene.federation.accuracies({state})[0] == 1.0 / 9);
}

TEST_CASE("balanced accuracy: the same bits with any number of workers") {
  std::vector<double> found;
  for (const std::size_t threads : {1, 2, 5}) {
    SmallFederation scene(balanced_settings(), threads, unequal_digits());
    const at::Tensor state =
        scene.federation.train_all({{{1, 1}, scene.federation.start()}}, 0, scene.steps)[0];
    found.push_back(scene.federation.accuracies({scene.federation.start(), state})[1]);
  }
  CHECK(found[0] == found[1]);
  CHECK(found[0] == found[2]);
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
