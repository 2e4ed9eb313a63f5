#include "harness/model/generator.hpp"

#include <ATen/ops/cat.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

#include "fedval/error.hpp"

namespace fedval::harness {

namespace {
constexpr std::int64_t wide = 128, narrow = 64;
}

Generator::Generator(const ExampleShape& shape, std::int64_t classes, std::int64_t noise)
    : quarter_(static_cast<std::int64_t>(shape.height) / 4),
      embedding_(classes, noise),
      start_(2 * noise, wide * quarter_ * quarter_) {
  if (shape.is_text() || shape.height != shape.width || shape.height % 4 != 0 || shape.height == 0)
    fail("the generator makes square images with a side divisible by 4, not ", shape.height, " x ",
         shape.width);
  const auto doubled = [](std::int64_t in, std::int64_t out) {
    return torch::nn::ConvTranspose2d(
        torch::nn::ConvTranspose2dOptions(in, out, 4).stride(2).padding(1).bias(false));
  };
  const auto leaky = [] { return torch::nn::LeakyReLU(torch::nn::LeakyReLUOptions().negative_slope(0.2)); };
  const auto channels = static_cast<std::int64_t>(shape.channels);
  layers_ =
      torch::nn::Sequential(torch::nn::BatchNorm2d(wide), doubled(wide, wide), torch::nn::BatchNorm2d(wide),
                            leaky(), doubled(wide, narrow), torch::nn::BatchNorm2d(narrow), leaky(),
                            torch::nn::Conv2d(torch::nn::Conv2dOptions(narrow, channels, 3).padding(1)),
                            torch::nn::BatchNorm2d(channels), torch::nn::Tanh());
  register_module("embedding", embedding_);
  register_module("start", start_);
  register_module("layers", layers_);
}

at::Tensor Generator::forward(const at::Tensor& noise, const at::Tensor& classes) {
  const at::Tensor x = start_->forward(at::cat({embedding_->forward(classes), noise}, 1));
  return layers_->forward(x.view({x.size(0), wide, quarter_, quarter_}));
}

}  // namespace fedval::harness
