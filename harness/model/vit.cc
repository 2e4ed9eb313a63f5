#include "harness/model/vit.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <torch/nn/init.h>

#include <cmath>

#include "fedval/error.hpp"

namespace fedval::harness {

namespace {

constexpr double epsilon = 1e-6;  // of the norms, as the source's code has it

torch::nn::LayerNorm layer_norm(std::int64_t width) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}).eps(epsilon));
}

torch::nn::Linear linear(std::int64_t in, std::int64_t out) {
  torch::nn::Linear layer(in, out);
  torch::nn::init::xavier_uniform_(layer->weight);
  torch::nn::init::zeros_(layer->bias);
  return layer;
}

class LayerImpl : public torch::nn::Module {
 public:
  explicit LayerImpl(const VisionTransformer::Size& size)
      : heads_(size.heads),
        norm1_(layer_norm(size.width)),
        qkv_(linear(size.width, 3 * size.width)),
        out_(linear(size.width, size.width)),
        norm2_(layer_norm(size.width)),
        fc1_(linear(size.width, size.mlp)),
        fc2_(linear(size.mlp, size.width)) {
    register_module("norm1", norm1_);
    register_module("qkv", qkv_);
    register_module("out", out_);
    register_module("norm2", norm2_);
    register_module("fc1", fc1_);
    register_module("fc2", fc2_);
  }

  at::Tensor forward(const at::Tensor& z) {
    const at::Tensor x = z + attention(norm1_->forward(z));
    return x + fc2_->forward(at::gelu(fc1_->forward(norm2_->forward(x))));
  }

 private:
  at::Tensor attention(const at::Tensor& x) {
    const std::int64_t batch = x.size(0), tokens = x.size(1), head = x.size(2) / heads_;
    // 3 x batch x heads x tokens x head
    const at::Tensor qkv = qkv_->forward(x).view({batch, tokens, 3, heads_, head}).permute({2, 0, 3, 1, 4});
    const at::Tensor weights =
        at::softmax(at::matmul(qkv[0], qkv[1].transpose(2, 3)) / std::sqrt(static_cast<double>(head)), 3);
    return out_->forward(at::matmul(weights, qkv[2]).transpose(1, 2).reshape({batch, tokens, x.size(2)}));
  }

  std::int64_t heads_;
  torch::nn::LayerNorm norm1_;
  torch::nn::Linear qkv_, out_;
  torch::nn::LayerNorm norm2_;
  torch::nn::Linear fc1_, fc2_;
};
TORCH_MODULE(Layer);

}  // namespace

VisionTransformer::Size VisionTransformer::base() { return {}; }

VisionTransformer::Size VisionTransformer::small(const ExampleShape& shape) {
  return {.patch = shape.height <= 32 ? 4 : 8, .width = 192, .layers = 6, .heads = 3, .mlp = 768};
}

VisionTransformer::VisionTransformer(const Size& size, const ExampleShape& shape, std::int64_t classes)
    : patches_(torch::nn::Conv2dOptions(static_cast<std::int64_t>(shape.channels), size.width, size.patch)
                   .stride(size.patch)),
      norm_(layer_norm(size.width)),
      head_(size.width, classes) {
  const auto height = static_cast<std::int64_t>(shape.height), width = static_cast<std::int64_t>(shape.width);
  if (height % size.patch != 0 || width % size.patch != 0)
    fail("images of ", height, " x ", width, " cannot be cut into patches of ", size.patch, " x ",
         size.patch);
  const std::int64_t tokens = height / size.patch * (width / size.patch) + 1;
  class_token_ = register_parameter("class_token", at::empty({1, 1, size.width}));
  positions_ = register_parameter("positions", at::empty({1, tokens, size.width}));
  torch::nn::init::zeros_(class_token_);
  torch::nn::init::normal_(positions_, 0, 0.02);
  register_module("patches", patches_);
  for (std::int64_t i = 0; i < size.layers; ++i) layers_->push_back(Layer(size));
  register_module("layers", layers_);
  register_module("norm", norm_);
  register_module("head", head_);
}

at::Tensor VisionTransformer::forward(const at::Tensor& images) {
  const at::Tensor patches = patches_->forward(images).flatten(2).transpose(1, 2);  // batch x tokens x width
  const at::Tensor first = class_token_.expand({images.size(0), 1, class_token_.size(2)});
  const at::Tensor z = layers_->forward(at::cat({first, patches}, 1) + positions_);
  return head_->forward(norm_->forward(z.select(1, 0)));
}

}  // namespace fedval::harness
