#include "harness/model/feature_generator.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/one_hot.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>

namespace fedval::harness {

namespace {
constexpr std::int64_t hidden = 256;
}

FeatureGenerator::FeatureGenerator(std::int64_t features, std::int64_t classes, std::int64_t noise)
    : classes_(classes),
      layers_(torch::nn::Linear(noise + classes, hidden), torch::nn::BatchNorm1d(hidden), torch::nn::ReLU(),
              torch::nn::Linear(hidden, features), torch::nn::ReLU()) {
  register_module("layers", layers_);
}

at::Tensor FeatureGenerator::forward(const at::Tensor& noise, const at::Tensor& classes) {
  return layers_->forward(at::cat({noise, at::one_hot(classes, classes_).to(noise.scalar_type())}, 1));
}

}  // namespace fedval::harness
