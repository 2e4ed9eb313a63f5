// The Euclidean counterpart of the cosine gradient's psi: how near a client's update lies to the aggregate.
//
//   u_i = dw_i / ||dw_i||,   u_N = sum_j r_j u_j,   psi_i = 1 - ||u_i - u_N||
//   ||u_i - u_N||^2 = 1 - 2 sum_j r_j C_ij + r^T C r
//
// with C the matrix of the updates' cosines, so the dimension D is gone once C is known. 1: the aggregate is
// the update; 0: it is no nearer than the zero vector is; below: it leads away. Unlike a cosine it sees the
// aggregate's length. For weights r >= 0 that sum to one, sum_i r_i psi_i >= 1 - sqrt(1 - ||u_N||^2) >= 0
// where no update is zero.
//
// Weights that follow psi reinforce themselves where updates are nearly orthogonal: who outweighs the others
// is nearest, until it is the aggregate alone. N clients of pairwise cosine c at the common distance d stay
// together while (1 - c) / d < N (1 - d). Xu et al., NeurIPS 2021, is the source of the cosine's form; this
// definition is fedval's own.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "fedval/tensor/gram.hpp"

namespace fedval::shapley {

/// psi_i of N updates given by their Gram matrix and the weights r_i of the aggregate; 0 for a zero update,
/// which has no direction. Within a few N roundings; where an update is the aggregate, of their root (1e-8
/// sqrt N). O(N^2). Error when counts differ or a weight is not finite.
inline std::vector<double> euclidean_gradient(const Gram& gram, std::span<const double> weights) {
  const std::size_t n = gram.size();
  if (weights.size() != n) fail("euclidean_gradient: ", weights.size(), " weights for ", n, " updates");
  for (std::size_t i = 0; i < n; ++i)
    if (!std::isfinite(weights[i])) fail("euclidean_gradient: weight ", i, " is ", weights[i]);
  // Lengths are counted in a power of two that keeps the squares of large weights in range.
  double largest = 1;
  for (const double weight : weights) largest = std::max(largest, std::abs(weight));
  const int exponent = std::ilogb(largest);
  const double one = std::ldexp(1.0, -exponent);
  std::vector<double> r, along(n, 0.0), psi;
  for (const double weight : weights) r.push_back(std::ldexp(weight, -exponent));
  double square = 0;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) along[i] += r[j] * gram.cosine(i, j);
    square += r[i] * along[i];
  }
  for (std::size_t i = 0; i < n; ++i) {
    const double apart =
        std::max(one * one - 2 * (one * along[i]) + square, 0.0);  // rounding may leave it below
    psi.push_back(gram.scaled_norm(i) > 0 ? 1 - std::ldexp(std::sqrt(apart), exponent) : 0.0);
  }
  return psi;
}

}  // namespace fedval::shapley
