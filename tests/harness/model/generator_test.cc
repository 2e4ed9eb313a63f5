// FedZGE's generator against its layers written out.
#include "harness/model/generator.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/where.h>

#include "fedval/error.hpp"
#include "tests/harness/model/written_out.hpp"

using namespace fedval::harness;

namespace {

at::Tensor flat_parameters(const Generator& generator) {
  std::vector<at::Tensor> parameters;
  for (const at::Tensor& parameter : generator.parameters()) parameters.push_back(parameter.flatten());
  return at::cat(parameters).detach();
}

at::Tensor norm(Cut& cut, const at::Tensor& x) {
  const at::Tensor centred = x - x.mean(at::IntArrayRef{0, 2, 3}, true);
  const at::Tensor scale = cut({x.size(1)}).view({1, -1, 1, 1}), shift = cut({x.size(1)}).view({1, -1, 1, 1});
  return centred / at::sqrt(centred.square().mean(at::IntArrayRef{0, 2, 3}, true) + 1e-5) * scale + shift;
}

at::Tensor leaky(const at::Tensor& x) { return at::where(x > 0, x, 0.2 * x); }

at::Tensor doubled(Cut& cut, const at::Tensor& x, std::int64_t out) {
  return at::conv_transpose2d(x, cut({x.size(1), out, 4, 4}), {}, 2, 1);
}

at::Tensor written_out(Cut& cut, const at::Tensor& noise, const at::Tensor& classes, std::int64_t known,
                       std::int64_t channels, std::int64_t side) {
  const std::int64_t nz = noise.size(1), start = side / 4;
  const at::Tensor embedded = cut({known, nz}).index({classes});
  const at::Tensor weight = cut({128 * start * start, 2 * nz}), bias = cut({128 * start * start});
  at::Tensor x = at::linear(at::cat({embedded, noise}, 1), weight, bias).view({-1, 128, start, start});
  x = norm(cut, x);
  x = doubled(cut, x, 128);
  x = leaky(norm(cut, x));
  x = doubled(cut, x, 64);
  x = leaky(norm(cut, x));
  const at::Tensor kernels = cut({channels, 64, 3, 3});
  x = at::conv2d(x, kernels, cut({channels}), 1, 1);
  return at::tanh(norm(cut, x));
}

}  // namespace

TEST_CASE("2,043,185 parameters for CIFAR-10") {
  CHECK(flat_parameters(Generator({3, 32, 32}, 10, 100)).numel() == 2'043'185);
}

TEST_CASE("the layers written out, for coloured and grey images") {
  for (const auto& [channels, side] : {std::pair{3, 32}, {1, 28}}) {
    CAPTURE(side);
    torch::manual_seed(11);
    const torch::NoGradGuard no_grad;
    Generator generator(
        {static_cast<std::size_t>(channels), static_cast<std::size_t>(side), static_cast<std::size_t>(side)},
        7, 20);
    for (at::Tensor& parameter : generator.parameters()) parameter.add_(at::randn_like(parameter), 0.05);
    const at::Tensor noise = at::randn({7, 20}), classes = at::arange(7, at::kLong);
    const at::Tensor images = generator.forward(noise, classes);
    CHECK(images.sizes() == at::IntArrayRef{7, channels, side, side});
    CHECK(images.abs().max().item().toDouble() < 1);

    const at::Tensor flat = flat_parameters(generator).to(at::kDouble);
    Cut cut(flat);
    const at::Tensor expected = written_out(cut, noise.to(at::kDouble), classes, 7, channels, side);
    CHECK(cut.all_taken());
    CHECK(relative_error(images, expected) < 1e-5);
  }
}

TEST_CASE("only square images with a side divisible by 4 are made") {
  CHECK_THROWS_WITH_AS(Generator({3, 30, 30}, 10, 100),
                       "the generator makes square images with a side divisible by 4, not 30 x 30",
                       fedval::Error);
  CHECK_THROWS_WITH_AS(Generator({3, 32, 28}, 10, 100),
                       "the generator makes square images with a side divisible by 4, not 32 x 28",
                       fedval::Error);
  CHECK_THROWS_AS(Generator({.length = 5, .vocabulary = 9}, 10, 100), fedval::Error);
}
