// FedGen's generator: noise and a class in, the features in front of a network's final layer out.
//
//   (z | one-hot y) -> linear to 256, norm, relu -> linear to the features, relu
//
// "Like": the final relu is that of most of our networks, whose features are never negative. Those of
// mnist_cnn (tanh) and of the transformers (layer norm) are, which it cannot make. Source: Zhu, Hong, Zhou,
// "Data-free knowledge distillation for heterogeneous federated learning", ICML 2021.
#pragma once

#include <torch/nn/modules/container/sequential.h>

namespace fedval::harness {

class FeatureGenerator : public torch::nn::Module {
 public:
  FeatureGenerator(std::int64_t features, std::int64_t classes, std::int64_t noise);

  /// (batch, nz) noise and (batch) classes -> (batch, features).
  at::Tensor forward(const at::Tensor& noise, const at::Tensor& classes);

 private:
  std::int64_t classes_;
  torch::nn::Sequential layers_;
};

}  // namespace fedval::harness
