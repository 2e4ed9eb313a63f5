// Vision transformers: an image as a sentence of patches.
//
//   z_0 = (class token | patch embeddings) + positions
//   z <- z + attention(norm(z)),  z <- z + mlp(norm(z))   in each layer
//   logits = linear(norm(z)[class token])
//
//   vit_b16    patches of 16 x 16, width 768, 12 layers, 12 heads, mlp 3,072: 86,567,656 parameters at
//              224 x 224 and 1,000 classes
//   vit_small  49 to 64 patches of a data set's own images (4 x 4 pixels at 28 and 32, 8 x 8 at 64),
//              width 192, 6 layers, 3 heads, mlp 768: small enough for a laptop
//
// Parameters start at random; no pretrained weights are read.
// Source: Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021.
#pragma once

#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include "harness/model/network.hpp"

namespace fedval::harness {

class VisionTransformer : public Network {
 public:
  struct Size {
    std::int64_t patch = 16, width = 768, layers = 12, heads = 12, mlp = 3072;
  };

  /// Error when patches do not tile the images.
  VisionTransformer(const Size& size, const ExampleShape& shape, std::int64_t classes);
  at::Tensor forward(const at::Tensor& images) override;

  static Size base();
  static Size small(const ExampleShape& shape);

 private:
  at::Tensor class_token_, positions_;
  torch::nn::Conv2d patches_;
  torch::nn::Sequential layers_;
  torch::nn::LayerNorm norm_;
  torch::nn::Linear head_;
};

}  // namespace fedval::harness
