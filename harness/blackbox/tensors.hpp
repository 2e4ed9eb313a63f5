// Small matrices of the library as LibTorch's tensors.
#pragma once

#include <ATen/ops/empty.h>

#include <algorithm>

#include "fedval/linalg/matrix.hpp"

namespace fedval::harness {

/// The same entries as floats, rounded once.
inline at::Tensor tensor_of(const linalg::Matrix<double>& matrix) {
  at::Tensor tensor =
      at::empty({static_cast<std::int64_t>(matrix.rows()), static_cast<std::int64_t>(matrix.columns())});
  std::ranges::transform(matrix.values(), tensor.data_ptr<float>(),
                         [](double entry) { return static_cast<float>(entry); });
  return tensor;
}

}  // namespace fedval::harness
