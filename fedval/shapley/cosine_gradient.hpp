// The cosine gradient Shapley value's O(N D) approximation.
//
//   u_i = dw_i / ||dw_i||,   u_N = sum_i r_i u_i,   psi_i = cos(u_i, u_N) = sum_j r_j C_ij / sqrt(r^T C r)
//
// with C the matrix of the updates' cosines, so the dimension D is gone once C is known. Uploads are always
// rescaled to one norm, which cosines do not see.
// Source: Xu et al., "Gradient-Driven Rewards to Guarantee Fairness in Collaborative Machine Learning",
// NeurIPS 2021, equation 4.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "fedval/tensor/gram.hpp"

namespace fedval::shapley {

/// psi_i of N updates given by their Gram matrix and the weights r_i of the aggregate; all 0 where the
/// aggregate is the zero vector, and 0 for a zero update. O(N^2). Error when counts differ or a weight is not
/// finite.
inline std::vector<double> cosine_gradient(const Gram& gram, std::span<const double> weights) {
  const std::size_t n = gram.size();
  if (weights.size() != n) fail("cosine_gradient: ", weights.size(), " weights for ", n, " updates");
  for (std::size_t i = 0; i < n; ++i)
    if (!std::isfinite(weights[i])) fail("cosine_gradient: weight ", i, " is ", weights[i]);
  std::vector<double> psi(n, 0.0);
  // Cosines do not see a common factor of the weights: one near 1 keeps every square in range.
  double square = 0, largest = 0;
  for (const double weight : weights) largest = std::max(largest, std::abs(weight));
  const int exponent = largest > 0 ? std::ilogb(largest) : 0;
  std::vector<double> r;
  for (const double weight : weights) r.push_back(std::ldexp(weight, -exponent));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) psi[i] += r[j] * gram.cosine(i, j);
    square += r[i] * psi[i];
  }
  double scale = 0;
  for (const double weight : r) scale += std::abs(weight);
  const bool cancelled = !(square > scale * scale * cancelled_square);
  for (double& value : psi) value = cancelled ? 0.0 : value / std::sqrt(square);
  return psi;
}

}  // namespace fedval::shapley
