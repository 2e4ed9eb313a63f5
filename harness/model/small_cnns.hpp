// The small convolutional networks of the sources, each layer as their codes have it.
//
//   mnist_cnn  28 x 28 grey, padded to 32 x 32: conv 1-64 (3 x 3), tanh, max-pool, conv 64-16 (7 x 7), tanh,
//              max-pool, linear 256-200, tanh, linear 200-classes. D = 104,242 for 10 classes (CGSV)
//   cifar_cnn  32 x 32 RGB: conv 3-16 (5 x 5), relu, max-pool, conv 16-32 (5 x 5), relu, max-pool, linear
//              800-120-84-classes with relu between. D = 121,182 (CGSV)
//   tf_cnn     32 x 32 RGB: conv 3-32, relu, max-pool, conv 32-64, relu, max-pool, conv 64-64 (all 3 x 3),
//              relu, linear 1024-64, relu, linear 64-classes. D = 122,570 (SpectralFuse)
//   mlp        any image, 28 x 28 padded to 32 x 32: linear n-128-64-classes with relu between.
//              D = 140,106 for MNIST (SpectralFuse)
//   small_cnn  any image: conv c-w (5 x 5, stride 2), relu, conv w-2w (3 x 3, stride 2), relu, mean over
//              a grid of 4 x 4, linear 32w-4w, relu, linear 4w-classes. D = 38,538 for MNIST and w = 16;
//              ours, for studies on a few cores
#pragma once

#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include "harness/model/network.hpp"

namespace fedval::harness {

class MnistCnn : public Network {
 public:
  explicit MnistCnn(std::int64_t classes);
  at::Tensor forward(const at::Tensor& images) override;

 private:
  torch::nn::Conv2d conv1_, conv2_;
  torch::nn::Linear fc1_, fc2_;
};

class CifarCnn : public Network {
 public:
  explicit CifarCnn(std::int64_t classes);
  at::Tensor forward(const at::Tensor& images) override;

 private:
  torch::nn::Conv2d conv1_, conv2_;
  torch::nn::Linear fc1_, fc2_, fc3_;
};

class TfCnn : public Network {
 public:
  explicit TfCnn(std::int64_t classes);
  at::Tensor forward(const at::Tensor& images) override;

 private:
  torch::nn::Conv2d conv1_, conv2_, conv3_;
  torch::nn::Linear fc1_, fc2_;
};

class SmallCnn : public Network {
 public:
  SmallCnn(const ExampleShape& shape, std::int64_t classes, std::int64_t width = 16);
  at::Tensor forward(const at::Tensor& images) override;

 private:
  torch::nn::Conv2d conv1_, conv2_;
  torch::nn::Linear fc1_, fc2_;
  at::Tensor grid_;  // pixels x cells
};

class Mlp : public Network {
 public:
  Mlp(const ExampleShape& shape, std::int64_t classes);
  at::Tensor forward(const at::Tensor& images) override;

 private:
  std::int64_t padding_;
  torch::nn::Linear fc1_, fc2_, fc3_;
};

}  // namespace fedval::harness
