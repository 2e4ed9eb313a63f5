// Residual networks against their blocks written out; what batch norms keep, and that group norms keep
// nothing.
#include "harness/model/resnet.hpp"

#include <ATen/ops/conv2d.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/rand_like.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sqrt.h>

#include <functional>

#include "fedval/error.hpp"
#include "tests/harness/model/written_out.hpp"

using namespace fedval::harness;

namespace {

constexpr double epsilon = 1e-5;

at::Tensor convolve(Cut& cut, const at::Tensor& x, std::int64_t out, std::int64_t size, std::int64_t stride) {
  return at::conv2d(x, cut({out, x.size(1), size, size}), {}, stride, size / 2);
}

/// (x - mean) / deviation over some dimensions, of a tensor of any shape.
at::Tensor standardised(const at::Tensor& x, at::IntArrayRef over) {
  const at::Tensor centred = x - x.mean(over, true);
  return centred / at::sqrt(centred.square().mean(over, true) + epsilon);
}

at::Tensor by_channel(const at::Tensor& values) { return values.view({1, -1, 1, 1}); }

using Standardise = std::function<at::Tensor(const at::Tensor&)>;

at::Tensor over_batch(const at::Tensor& x) { return standardised(x, {0, 2, 3}); }

Standardise over_groups(std::int64_t groups) {
  return [groups](const at::Tensor& x) {
    return standardised(x.reshape({x.size(0), groups, -1}), {2}).reshape(x.sizes());
  };
}

/// By means and variances, which follow each other in the order of the layers.
Standardise by_statistics(Cut& buffers) {
  return [&](const at::Tensor& x) {
    const at::Tensor mean = buffers({x.size(1)}), variance = buffers({x.size(1)});
    return (x - by_channel(mean)) / at::sqrt(by_channel(variance) + epsilon);
  };
}

struct Shape {
  std::vector<int> blocks;
  bool bottleneck = false, imagenet = false;
};

at::Tensor written_out(const Shape& shape, const Standardise& standardise, Cut& cut,
                       const at::Tensor& images) {
  const auto norm = [&](const at::Tensor& x) {
    const at::Tensor scale = cut({x.size(1)});
    return standardise(x) * by_channel(scale) + by_channel(cut({x.size(1)}));
  };
  const auto layer = [&](const at::Tensor& x, std::int64_t out, std::int64_t size, std::int64_t stride) {
    return norm(convolve(cut, x, out, size, stride));
  };
  at::Tensor x = at::relu(shape.imagenet ? layer(images, 64, 7, 2) : layer(images, 64, 3, 1));
  if (shape.imagenet) x = at::max_pool2d(x, 3, 2, 1);
  std::int64_t width = 64;
  for (std::size_t stage = 0; stage < shape.blocks.size(); ++stage, width *= 2)
    for (int block = 0; block < shape.blocks[stage]; ++block) {
      const std::int64_t stride = stage > 0 && block == 0 ? 2 : 1;
      const std::int64_t out = shape.bottleneck ? 4 * width : width;
      at::Tensor y = x;
      if (shape.bottleneck) {
        y = at::relu(layer(y, width, 1, 1));
        y = at::relu(layer(y, width, 3, stride));
        y = layer(y, out, 1, 1);
      } else {
        y = at::relu(layer(y, width, 3, stride));
        y = layer(y, out, 3, 1);
      }
      if (stride != 1 || x.size(1) != out) x = layer(x, out, 1, stride);
      x = at::relu(x + y);
    }
  const at::Tensor weight = cut({10, x.size(1)});
  return at::linear(x.mean({2, 3}), weight, cut({10}));
}

ModelSettings settings_of(const std::string& name, const std::string& stem, const std::string& norm) {
  ModelSettings settings = model(name);
  settings.stem = stem;
  settings.norm = norm;
  return settings;
}

FlatNetwork shaken_resnet18(const std::string& stem, const std::string& norm) {
  torch::manual_seed(5);
  FlatNetwork network = make_network(settings_of("resnet18", stem, norm), {3, 32, 32}, 10, 5);
  shake(network);
  return network;
}

at::Tensor buffers_of(const FlatNetwork& network) {
  return network.state().narrow(0, network.dimension(), network.buffers());
}

const std::vector<int> two_each{2, 2, 2, 2};

}  // namespace

TEST_CASE("resnet18, trained: logits and gradient with either stem and either norm") {
  for (const std::string stem : {"cifar", "imagenet"})
    for (const std::string norm : {"batch", "group"}) {
      CAPTURE(stem);
      CAPTURE(norm);
      FlatNetwork network = shaken_resnet18(stem, norm);
      const Shape shape{.blocks = two_each, .imagenet = stem == "imagenet"};
      // The last layers must see more than a few positions, or a batch norm divides by almost nothing.
      const std::int64_t side = shape.imagenet ? 64 : 16;
      const Standardise standardise = norm == "batch" ? Standardise(over_batch) : over_groups(32);
      check_against(network, at::randn({4, 3, side, side}), [&](Cut& cut, const at::Tensor& images) {
        return written_out(shape, standardise, cut, images);
      });
    }
}

