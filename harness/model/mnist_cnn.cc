#include "harness/model/mnist_cnn.hpp"

#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/tanh.h>

namespace fedval::harness {

MnistCnn::MnistCnn()
    : conv1_(torch::nn::Conv2dOptions(1, 64, 3)),
      conv2_(torch::nn::Conv2dOptions(64, 16, 7)),
      fc1_(256, 200),
      fc2_(200, 10) {
  register_module("conv1", conv1_);
  register_module("conv2", conv2_);
  register_module("fc1", fc1_);
  register_module("fc2", fc2_);
}

at::Tensor MnistCnn::forward(const at::Tensor& images) {
  at::Tensor x = at::constant_pad_nd(images, {2, 2, 2, 2});
  // With one channel the strides cannot tell channels-last from channels-first, and LibTorch would take the
  // latter, whose pooling is ten times slower. The same memory under explicit channels-last strides decides
  // it.
  x = x.as_strided({x.size(0), 1, 32, 32}, {1024, 1, 32, 1});
  // tanh is monotone, so pooling before it gives the same values for a quarter of its work.
  x = at::tanh(at::max_pool2d(conv1_->forward(x), 2));
  x = at::tanh(at::max_pool2d(conv2_->forward(x), 2));
  return fc2_->forward(at::tanh(fc1_->forward(x.flatten(1))));
}

}  // namespace fedval::harness
