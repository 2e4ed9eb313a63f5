// The weighted sum of n vectors' directions, and how far each of them points along it, without their
// products in pairs.
//
//   u_i = x_i / ||x_i||,   s = sum_j r_j u_j,   along_i = <u_i, s>,   square = ||s||^2
//
// A block of the sum is made of the vectors' entries there, and multiplied with them while they are near: one
// pass, O(n D) where the Gram matrix takes O(n^2 D). In double whatever the scalar type; the same bits for
// any number of threads. Entries of s carry errors near n 2^-53 sum |r_j u_j|, as sums by the Gram matrix do.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "fedval/tensor/norms.hpp"

namespace fedval {

/// So many vectors are compared in pairs: the Gram matrix of fewer costs no more than reading them does.
inline constexpr std::size_t most_in_pairs = 64;

/// Whether a Gram matrix is the way to compare these vectors: they are few, or lie on a device that has no
/// other.
inline bool compared_in_pairs(std::span<const TensorView> tensors) {
  return tensors.size() <= most_in_pairs || !detail::readable(tensors[0].device());
}

/// How n vectors lie to the sum of their directions.
struct DirectionSum {
  std::vector<double> along;  ///< <u_i, s>; 0 for a zero vector
  double square = 0;          ///< ||s||^2
};

/// Of vectors that hosts can read and whose norms are known, with weights r_j; a zero vector adds nothing.
/// O(n D) time, O(n) memory. Error when counts differ, or a weight is not finite. Sums of weights beyond a
/// double are infinite.
inline DirectionSum direction_sum(std::span<const TensorView> tensors, const VectorNorms& norms,
                                  std::span<const double> weights) {
  const std::size_t n = tensors.size();
  if (norms.size() != n || weights.size() != n)
    fail("direction_sum: ", norms.size(), " norms and ", weights.size(), " weights for ", n, " tensors");
  std::vector<detail::DirectionShare> shares;
  for (std::size_t i = 0; i < n; ++i) {
    if (!std::isfinite(weights[i])) fail("direction_sum: weight ", i, " is ", weights[i]);
    shares.push_back(detail::share_of_direction(weights[i], norms, i));
  }
  const auto add = [&](std::span<const TensorView> vectors, std::size_t begin, std::size_t end,
                       std::vector<double>& total) {
    std::array<double, detail::block_of_norms> block, sum;
    for (; begin < end; begin += block.size()) {
      const std::size_t count = std::min(block.size(), end - begin);
      const std::span<double> entries(block.data(), count), whole(sum.data(), count);
      sum.fill(0.0);
      for (std::size_t i = 0; i < n; ++i) {
        if (i + 1 < n) detail::prefetch_block(vectors[i + 1], begin, count);
        const auto [share, exponent] = shares[i];
        if (share == 0) continue;
        detail::with_block(vectors[i], exponent, begin, entries, [&, share = share](auto x) {
          for (std::size_t k = 0; k < count; ++k) whole[k] += share * static_cast<double>(x[k]);
        });
      }
      for (std::size_t i = 0; i < n; ++i) {
        detail::with_block(vectors[i], norms.exponent(i), begin, entries,
                           [&](auto x) { total[i] += detail::block_dot(x.data(), whole.data(), x.size()); });
      }
      total[n] += detail::block_dot(whole.data(), whole.data(), whole.size());
      detail::release_behind(vectors, begin + count, begin + count == end);
    }
  };
  std::vector<double> sums = detail::sum_slices(tensors, n + 1, add);
  const double square = sums.back();
  sums.pop_back();
  for (std::size_t i = 0; i < n; ++i)
    if (norms.scaled_norm(i) > 0) sums[i] /= norms.scaled_norm(i);
  return {std::move(sums), square};
}

}  // namespace fedval
