// Residual networks of 18, 34 and 50 layers.
//
//   block: y = relu(x' + F(x)),  x' = x or a strided 1 x 1 convolution of it
//   F: 18, 34: conv 3 x 3, norm, relu, conv 3 x 3, norm;  50: 1 x 1, 3 x 3, 1 x 1 to four times the channels
//   stem: imagenet = conv 7 x 7 stride 2, norm, relu, max-pool 3 x 3 stride 2
//         cifar = conv 3 x 3, norm, relu
//
// 11,689,512, 21,797,672 and 25,557,032 parameters with the imagenet stem and 1,000 classes. The norm is over
// the batch (running statistics are buffers) or over groups of channels (none).
// Sources: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016 (the stride of a
// 50-layer block sits in its 3 x 3 convolution, as is usual now); Wu, He, "Group Normalization", ECCV 2018.
#pragma once

#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include "harness/model/network.hpp"

namespace fedval::harness {

class ResNet : public Network {
 public:
  /// Blocks of a stage: {2, 2, 2, 2}, {3, 4, 6, 3}; `bottleneck`: of three convolutions. Error when the
  /// groups do not divide the channels.
  ResNet(const std::vector<int>& blocks, bool bottleneck, const ModelSettings& settings,
         std::int64_t channels, std::int64_t classes);
  at::Tensor forward(const at::Tensor& images) override;

 private:
  bool pool_;
  torch::nn::Sequential stem_, stages_;
  torch::nn::Linear fc_;
};

}  // namespace fedval::harness
