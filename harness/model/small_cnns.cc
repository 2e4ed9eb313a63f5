#include "harness/model/small_cnns.hpp"

#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/zeros.h>

namespace fedval::harness {

// tanh and relu are monotone, so pooling before them gives the same values for a quarter of their work.
// LibTorch pools channels-last images six to ten times faster, which is a third of a training step.

MnistCnn::MnistCnn(std::int64_t classes)
    : conv1_(torch::nn::Conv2dOptions(1, 64, 3)),
      conv2_(torch::nn::Conv2dOptions(64, 16, 7)),
      fc1_(256, 200),
      fc2_(200, classes) {
  register_module("conv1", conv1_);
  register_module("conv2", conv2_);
  register_module("fc1", fc1_);
  register_module("fc2", fc2_);
}

at::Tensor MnistCnn::forward(const at::Tensor& images) {
  at::Tensor x = at::constant_pad_nd(images, {2, 2, 2, 2});
  // With one channel the strides cannot tell channels-last from channels-first, and LibTorch would take the
  // latter. The same memory under explicit channels-last strides decides it.
  x = x.as_strided({x.size(0), 1, 32, 32}, {1024, 1, 32, 1});
  x = at::tanh(at::max_pool2d(conv1_->forward(x), 2));
  x = at::tanh(at::max_pool2d(conv2_->forward(x), 2));
  return fc2_->forward(at::tanh(fc1_->forward(x.flatten(1))));
}

CifarCnn::CifarCnn(std::int64_t classes)
    : conv1_(torch::nn::Conv2dOptions(3, 16, 5)),
      conv2_(torch::nn::Conv2dOptions(16, 32, 5)),
      fc1_(800, 120),
      fc2_(120, 84),
      fc3_(84, classes) {
  register_module("conv1", conv1_);
  register_module("conv2", conv2_);
  register_module("fc1", fc1_);
  register_module("fc2", fc2_);
  register_module("fc3", fc3_);
}

at::Tensor CifarCnn::forward(const at::Tensor& images) {
  at::Tensor x = images.contiguous(at::MemoryFormat::ChannelsLast);
  x = at::relu(at::max_pool2d(conv1_->forward(x), 2));
  x = at::relu(at::max_pool2d(conv2_->forward(x), 2));
  return fc3_->forward(at::relu(fc2_->forward(at::relu(fc1_->forward(x.flatten(1))))));
}

TfCnn::TfCnn(std::int64_t classes)
    : conv1_(torch::nn::Conv2dOptions(3, 32, 3)),
      conv2_(torch::nn::Conv2dOptions(32, 64, 3)),
      conv3_(torch::nn::Conv2dOptions(64, 64, 3)),
      fc1_(1024, 64),
      fc2_(64, classes) {
  register_module("conv1", conv1_);
  register_module("conv2", conv2_);
  register_module("conv3", conv3_);
  register_module("fc1", fc1_);
  register_module("fc2", fc2_);
}

at::Tensor TfCnn::forward(const at::Tensor& images) {
  at::Tensor x = images.contiguous(at::MemoryFormat::ChannelsLast);
  x = at::relu(at::max_pool2d(conv1_->forward(x), 2));
  x = at::relu(at::max_pool2d(conv2_->forward(x), 2));
  x = at::relu(conv3_->forward(x));
  return fc2_->forward(at::relu(fc1_->forward(x.flatten(1))));
}

namespace {

constexpr std::int64_t cells = 4;  // a side of small_cnn's grid

/// What is left of n pixels under both convolutions.
std::int64_t pixels_of(std::size_t n) { return ((static_cast<std::int64_t>(n) - 5) / 2 + 1 - 3) / 2 + 1; }

/// cells x n: row i is the mean over pixels floor(i n / cells) to ceil((i + 1) n / cells).
at::Tensor means_of(std::int64_t n) {
  at::Tensor rows = at::zeros({cells, n});
  for (std::int64_t i = 0; i < cells; ++i) {
    const std::int64_t first = i * n / cells, end = ((i + 1) * n + cells - 1) / cells;
    rows.slice(0, i, i + 1).slice(1, first, end).fill_(1.0 / static_cast<double>(end - first));
  }
  return rows;
}

}  // namespace

// The mean over a grid is linear, so it is a product with one matrix: LibTorch's adaptive pooling gives the
// same for half of a training step's time.
SmallCnn::SmallCnn(const ExampleShape& shape, std::int64_t classes, std::int64_t width)
    : conv1_(torch::nn::Conv2dOptions(static_cast<std::int64_t>(shape.channels), width, 5).stride(2)),
      conv2_(torch::nn::Conv2dOptions(width, 2 * width, 3).stride(2)),
      fc1_(2 * width * cells * cells, 4 * width),
      fc2_(4 * width, classes),
      grid_(at::einsum("ia,jb->abij", {means_of(pixels_of(shape.height)), means_of(pixels_of(shape.width))})
                .reshape({-1, cells * cells})) {
  register_module("conv1", conv1_);
  register_module("conv2", conv2_);
  register_module("fc1", fc1_);
  register_module("fc2", fc2_);
}

at::Tensor SmallCnn::forward(const at::Tensor& images) {
  const at::Tensor x = at::relu(conv2_->forward(at::relu(conv1_->forward(images))));
  grid_ = grid_.to(x.options());  // copied once, where the images are on another device
  return fc2_->forward(at::relu(fc1_->forward(at::matmul(x.flatten(2), grid_).flatten(1))));
}

namespace {

constexpr std::int64_t small_side = 28, padded_side = 32;

std::int64_t padding_of(const ExampleShape& shape) {
  return shape.height == small_side && shape.width == small_side ? (padded_side - small_side) / 2 : 0;
}

std::int64_t inputs_of(const ExampleShape& shape) {
  const auto padding = static_cast<std::size_t>(2 * padding_of(shape));
  return static_cast<std::int64_t>(shape.channels * (shape.height + padding) * (shape.width + padding));
}

}  // namespace

Mlp::Mlp(const ExampleShape& shape, std::int64_t classes)
    : padding_(padding_of(shape)), fc1_(inputs_of(shape), 128), fc2_(128, 64), fc3_(64, classes) {
  register_module("fc1", fc1_);
  register_module("fc2", fc2_);
  register_module("fc3", fc3_);
}

at::Tensor Mlp::forward(const at::Tensor& images) {
  const at::Tensor x = at::constant_pad_nd(images, {padding_, padding_, padding_, padding_}).flatten(1);
  return fc3_->forward(at::relu(fc2_->forward(at::relu(fc1_->forward(x)))));
}

}  // namespace fedval::harness
