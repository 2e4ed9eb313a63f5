// Whether what a client sent can be used at all, asked where it lies.
#pragma once

#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <cmath>
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

/// What a round's server objects to: an entry that is not finite, and an update or a model that is more than
/// `longest` times (0: any number of times) as long as the server's model, and would leave nothing of
/// anyone's that it is averaged with.
class Objections {
 public:
  /// O(D).
  Objections(const at::Tensor& server, double longest)
      : longest_(longest), server_(longest > 0 ? length(server) : 0) {}

  /// Why what was sent, whatever it is called, cannot be used; empty where it can. O(D).
  std::string to(const at::Tensor& sent, const std::string& name) const {
    try {
      check_finite_there(sent, name);
    } catch (const Error& error) {
      return error.what();
    }
    const double own = server_ > 0 ? length(sent) : 0;
    if (!(own > longest_ * server_)) return "";
    std::ostringstream text;
    text << name << " is " << own / server_ << " times as long as the server's model, more than " << longest_
         << " (participation.longest_update)";
    return text.str();
  }

 private:
  /// In single precision where that holds it; the other takes a copy in double.
  static double length(const at::Tensor& tensor) {
    const auto in = [&](at::ScalarType type) {
      return at::linalg_vector_norm(tensor, 2, at::OptionalIntArrayRef(), false, type).item().toDouble();
    };
    const double rough = in(tensor.scalar_type());
    return rough > 0 && std::isfinite(rough) ? rough : in(at::kDouble);
  }

  double longest_, server_;
};

}  // namespace fedval::harness
