#include "harness/model/resnet.hpp"

#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/relu.h>
#include <torch/nn/init.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/normalization.h>

#include "fedval/error.hpp"

namespace fedval::harness {

namespace {

torch::nn::Conv2d convolution(std::int64_t in, std::int64_t out, std::int64_t size, std::int64_t stride) {
  torch::nn::Conv2d layer(
      torch::nn::Conv2dOptions(in, out, size).stride(stride).padding(size / 2).bias(false));
  torch::nn::init::kaiming_normal_(layer->weight, 0, torch::kFanOut, torch::kReLU);
  return layer;
}

void add_norm(torch::nn::Sequential& layers, const ModelSettings& settings, std::int64_t channels) {
  if (settings.norm == "batch") return layers->push_back(torch::nn::BatchNorm2d(channels));
  const auto groups = static_cast<std::int64_t>(settings.groups);
  if (channels % groups != 0)
    fail("model.groups is ", groups, ", which does not divide the ", channels, " channels of a layer");
  layers->push_back(torch::nn::GroupNorm(torch::nn::GroupNormOptions(groups, channels)));
}

class BlockImpl : public torch::nn::Module {
 public:
  BlockImpl(std::int64_t in, std::int64_t width, std::int64_t stride, bool bottleneck,
            const ModelSettings& settings) {
    const std::int64_t out = bottleneck ? 4 * width : width;
    const auto add = [&](std::int64_t from, std::int64_t to, std::int64_t size, std::int64_t step) {
      if (!branch_->is_empty()) branch_->push_back(torch::nn::ReLU());
      branch_->push_back(convolution(from, to, size, step));
      add_norm(branch_, settings, to);
    };
    if (bottleneck) add(in, width, 1, 1);
    add(bottleneck ? width : in, width, 3, stride);
    if (bottleneck) {
      add(width, out, 1, 1);
    } else {
      add(width, width, 3, 1);
    }
    register_module("branch", branch_);
    if (stride != 1 || in != out) {
      shortcut_->push_back(convolution(in, out, 1, stride));
      add_norm(shortcut_, settings, out);
    }
    register_module("shortcut", shortcut_);
  }

  at::Tensor forward(const at::Tensor& x) {
    const at::Tensor same = shortcut_->is_empty() ? x : shortcut_->forward(x);
    return at::relu(branch_->forward(x).add(same));
  }

 private:
  torch::nn::Sequential branch_, shortcut_;
};
TORCH_MODULE(Block);

}  // namespace

ResNet::ResNet(const std::vector<int>& blocks, bool bottleneck, const ModelSettings& settings,
               std::int64_t channels, std::int64_t classes)
    : pool_(settings.stem == "imagenet"), fc_(bottleneck ? 2048 : 512, classes) {
  stem_->push_back(pool_ ? convolution(channels, 64, 7, 2) : convolution(channels, 64, 3, 1));
  add_norm(stem_, settings, 64);
  register_module("stem", stem_);
  std::int64_t in = 64;
  for (std::size_t stage = 0; stage < blocks.size(); ++stage) {
    const std::int64_t width = 64 << stage;
    for (int i = 0; i < blocks[stage]; ++i) {
      stages_->push_back(Block(in, width, i == 0 && stage > 0 ? 2 : 1, bottleneck, settings));
      in = bottleneck ? 4 * width : width;
    }
  }
  register_module("stages", stages_);
  register_module("fc", fc_);
}

at::Tensor ResNet::forward(const at::Tensor& images) {
  at::Tensor x = at::relu(stem_->forward(images));
  if (pool_) x = at::max_pool2d(x, 3, 2, 1);
  return fc_->forward(stages_->forward(x).mean({2, 3}));
}

}  // namespace fedval::harness
