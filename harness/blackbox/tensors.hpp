// Small matrices of the library as LibTorch's tensors, and tensors that are views as fields of an archive.
#pragma once

#include <ATen/ops/empty.h>
#include <torch/utils.h>

#include <algorithm>
#include <string_view>

#include "fedval/linalg/matrix.hpp"
#include "harness/checkpoint/archive.hpp"

namespace fedval::harness {

/// The same entries as floats, rounded once, on a device.
inline at::Tensor tensor_of(const linalg::Matrix<double>& matrix, at::Device device = at::kCPU) {
  at::Tensor tensor =
      at::empty({static_cast<std::int64_t>(matrix.rows()), static_cast<std::int64_t>(matrix.columns())});
  std::ranges::transform(matrix.values(), tensor.data_ptr<float>(),
                         [](double entry) { return static_cast<float>(entry); });
  return tensor.to(device);
}

/// Writes a model's state, or reads it into the memory that the model computes with.
inline void state_field(Archive& archive, std::string_view name, const at::Tensor& state) {
  at::Tensor values = state;
  archive.field(name, values);
  if (!archive.reading()) return;
  const torch::NoGradGuard no_grad;
  state.copy_(values);
}

}  // namespace fedval::harness
