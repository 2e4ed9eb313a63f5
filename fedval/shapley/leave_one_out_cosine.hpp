// Leave-one-out cosine: how far a client's update points where those of all others do.
//
//   u_i = dw_i / ||dw_i||,   loo_i = cos(u_i, u_{N-i}),   u_{N-i} = sum_{j != i} r_j u_j
//         = sum_{j != i} r_j C_ij / sqrt(q_i),   q_i = ||u_{N-i}||^2 = r^T C r - 2 r_i (C r)_i + r_i^2
//
// with C the matrix of the updates' cosines, in O(N^2 D); or, where clients are many, with u_N = sum_j r_j
// u_j itself and (C r)_i = <u_i, u_N>, in O(N D). psi_i = cos(u_i, u_N) counts u_i itself as agreement: N
// updates of pure noise have psi near 1 / sqrt(N), and near 0 here.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "fedval/shapley/cosine_gradient.hpp"
#include "fedval/tensor/direction_sum.hpp"
#include "fedval/tensor/gram.hpp"

namespace fedval::shapley {

namespace detail {

/// From <u_i, u_{N-i}>, its squared length, and the sum of the weights that made it.
inline double cosine_with_others(double along, double square, double sum) {
  return square > cancelled_square * sum * sum ? along / std::sqrt(square) : 0.0;
}

/// The weights of the directions without the largest, near 1 in their turn: beside that one, they may all
/// have been lost.
inline std::vector<double> weights_without(std::size_t most, std::span<const double> weights,
                                           const auto& lengths) {
  std::vector<double> others(weights.begin(), weights.end());
  others[most] = 0;
  return direction_weights("leave_one_out_cosine", others, lengths);
}

}  // namespace detail

/// cos(u_i, u_{N-i}) of N updates given by their Gram matrix, with weights r_i as in an aggregate; 0 for a
/// zero update, and where the others' sum is the zero vector (or there are none). O(N^2). Error when counts
/// differ or a weight is not finite.
inline std::vector<double> leave_one_out_cosine(const Gram& gram, std::span<const double> weights) {
  const std::size_t n = gram.size();
  std::vector<double> r = detail::direction_weights("leave_one_out_cosine", weights, gram);
  std::vector<double> result(n, 0.0);
  if (n < 2) return result;
  const auto along_others = [&](std::size_t i) {
    double along = 0;
    for (std::size_t j = 0; j < n; ++j)
      if (j != i) along += r[j] * gram.cosine(i, j);
    return along;
  };

  std::vector<double> along(n);
  double square = 0, sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    along[i] = along_others(i);
    square += r[i] * (along[i] + r[i]);
    sum += std::abs(r[i]);
  }
  for (std::size_t i = 0; i < n; ++i)
    result[i] = detail::cosine_with_others(along[i], square - r[i] * (2 * along[i] + r[i]), sum);

  // Any other i leaves the largest weight, and with it half of `sum` at least. The largest taken away may
  // leave next to nothing, and a difference would be rounding: the others are summed on their own.
  const auto most =
      static_cast<std::size_t>(std::max_element(r.begin(), r.end(), detail::weighs_less) - r.begin());
  r = detail::weights_without(most, weights, gram);
  square = sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    square += r[i] * (along_others(i) + r[i]);
    sum += std::abs(r[i]);
  }
  result[most] = detail::cosine_with_others(along_others(most), square, sum);
  for (std::size_t i = 0; i < n; ++i)
    if (gram.scaled_norm(i) == 0) result[i] = 0;
  return result;
}

/// The same of updates in host memory whose norms are known, but for rounding. O(N D).
inline std::vector<double> leave_one_out_cosine(std::span<const TensorView> updates, const VectorNorms& norms,
                                                std::span<const double> weights) {
  const std::size_t n = updates.size();
  std::vector<double> r = detail::direction_weights("leave_one_out_cosine", weights, norms);
  std::vector<double> result(n, 0.0);
  if (n < 2) return result;

  const auto sum_of = [&] {
    double sum = 0;
    for (const double weight : r) sum += std::abs(weight);
    return sum;
  };
  const double sum = sum_of();
  const DirectionSum all = direction_sum(updates, norms, r);
  for (std::size_t i = 0; i < n; ++i)
    if (norms.scaled_norm(i) > 0)
      result[i] =
          detail::cosine_with_others(all.along[i] - r[i], all.square - r[i] * (2 * all.along[i] - r[i]), sum);

  // Who weighs more than all others together would leave a difference that is rounding, as above.
  const auto most =
      static_cast<std::size_t>(std::max_element(r.begin(), r.end(), detail::weighs_less) - r.begin());
  if (!(2 * std::abs(r[most]) > sum)) return result;
  r = detail::weights_without(most, weights, norms);
  const DirectionSum others = direction_sum(updates, norms, r);
  result[most] = detail::cosine_with_others(others.along[most], others.square, sum_of());
  return result;
}

}  // namespace fedval::shapley