TEST_CASE("a network of bottlenecks, one a stage") {
  torch::manual_seed(6);
  const Shape shape{.blocks = {1, 1, 1, 1}, .bottleneck = true};
  FlatNetwork network(
      std::make_shared<ResNet>(shape.blocks, true, settings_of("resnet50", "cifar", "batch"), 3, 10));
  shake(network);
  check_against(network, at::randn({4, 3, 16, 16}), [&](Cut& cut, const at::Tensor& images) {
    return written_out(shape, over_batch, cut, images);
  });
}

TEST_CASE("evaluation mode reads the running statistics, which lie behind the parameters, and keeps them") {
  FlatNetwork network = shaken_resnet18("cifar", "batch");
  const torch::NoGradGuard no_grad;
  buffers_of(network).copy_(at::rand({network.buffers()}).add_(0.5));
  const at::Tensor before = network.state().clone();
  network.train(false);
  const at::Tensor images = at::randn({2, 3, 16, 16}), logits = network.forward(images);

  const at::Tensor flat = network.parameters().to(at::kDouble),
                   statistics = buffers_of(network).to(at::kDouble);
  Cut cut(flat), buffers(statistics);
  const at::Tensor expected =
      written_out({.blocks = two_each}, by_statistics(buffers), cut, images.to(at::kDouble));
  CHECK(cut.all_taken());
  CHECK(buffers.all_taken());
  CHECK(relative_error(logits, expected) < 1e-5);
  CHECK(network.state().equal(before));
  CHECK(relative_error(network.forward(images.narrow(0, 0, 1)), logits.narrow(0, 0, 1)) < 1e-5);
}

TEST_CASE("training mode moves the running statistics a tenth of the way to the batch's") {
  FlatNetwork network = shaken_resnet18("cifar", "batch");
  const torch::NoGradGuard no_grad;
  const at::Tensor images = at::randn({4, 3, 16, 16}), before = network.state().clone();
  network.train(true);
  network.forward(images);
  CHECK(network.parameters().equal(before.narrow(0, 0, network.dimension())));
  Cut cut(network.parameters());
  const at::Tensor first = convolve(cut, images, 64, 3, 1);
  // They start at mean 0 and variance 1; the variance is the unbiased one.
  const at::Tensor mean = first.mean(at::IntArrayRef{0, 2, 3}) * 0.1;
  const at::Tensor variance = first.transpose(0, 1).reshape({64, -1}).var(1, true) * 0.1 + 0.9;
  CHECK(relative_error(buffers_of(network).narrow(0, 0, 64), mean) < 1e-4);
  CHECK(relative_error(buffers_of(network).narrow(0, 64, 64), variance) < 1e-4);
  CHECK(
      buffers_of(network).ne(before.narrow(0, network.dimension(), network.buffers())).all().item().toBool());
}

TEST_CASE("buffers: a mean and a variance for each channel of each batch norm, none with group norms") {
  const auto buffers = [](const std::string& name, const std::string& norm) {
    return make_network(settings_of(name, "cifar", norm), {3, 32, 32}, 10, 1).buffers();
  };
  CHECK(buffers("resnet18", "batch") == 2 * (64 + 4 * 64 + 5 * 128 + 5 * 256 + 5 * 512));
  CHECK(buffers("resnet18", "batch") == 9600);
  CHECK(buffers("resnet34", "batch") == 2 * (64 + 6 * 64 + 9 * 128 + 13 * 256 + 7 * 512));
  CHECK(buffers("resnet50", "batch") == 53120);
  CHECK(buffers("resnet18", "group") == 0);
}

TEST_CASE("an example's logits depend on the batch's others with batch norms and not with group norms") {
  for (const std::string norm : {"batch", "group"}) {
    FlatNetwork network = shaken_resnet18("imagenet", norm);
    network.train(true);
    const torch::NoGradGuard no_grad;
    at::Tensor images = at::randn({4, 3, 32, 32});
    const at::Tensor before = network.forward(images)[0];
    images.narrow(0, 1, 3).mul_(-3);
    const double change = relative_error(network.forward(images)[0], before);
    if (norm == "batch")
      CHECK(change > 0.1);
    else
      CHECK(change < 1e-5);
  }
}

TEST_CASE("the number of groups must divide every norm's channels") {
  ModelSettings settings = settings_of("resnet18", "cifar", "group");
  settings.groups = 48;
  CHECK_THROWS_WITH_AS(make_network(settings, {3, 32, 32}, 10, 1),
                       "model.groups is 48, which does not divide the 64 channels of a layer", fedval::Error);
  settings.groups = 128;
  CHECK_THROWS_WITH_AS(make_network(settings, {3, 32, 32}, 10, 1),
                       "model.groups is 128, which does not divide the 64 channels of a layer",
                       fedval::Error);
}
