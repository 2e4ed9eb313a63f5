#include "harness/model/network.hpp"

#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tanh.h>
#include <torch/utils.h>

#include "fedval/error.hpp"
#include "tests/doctest_torch.hpp"

using fedval::harness::FlatNetwork;
using fedval::harness::make_network;

namespace {

/// The network as the paper's code writes it, layer by layer in that order, on parameters cut from a flat
/// vector.
at::Tensor reference_forward(const at::Tensor& flat, const at::Tensor& images) {
  std::int64_t begin = 0;
  const auto next = [&](at::IntArrayRef shape) {
    std::int64_t count = 1;
    for (const auto extent : shape) count *= extent;
    begin += count;
    return flat.narrow(0, begin - count, count).view(shape);
  };
  const at::Tensor w1 = next({64, 1, 3, 3}), b1 = next({64}), w2 = next({16, 64, 7, 7}), b2 = next({16});
  const at::Tensor w3 = next({200, 256}), b3 = next({200}), w4 = next({10, 200}), b4 = next({10});
  CHECK(begin == flat.numel());
  at::Tensor x = at::constant_pad_nd(images, {2, 2, 2, 2});
  x = at::max_pool2d(at::tanh(at::conv2d(x, w1, b1)), 2);
  x = at::max_pool2d(at::tanh(at::conv2d(x, w2, b2)), 2);
  return at::linear(at::tanh(at::linear(x.flatten(1), w3, b3)), w4, b4);
}

}  // namespace

TEST_CASE("the MNIST network has 104,242 parameters and ends in fc2, 10 x 200") {
  const FlatNetwork network = make_network("mnist_cnn", 1);
  CHECK(network.dimension() == 104242);
  CHECK(network.final_layer().name == "fc2");
  CHECK(network.final_layer().classes == 10);
  CHECK(network.final_layer().features == 200);
  // The final layer is registered last: its weight, then its bias, end the vector.
  CHECK(network.final_layer().weight_begin == 104242 - 10 - 2000);
  CHECK(network.final_layer().bias_begin == 104242 - 10);
  CHECK(network.final_weight(network.state()).sizes() == at::IntArrayRef{10, 200});
}

TEST_CASE("logits and gradient agree with the layers written out in the paper's order") {
  torch::manual_seed(3);
  FlatNetwork network = make_network("mnist_cnn", 3);
  const at::Tensor images = at::randn({7, 1, 28, 28}), labels = at::randint(10, {7}, at::kLong);

  at::Tensor flat = network.state().clone().requires_grad_();
  const at::Tensor expected = reference_forward(flat, images);
  const at::Tensor logits = network.forward(images);
  // Both sum a few thousand float products; single precision leaves about 1e-6.
  CHECK((logits - expected).abs().max().item().toDouble() < 1e-5);

  at::cross_entropy_loss(expected, labels).backward();
  network.gradient().zero_();
  at::cross_entropy_loss(logits, labels).backward();
  const double error = (network.gradient() - flat.grad()).norm().item().toDouble();
  CHECK(flat.grad().norm().item().toDouble() > 1e-3);
  CHECK(error < 1e-4 * flat.grad().norm().item().toDouble());
}

TEST_CASE("parameters are views of the state") {
  FlatNetwork network = make_network("mnist_cnn", 1);
  const torch::NoGradGuard no_grad;
  const at::Tensor images = at::randn({2, 1, 28, 28});
  network.state().zero_();
  CHECK(network.forward(images).abs().max().item().toDouble() == 0);
  network.final_bias(network.state()).fill_(2);
  CHECK(network.forward(images).eq(2).all().item().toBool());
}

TEST_CASE("a seed decides the parameters") {
  const at::Tensor one = make_network("mnist_cnn", 1).state(), again = make_network("mnist_cnn", 1).state();
  CHECK(one.equal(again));
  CHECK_FALSE(one.equal(make_network("mnist_cnn", 2).state()));
}

TEST_CASE("an unknown model is refused") {
  CHECK_THROWS_WITH_AS(make_network("mnist_cn", 1), "there is no model named \"mnist_cn\"; known: mnist_cnn",
                       fedval::Error);
}
