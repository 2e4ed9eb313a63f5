// Whether a tensor can be used at all, asked where it lies.
#pragma once

#include <ATen/ops/isfinite.h>

#include <string>

#include "fedval/tensor/check.hpp"
#include "fedval/tensor/torch.hpp"

namespace fedval::harness {

/// As check_finite. A device looks itself, and only what is bad is searched by the host.
inline void check_finite_there(const at::Tensor& tensor, const std::string& name) {
  if (!tensor.is_cpu() && at::isfinite(tensor).all().item().toBool()) return;
  check_finite(tensor, name);
}

}  // namespace fedval::harness
