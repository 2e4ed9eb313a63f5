// Singular values with high relative accuracy to sigma_max, for the small ones that a Gram matrix loses
// (below 1.5e-8 sigma_max): Householder LQ to a square triangle, then one-sided Jacobi on its rows.
//
//   A = L Q;  rotate pairs of rows of L until all are orthogonal; their norms are the singular values. The
//   rotations together are U^T, as U^T A has orthogonal rows.
//
// Source: Demmel and Veselic, "Jacobi's method is more accurate than QR", SIAM J. Matrix Anal. Appl. 13,
// 1992.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/tensor/block_dot.hpp"

namespace fedval::linalg {

namespace detail {

using fedval::detail::block_dot;

/// Relative to a largest entry near 1: too small to be seen in any result, and so small that squares would
/// soon underflow. Such numbers are taken for zeros; left alone they make reflectors that are not orthogonal
/// (identical rows leave residues of eps, eps^2, eps^3, ... down to the subnormal numbers) and sweeps that
/// never end.
inline constexpr double invisible = 0x1p-450;

inline double scaled_norm(const double* v, std::size_t n) {
  double largest = 0, square = 0;
  for (std::size_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(v[i]));
  if (largest == 0) return 0;
  for (std::size_t i = 0; i < n; ++i) square += (v[i] / largest) * (v[i] / largest);
  return largest * std::sqrt(square);
}

/// Overwrites the rows x columns matrix (rows <= columns, row-major) by L, lower triangular in its first
/// `rows` columns.
inline void householder_lq(std::vector<double>& a, std::size_t rows, std::size_t columns) {
  for (std::size_t i = 0; i < rows; ++i) {
    double* v = a.data() + i * columns;
    const double length = scaled_norm(v + i, columns - i);
    if (length < invisible) {
      std::fill(v + i, v + columns, 0.0);
      continue;
    }
    const double diagonal = v[i] >= 0 ? -length : length;
    for (std::size_t k = i; k < columns; ++k) v[k] /= length;
    const double lead = v[i] - diagonal / length;
    v[i] = lead;
    const double h = std::abs(lead);  // v^T v / 2 for the normalised reflector
    for (std::size_t j = i + 1; j < rows; ++j) {
      double* row = a.data() + j * columns;
      const double share = block_dot(row + i, v + i, columns - i) / h;
      for (std::size_t k = i; k < columns; ++k) row[k] -= share * v[k];
    }
    v[i] = diagonal;
    std::fill(v + i + 1, v + columns, 0.0);
  }
}

/// Rotates pairs of rows of the rows x rows matrix in the first columns of `a` (row-major, `columns` apart)
/// until all are orthogonal to rounding, and the rows of the rows x rows matrix `turned` with them unless it
/// is null.
inline void orthogonalise_rows(std::vector<double>& a, std::size_t rows, std::size_t columns, double* turned,
                               const char* name) {
  // Below the error that a rotation and an inner product leave themselves, rotations could go on for ever.
  const double tolerance =
      (3 + std::sqrt(static_cast<double>(rows))) * std::numeric_limits<double>::epsilon();
  bool rotated = true;
  for (int sweep = 0; rotated; ++sweep) {
    if (sweep == 60) fail(name, ": no convergence; is an entry not finite?");
    rotated = false;
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = i + 1; j < rows; ++j) {
        double *x = a.data() + i * columns, *y = a.data() + j * columns;
        const double xx = block_dot(x, x, rows), yy = block_dot(y, y, rows);
        const double xy = block_dot(x, y, rows);
        // Of parallel rows one shrinks by eps a sweep: without end once its square underflows.
        if (std::min(xx, yy) < invisible * invisible) continue;
        if (std::abs(xy) <= tolerance * std::sqrt(xx) * std::sqrt(yy)) continue;
        rotated = true;
        const double zeta = (yy - xx) / (2 * xy);
        // |zeta| is below 2^450, the most by which rows differ, over twice the tolerance: its square is a
        // double, and hypot's care, which is slow, not needed.
        const double t = std::copysign(1.0, zeta) / (std::abs(zeta) + std::sqrt(1 + zeta * zeta));
        const double c = 1 / std::sqrt(1 + t * t), s = c * t;
        const auto rotate = [&](double* left, double* right) {
          for (std::size_t k = 0; k < rows; ++k) {
            const double before = left[k];
            left[k] = c * before - s * right[k];
            right[k] = s * before + c * right[k];
          }
        };
        rotate(x, y);
        if (turned != nullptr) rotate(turned + i * rows, turned + j * rows);
      }
  }
}

/// Singular values in the order of the rows that the rotations leave; U^T in `turned`, the identity before,
/// unless it is null.
inline std::vector<double> jacobi(std::vector<double> a, std::size_t rows, std::size_t columns,
                                  double* turned, const char* name) {
  if (a.size() != rows * columns || rows > columns)
    fail(name, ": ", a.size(), " entries for a ", rows, " x ", columns, " matrix; needs rows <= columns");
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!std::isfinite(a[i])) fail(name, ": entry [", i / columns, ", ", i % columns, "] is ", a[i]);
    largest = std::max(largest, std::abs(a[i]));
  }
  const int exponent = largest > 0 ? std::ilogb(largest) : 0;
  for (double& value : a) value = std::ldexp(value, -exponent);
  householder_lq(a, rows, columns);
  for (double& value : a)
    if (std::abs(value) < invisible) value = 0;
  orthogonalise_rows(a, rows, columns, turned, name);
  std::vector<double> sigma(rows);
  for (std::size_t i = 0; i < rows; ++i)
    sigma[i] = std::ldexp(scaled_norm(a.data() + i * columns, rows), exponent);
  return sigma;
}

}  // namespace detail

