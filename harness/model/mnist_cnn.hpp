// The MNIST network of the CGSV paper's code: 28 x 28 padded to 32 x 32, conv 1-64 (3 x 3), tanh, max-pool,
// conv 64-16 (7 x 7), tanh, max-pool, linear 256-200, tanh, linear 200-10. D = 104,242.
#pragma once

#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include "harness/model/network.hpp"

namespace fedval::harness {

class MnistCnn : public Network {
 public:
  MnistCnn();
  at::Tensor forward(const at::Tensor& images) override;

 private:
  torch::nn::Conv2d conv1_, conv2_;
  torch::nn::Linear fc1_, fc2_;
};

}  // namespace fedval::harness
