// What a client does on its own, against closed forms, torch::optim and a network that writes down its input.
#include "harness/federation/training.hpp"

#include <ATen/ops/cross_entropy_loss.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/adam.h>
#include <torch/optim/sgd.h>
#include <torch/utils.h>

#include <cmath>
#include <numbers>
#include <numeric>

#include "fedval/error.hpp"
#include "harness/data/rendered_digits.hpp"
#include "tests/doctest_torch.hpp"
#include "tests/harness/data/files.hpp"

using namespace fedval::harness;

namespace {

const Dataset& digits() {
  static const Dataset data = rendered_digits(1, 60, 20);
  return data;
}

Batches batches_of(const Dataset& data) { return {data.shape, normalisation_of(data.train, data.shape)}; }

std::vector<std::size_t> first(std::size_t n) {
  std::vector<std::size_t> all(n);
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

FlatNetwork mlp() { return make_network({.name = "mlp"}, digits().shape, digits().classes, 1); }

/// A linear network on one pixel that keeps every batch it has seen; which mode it was in, too.
class Recorder : public Network {
 public:
  Recorder() : fc_(1, 2) {
    register_module("fc", fc_);
    const torch::NoGradGuard no_grad;
    fc_->weight.zero_();
    fc_->bias.zero_();
  }
  at::Tensor forward(const at::Tensor& examples) override {
    seen.push_back(examples.clone());
    training = is_training();
    return fc_->forward(examples.flatten(1));
  }

  std::vector<at::Tensor> seen;
  bool training = false;

 private:
  torch::nn::Linear fc_;
};

/// Examples that can be told apart: the pixel of example i is i.
struct Numbered {
  ExampleShape shape{.channels = 1, .height = 1, .width = 1};
  Examples examples;
  Batches batches;

  explicit Numbered(std::size_t n)
      : examples(numbers(n)), batches(shape, Normalisation{.mean = {0}, .deviation = {1.0 / 255}}) {}
  static Examples numbers(std::size_t n) {
    Examples all;
    for (std::size_t i = 0; i < n; ++i) {
      all.pixels.push_back(static_cast<std::uint8_t>(i));
      all.labels.push_back(static_cast<std::uint8_t>(i % 2));
    }
    return all;
  }
};

/// The batches of one call of train(), as the numbers of their examples.
std::vector<std::vector<int>> batches_seen(const Numbered& data, const std::vector<std::size_t>& shard,
                                           const TrainingSettings& settings, std::size_t steps,
                                           fedval::random::Key draws) {
  const auto recorder = std::make_shared<Recorder>();
  FlatNetwork network(recorder);
  std::atomic<std::size_t> counter = 0;
  train(network, data.batches, data.examples, shard, settings, 0.1, steps, draws, counter);
  CHECK(counter == steps);
  CHECK(recorder->training);
  std::vector<std::vector<int>> all;
  for (const at::Tensor& batch : recorder->seen) {
    all.emplace_back();
    for (std::int64_t i = 0; i < batch.numel(); ++i)
      all.back().push_back(static_cast<int>(std::lround(batch.data_ptr<float>()[i])));
  }
  return all;
}

/// Steps of torch::optim on one batch of all examples: its order matters for rounding only.
template <class Optimizer, class Options>
at::Tensor peer(const Options& options, int steps) {
  FlatNetwork network = mlp();
  at::Tensor weights = network.parameters().clone();
  weights.set_requires_grad(true);
  Optimizer optimizer(std::vector<at::Tensor>{weights}, options);
  const Batches batches = batches_of(digits());
  const auto all = first(60);
  for (int step = 0; step < steps; ++step) {
    {
      const torch::NoGradGuard no_grad;
      network.parameters().copy_(weights);
    }
    network.gradient().zero_();
    at::cross_entropy_loss(network.forward(batches.inputs(digits().train, all)),
                           batches.labels(digits().train, all))
        .backward();
    weights.mutable_grad() = network.gradient().clone();
    optimizer.step();
  }
  return weights.detach();
}

at::Tensor ours(const TrainingSettings& settings, double learning_rate, std::size_t steps) {
  FlatNetwork network = mlp();
  std::atomic<std::size_t> counter = 0;
  train(network, batches_of(digits()), digits().train, first(60), settings, learning_rate, steps, {1, 2},
        counter);
  return network.parameters().clone();
}

/// Ten steps of single precision: a few ulps of how far the weights went.
void check_close(const at::Tensor& left, const at::Tensor& right) {
  const double moved = (right - mlp().parameters()).norm().item().toDouble();
  CHECK(moved > 0.01);
  CHECK((left - right).norm().item().toDouble() < 1e-4 * moved);
}

}  // namespace

TEST_CASE("learning rates in closed form") {
  TrainingSettings settings{
      .rounds = 10, .learning_rate = 0.4, .learning_rate_decay = 0.9, .final_learning_rate = 0.1};
  CHECK(learning_rate_of(settings, 0) == 0.4);
  CHECK(learning_rate_of(settings, 3) == doctest::Approx(0.4 * 0.9 * 0.9 * 0.9).epsilon(1e-14));
  settings.schedule = "constant";
  CHECK(learning_rate_of(settings, 7) == 0.4);
  settings.schedule = "cosine";
  CHECK(learning_rate_of(settings, 0) == 0.4);
  CHECK(learning_rate_of(settings, 5) == doctest::Approx(0.25).epsilon(1e-14));
  CHECK(learning_rate_of(settings, 10) == doctest::Approx(0.1).epsilon(1e-14));
  const double third = std::numbers::sqrt3 / 2;  // cos(pi / 6)
  settings.rounds = 6;
  CHECK(learning_rate_of(settings, 1) == doctest::Approx(0.1 + 0.3 * (1 + third) / 2).epsilon(1e-14));
}

TEST_CASE(
    "steps of an agent: every batch of every epoch, of a straggler a share rounded down, one at least") {
  const TrainingSettings settings{.local_epochs = 3, .batch_size = 16};
  CHECK(steps_of(settings, 1) == 3);
  CHECK(steps_of(settings, 16) == 3);
  CHECK(steps_of(settings, 17) == 6);
  CHECK(steps_of(settings, 160) == 30);
  CHECK(steps_of(settings, 160, 0.5) == 15);
  CHECK(steps_of(settings, 160, 0.999) == 29);
  CHECK(steps_of(settings, 160, 0.0) == 1);
  CHECK(steps_of({.local_epochs = 2, .batch_size = ~std::size_t{0}}, 160) == 2);
}

TEST_CASE("an epoch sees every example of the shard once, the next in another order") {
  const Numbered data(100);
  const std::vector<std::size_t> shard{3, 14, 15, 92, 65, 35, 89, 79, 32, 38};
  for (const auto& [cut, sizes] : {std::pair("full", std::vector<std::size_t>{4, 4, 2}),
                                   std::pair("equal", std::vector<std::size_t>{4, 3, 3})}) {
    CAPTURE(cut);
    const TrainingSettings settings{.local_epochs = 2, .batch_size = 4, .batches = cut};
    const auto seen = batches_seen(data, shard, settings, 6, {1, 7});
    REQUIRE(seen.size() == 6);
    std::vector<std::vector<int>> epochs(2);
    for (std::size_t i = 0; i < 6; ++i) {
      CHECK(seen[i].size() == sizes[i % 3]);
      epochs[i / 3].insert(epochs[i / 3].end(), seen[i].begin(), seen[i].end());
    }
    CHECK(epochs[0] != epochs[1]);
    for (auto& epoch : epochs) {
      std::ranges::sort(epoch);
      CHECK(epoch == std::vector<int>{3, 14, 15, 32, 35, 38, 65, 79, 89, 92});
    }
    CHECK(batches_seen(data, shard, settings, 6, {1, 7}) == seen);
    CHECK(batches_seen(data, shard, settings, 6, {1, 8}) != seen);
    CHECK(batches_seen(data, shard, settings, 6, {2, 7}) != seen);
  }
}

TEST_CASE("equal batches: as many as full ones, none larger, and sizes that differ by one at most") {
  const Numbered data(70);
  for (const std::size_t samples : {1, 2, 7, 16, 17, 33, 63, 64, 65})
    for (const std::size_t batch : {1, 2, 5, 16, 64, 100}) {
      CAPTURE(samples);
      CAPTURE(batch);
      const TrainingSettings settings{.local_epochs = 1, .batch_size = batch, .batches = "equal"};
      const std::size_t steps = steps_of(settings, samples);
      CHECK(steps == (samples + batch - 1) / batch);
      const auto seen = batches_seen(data, first(samples), settings, steps, {1, 7});
      std::size_t least = samples, most = 0, sum = 0;
      for (const auto& each : seen) {
        least = std::min(least, each.size());
        most = std::max(most, each.size());
        sum += each.size();
      }
      CHECK(sum == samples);
      CHECK(most <= batch);
      CHECK(most - least <= 1);
    }
}

TEST_CASE("a straggler does a prefix of the full steps, batch by batch") {
  const Numbered data(50);
  const TrainingSettings settings{.local_epochs = 3, .batch_size = 8};
  const auto whole = batches_seen(data, first(50), settings, 21, {1, 7});
  for (std::size_t steps = 1; steps <= 21; ++steps) {
    const auto part = batches_seen(data, first(50), settings, steps, {1, 7});
    CHECK(std::equal(part.begin(), part.end(), whole.begin(),
                     whole.begin() + static_cast<std::ptrdiff_t>(steps)));
  }
}

TEST_CASE("gradient descent, with momentum, with weight decay, and Adam are torch::optim's") {
  const TrainingSettings plain{.batch_size = 100};
  check_close(ours(plain, 0.1, 10), peer<torch::optim::SGD>(torch::optim::SGDOptions(0.1), 10));

  TrainingSettings settings = plain;
  settings.momentum = 0.9;
  check_close(ours(settings, 0.05, 10),
              peer<torch::optim::SGD>(torch::optim::SGDOptions(0.05).momentum(0.9), 10));
  settings.weight_decay = 0.1;
  check_close(ours(settings, 0.05, 10),
              peer<torch::optim::SGD>(torch::optim::SGDOptions(0.05).momentum(0.9).weight_decay(0.1), 10));
  settings.momentum = 0;
  check_close(ours(settings, 0.1, 10),
              peer<torch::optim::SGD>(torch::optim::SGDOptions(0.1).weight_decay(0.1), 10));

  settings = plain;
  settings.optimiser = "adam";
  check_close(ours(settings, 0.01, 10), peer<torch::optim::Adam>(torch::optim::AdamOptions(0.01), 10));
  settings.weight_decay = 0.1;
  check_close(ours(settings, 0.01, 10),
              peer<torch::optim::Adam>(torch::optim::AdamOptions(0.01).weight_decay(0.1), 10));
}

TEST_CASE("testing a model: in evaluation mode, on the examples asked for") {
  const auto recorder = std::make_shared<Recorder>();
  FlatNetwork network(recorder);
  const Numbered data(10);
  const torch::NoGradGuard no_grad;
  network.final_bias(network.state())[1] = 1;  // says 1 to everything: right for the odd ones
  recorder->training = true;
  const std::vector<std::size_t> all{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, some{1, 2, 3};
  const Counted counted = fedval::harness::test(network, data.batches, data.examples, all, 1);
  CHECK(counted.correct == std::vector<std::size_t>{5});
  // Logits 0 and 1: ln(1 + 1/e) where the label is 1, ln(1 + e) where it is 0.
  CHECK(counted.loss ==
        doctest::Approx(5 * (std::log1p(std::exp(-1)) + std::log1p(std::exp(1)))).epsilon(1e-6));
  CHECK_FALSE(recorder->training);
  CHECK(fedval::harness::test(network, data.batches, data.examples, some, 1).correct ==
        std::vector<std::size_t>{2});
  CHECK(recorder->seen.back().numel() == 3);
  CHECK(recorder->seen.back().data_ptr<float>()[0] == doctest::Approx(1));
}

TEST_CASE("testing a model by class: what is right of each, whatever else is in the batch") {
  FlatNetwork network = mlp();
  std::atomic<std::size_t> counter = 0;
  const Batches batches = batches_of(digits());
  train(network, batches, digits().train, first(60), {.batch_size = 16}, 0.1, 12, {1, 2}, counter);
  const auto counted = [&](std::span<const std::size_t> indices, std::size_t classes) {
    return fedval::harness::test(network, batches, digits().train, indices, classes).correct;
  };
  const auto all = first(60);
  const std::vector<std::size_t> together = counted(all, 10);
  REQUIRE(together.size() == 10);
  std::vector<std::size_t> one_by_one(10);
  for (const std::size_t i : all)
    one_by_one[digits().train.labels[i]] += counted(std::vector<std::size_t>{i}, 1)[0];
  CHECK(together == one_by_one);
  const std::size_t right = std::accumulate(together.begin(), together.end(), std::size_t{0});
  CHECK(std::vector<std::size_t>{right} == counted(all, 1));
  CHECK(right > 0);
  CHECK(right < 60);
  for (const std::size_t batch : {1, 7, 16, 59}) {
    CAPTURE(batch);
    std::vector<std::size_t> sum(10);
    for (std::size_t begin = 0; begin < 60; begin += batch) {
      const auto part = counted(std::span(all).subspan(begin, std::min<std::size_t>(batch, 60 - begin)), 10);
      for (std::size_t c = 0; c < 10; ++c) sum[c] += part[c];
    }
    CHECK(sum == together);
  }
}

TEST_CASE("a batch that LibTorch refuses is an Error, without LibTorch's stack trace") {
  Numbered data(4);
  data.examples.labels[2] = 9;  // of two classes
  const std::string error =
      test_files::complaint_of([&] { batches_seen(data, first(4), {.batch_size = 4}, 1, {}); });
  CHECK(error.starts_with("training: "));
  CHECK(error.find("frame #") == std::string::npos);
}
