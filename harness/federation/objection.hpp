// Whether what a client sent can be used at all, asked where it lies.
#pragma once

#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <sstream>
#include <string>

#include "fedval/tensor/check.hpp"
#include "fedval/tensor/torch.hpp"

namespace fedval::harness {

/// As check_finite. A device looks itself, and only what is bad is searched by the host.
inline void check_finite_there(const at::Tensor& tensor, const std::string& name) {
  if (!tensor.is_cpu() && at::isfinite(tensor).all().item().toBool()) return;
  check_finite(tensor, name);
}

/// Why an update or a model, whatever it is called, cannot be used, empty where it can: an entry is not
/// finite, or it is more than `longest` times (0: any number of times) as long as the model that it came
/// from, and would leave nothing of anyone's that it is averaged with. O(D).
inline std::string objection_to(const at::Tensor& sent, const std::string& name, const at::Tensor& from,
                                double longest) {
  try {
    check_finite_there(sent, name);
  } catch (const Error& error) {
    return error.what();
  }
  if (longest == 0) return "";
  const auto length = [](const at::Tensor& tensor) {
    return at::linalg_vector_norm(tensor, 2, at::OptionalIntArrayRef(), false, at::kDouble).item().toDouble();
  };
  const double own = length(sent), before = length(from);
  if (!(before > 0 && own > longest * before)) return "";
  std::ostringstream text;
  text << name << " is " << own / before << " times as long as the model that it came from, more than "
       << longest << " (participation.longest_update)";
  return text.str();
}

}  // namespace fedval::harness
