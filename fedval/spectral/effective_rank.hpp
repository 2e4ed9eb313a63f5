// How many directions a matrix really uses: the ranks between 1 and min(C, d) that a spectrum stands for.
//
//   effective rank        exp(S), S = -sum p_j ln p_j             p_j = sigma_j^2 / sum sigma^2
//   Roy-Vetterli          exp(-sum q_j ln q_j)                    q_j = sigma_j / sum sigma, not squared
//   RankMe                exp(-sum (q_j + e) ln(q_j + e))         e = 1e-7
//   participation ratio   1 / sum p_j^2  = exp(S_2)
//   stable rank           ||W||_F^2 / ||W||_2^2 = 1 / max p_j = exp(S_infinity)
//   Vendi score           exp(S(K/n)), K an n x n similarity matrix with ones on its diagonal
//
// All are 0 for a zero matrix, which uses no direction, except RankMe, whose e gives it a little.
// Sources: Roy and Vetterli, "The effective rank", EUSIPCO 2007; Garrido et al., "RankMe", ICML 2023, section
// 3; Rudelson and Vershynin, "Sampling from large matrices", 2007 (stable rank); Friedman and Dieng, "The
// Vendi score", TMLR 2023, definition 3.1.
#pragma once

#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "fedval/spectral/entropy.hpp"

namespace fedval::spectral {

namespace detail {

/// q_j = sigma_j / sum sigma from p_j = sigma_j^2 / sum sigma^2.
inline std::vector<double> linear_shares(std::span<const double> p) {
  std::vector<double> q(p.size());
  double sum = 0;
  checked(p);
  for (std::size_t j = 0; j < p.size(); ++j) sum += q[j] = std::sqrt(p[j]);
  for (double& value : q) value /= sum;
  return q;
}

}  // namespace detail

/// exp(S). O(n) for a spectrum of n entries, as everything here on a spectrum. Error when an entry is not
/// finite, as everywhere here.
inline double effective_rank(std::span<const double> p) {
  return p.empty() ? 0.0 : std::exp(von_neumann_entropy(p));
}

/// Roy and Vetterli's effective rank. Small singular values count, so take p from Route::svd.
inline double roy_vetterli_rank(std::span<const double> p) {
  return p.empty() ? 0.0 : std::exp(von_neumann_entropy(detail::linear_shares(p)));
}

/// RankMe with its epsilon, added before and inside the logarithm; p as for roy_vetterli_rank. Error when
/// epsilon is not finite or below 0.
inline double rankme(std::span<const double> p, double epsilon = 1e-7) {
  return p.empty() ? 0.0 : std::exp(von_neumann_entropy(detail::linear_shares(p), epsilon));
}

/// 1 / sum p_j^2.
inline double participation_ratio(std::span<const double> p) {
  detail::checked(p);
  return p.empty() ? 0.0 : 1 / std::inner_product(p.begin(), p.end(), p.begin(), 0.0);
}

/// 1 / max p_j.
inline double stable_rank(std::span<const double> p) {
  detail::checked(p);
  return p.empty() ? 0.0 : 1 / *std::max_element(p.begin(), p.end());
}

/// Vendi score of order q (1: the original) of n items by their n x n similarity matrix, symmetric, positive
/// semidefinite, ones on the diagonal: how many different items there are. O(n^3). Error when the matrix is
/// not square, not symmetric, has another diagonal or a negative eigenvalue.
inline double vendi_score(const TensorView& similarity, double order = 1,
                          const std::string& name = "similarity") {
  const detail::Size size = detail::size_of(similarity, name);
  const std::size_t n = size.rows;
  if (n != size.columns) fail(name, " has shape ", similarity.shape().text(), ", expected a square matrix");
  if (n == 0) return 0;
  check_finite(similarity, name);
  std::vector<double> k(n * n);
  similarity.read(0, k);
  constexpr double tolerance = 1e-3;  // of a similarity that was itself rounded to half precision
  for (std::size_t i = 0; i < n; ++i) {
    if (std::abs(k[i * n + i] - 1) > tolerance)
      fail(name, similarity.entry(i * n + i), " is ", k[i * n + i], ", must be 1: an item is like itself");
    for (std::size_t j = 0; j < i; ++j)
      if (std::abs(k[i * n + j] - k[j * n + i]) > tolerance)
        fail(name, " is not symmetric: ", similarity.entry(i * n + j), " is ", k[i * n + j], ", ",
             similarity.entry(j * n + i), " is ", k[j * n + i]);
  }
  std::vector<double> eigenvalues = linalg::symmetric_eigenvalues(std::move(k), n);
  if (eigenvalues.front() < -tolerance * static_cast<double>(n))
    fail(name, " has an eigenvalue of ", eigenvalues.front(), ", must be positive semidefinite");
  for (double& value : eigenvalues) value = std::max(value, 0.0);
  return std::exp(renyi_entropy(detail::shares(std::move(eigenvalues)), order));
}

/// Vendi score of n updates by their cosines: how many clients sent something different. A zero update is
/// like itself only. O(n^3).
inline double vendi_score(const Gram& gram, double order = 1) {
  const std::size_t n = gram.size();
  if (n == 0) return 0;
  std::vector<double> cosines(n * n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) cosines[i * n + j] = i == j ? 1.0 : gram.cosine(i, j);
  const auto extent = static_cast<std::int64_t>(n);
  const Shape shape{extent, extent};
  return vendi_score(
      {shape, {Piece::host(cosines.data(), ScalarType::float64, shape, shape.row_major_strides())}}, order,
      "cosines");
}

}  // namespace fedval::spectral