/// Singular values in descending order of the rows x columns matrix `a` (row-major, entries of any
/// scale). O(rows^2 (rows + columns)), needs rows <= columns. Error names an entry that is not finite.
inline std::vector<double> singular_values(std::vector<double> a, std::size_t rows, std::size_t columns) {
  std::vector<double> sigma = detail::jacobi(std::move(a), rows, columns, nullptr, "singular_values");
  std::sort(sigma.begin(), sigma.end(), std::greater<>());
  return sigma;
}

/// The left half of A = U diag(sigma) V^T.
struct LeftSingular {
  std::vector<double> sigma;  ///< descending
  std::vector<double> u;      ///< rows x rows, row-major, orthogonal; column j belongs to sigma[j]
};

/// Singular values and left singular vectors of the rows x columns matrix `a` (row-major, entries of any
/// scale). The largest magnitude of a vector, the first of equal ones, is positive; vectors of equal
/// singular values are any basis of their space. U^T A = diag(sigma) V^T to rounding of sigma_max. Costs,
/// needs and errors as singular_values, up to half more time.
inline LeftSingular left_singular(std::vector<double> a, std::size_t rows, std::size_t columns) {
  std::vector<double> turned(rows * rows, 0.0);
  for (std::size_t i = 0; i < rows; ++i) turned[i * rows + i] = 1;
  const std::vector<double> sigma =
      detail::jacobi(std::move(a), rows, columns, turned.data(), "left_singular");
  std::vector<std::size_t> order(rows);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t i, std::size_t j) { return sigma[i] > sigma[j]; });
  LeftSingular result{std::vector<double>(rows), std::vector<double>(rows * rows)};
  for (std::size_t j = 0; j < rows; ++j) {
    const double* vector = turned.data() + order[j] * rows;
    const double* peak =
        std::max_element(vector, vector + rows, [](double x, double y) { return std::abs(x) < std::abs(y); });
    const double sign = *peak < 0 ? -1 : 1;
    result.sigma[j] = sigma[order[j]];
    for (std::size_t i = 0; i < rows; ++i) result.u[i * rows + j] = sign * vector[i];
  }
  return result;
}

}  // namespace fedval::linalg
