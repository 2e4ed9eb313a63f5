// The cosine gradient Shapley value's O(N D) approximation.
//
//   u_i = dw_i / ||dw_i||,   u_N = sum_i r_i u_i,   psi_i = cos(u_i, u_N) = sum_j r_j C_ij / sqrt(r^T C r)
//
// with C the matrix of the updates' cosines, so the dimension D is gone once C is known: O(N^2 D), and psi is
// known for all weights. Where clients are many the sum itself is made instead, in O(N D). Uploads are always
// rescaled to one norm, which cosines do not see.
// Source: Xu et al., "Gradient-Driven Rewards to Guarantee Fairness in Collaborative Machine Learning",
// NeurIPS 2021, equation 4.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "fedval/tensor/direction_sum.hpp"
#include "fedval/tensor/gram.hpp"

namespace fedval::shapley {

namespace detail {

inline bool weighs_less(double a, double b) { return std::abs(a) < std::abs(b); }

/// Divides weights by a power of two, which cosines do not see: the largest is near 1, so that every square
/// is in range.
inline void scale_to_one(std::vector<double>& r) {
  if (r.empty()) return;
  const double largest = std::abs(*std::max_element(r.begin(), r.end(), weighs_less));
  const int exponent = largest > 0 ? std::ilogb(largest) : 0;
  for (double& weight : r) weight = std::ldexp(weight, -exponent);
}

/// The weights of the updates' directions, near 1; zero updates have none and weigh nothing. `lengths` is a
/// Gram or VectorNorms. Error, which names `score`, when counts differ or a weight is not finite.
inline std::vector<double> direction_weights(const char* score, std::span<const double> weights,
                                             const auto& lengths) {
  const std::size_t n = lengths.size();
  if (weights.size() != n) fail(score, ": ", weights.size(), " weights for ", n, " updates");
  for (std::size_t i = 0; i < n; ++i)
    if (!std::isfinite(weights[i])) fail(score, ": weight ", i, " is ", weights[i]);
  std::vector<double> r(weights.begin(), weights.end());
  for (std::size_t i = 0; i < n; ++i)
    if (lengths.scaled_norm(i) == 0) r[i] = 0;
  scale_to_one(r);
  return r;
}

/// psi from how the updates lie to the aggregate of weights r.
inline std::vector<double> psi_of(DirectionSum sum, std::span<const double> r) {
  double scale = 0;
  for (const double weight : r) scale += std::abs(weight);
  const bool cancelled = !(sum.square > scale * scale * cancelled_square);
  for (double& value : sum.along) value = cancelled ? 0.0 : value / std::sqrt(sum.square);
  return std::move(sum.along);
}

}  // namespace detail

/// psi_i of N updates given by their Gram matrix and the weights r_i of the aggregate; all 0 where the
/// aggregate is the zero vector, and 0 for a zero update. O(N^2). Error when counts differ or a weight is not
/// finite.
inline std::vector<double> cosine_gradient(const Gram& gram, std::span<const double> weights) {
  const std::size_t n = gram.size();
  const std::vector<double> r = detail::direction_weights("cosine_gradient", weights, gram);
  DirectionSum sum{std::vector<double>(n, 0.0)};
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) sum.along[i] += r[j] * gram.cosine(i, j);
    sum.square += r[i] * sum.along[i];
  }
  return detail::psi_of(std::move(sum), r);
}

/// The same of updates in host memory whose norms are known, but for rounding. O(N D). Errors as above.
inline std::vector<double> cosine_gradient(std::span<const TensorView> updates, const VectorNorms& norms,
                                           std::span<const double> weights) {
  const std::vector<double> r = detail::direction_weights("cosine_gradient", weights, norms);
  return detail::psi_of(direction_sum(updates, norms, r), r);
}

}  // namespace fedval::shapley
