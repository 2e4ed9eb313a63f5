// FedZGE's generator: a class and noise in, an image in (-1, 1) out.
//
//   Embedding(classes, nz) beside z -> linear 2 nz - 128 (S/4)^2 -> norm -> twice (transposed conv 4 x 4
//   stride 2, norm, leaky relu .2), to 128 and 64 channels -> conv 3 x 3 to the image's channels, norm ->
//   tanh
//
// 2,043,185 parameters for 32 x 32 RGB, 10 classes and nz = 100.
// Source: Ma, Wang, Zhang, "Data-Free Black-Box Federated Learning via Zeroth-Order Gradient Estimation",
// AAAI 2025, and the authors' public code.
#pragma once

#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>

#include "harness/data/dataset.hpp"

namespace fedval::harness {

class Generator : public torch::nn::Module {
 public:
  /// Error unless the images are square with a side divisible by 4.
  Generator(const ExampleShape& shape, std::int64_t classes, std::int64_t noise);

  /// (batch, nz) noise and (batch) classes -> (batch, channels, side, side).
  at::Tensor forward(const at::Tensor& noise, const at::Tensor& classes);

 private:
  std::int64_t quarter_;
  torch::nn::Embedding embedding_;
  torch::nn::Linear start_;
  torch::nn::Sequential layers_;
};

}  // namespace fedval::harness
