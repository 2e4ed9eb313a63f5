// Singular values with high relative accuracy to sigma_max, for the small ones that a Gram matrix loses
// (below 1.5e-8 sigma_max): Householder LQ to a square triangle, then one-sided Jacobi on its rows.
//
//   A = L Q;  rotate pairs of rows of L until all are orthogonal; their norms are the singular values.
//
// Source: Demmel and Veselic, "Jacobi's method is more accurate than QR", SIAM J. Matrix Anal. Appl. 13,
// 1992.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <vector>

#include "fedval/error.hpp"

namespace fedval::linalg {

namespace detail {

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
      double sum = 0;
      for (std::size_t k = i; k < columns; ++k) sum += row[k] * v[k];
      for (std::size_t k = i; k < columns; ++k) row[k] -= sum / h * v[k];
    }
    v[i] = diagonal;
    std::fill(v + i + 1, v + columns, 0.0);
  }
}

}  // namespace detail

/// Singular values in descending order of the rows x columns matrix `a` (row-major, finite entries of any
/// scale). O(rows^2 (rows + columns)), needs rows <= columns.
inline std::vector<double> singular_values(std::vector<double> a, std::size_t rows, std::size_t columns) {
  if (a.size() != rows * columns || rows > columns)
    fail("singular_values: ", a.size(), " entries for a ", rows, " x ", columns,
         " matrix; needs rows <= columns");
  double largest = 0;
  for (const double value : a) largest = std::max(largest, std::abs(value));
  const int exponent = largest > 0 ? std::ilogb(largest) : 0;
  for (double& value : a) value = std::ldexp(value, -exponent);
  detail::householder_lq(a, rows, columns);
  for (double& value : a)
    if (std::abs(value) < detail::invisible) value = 0;
  constexpr double epsilon = std::numeric_limits<double>::epsilon();
  bool rotated = true;
  for (int sweep = 0; rotated; ++sweep) {
    if (sweep == 60) fail("singular_values: no convergence; is an entry not finite?");
    rotated = false;
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = i + 1; j < rows; ++j) {
        double *x = a.data() + i * columns, *y = a.data() + j * columns, xx = 0, yy = 0, xy = 0;
        for (std::size_t k = 0; k < rows; ++k) {
          xx += x[k] * x[k];
          yy += y[k] * y[k];
          xy += x[k] * y[k];
        }
        if (std::abs(xy) <= epsilon * std::sqrt(xx) * std::sqrt(yy)) continue;
        rotated = true;
        const double zeta = (yy - xx) / (2 * xy);
        const double t = std::copysign(1.0, zeta) / (std::abs(zeta) + std::hypot(1.0, zeta));
        const double c = 1 / std::hypot(1.0, t), s = c * t;
        for (std::size_t k = 0; k < rows; ++k) {
          const double left = x[k];
          x[k] = c * left - s * y[k];
          y[k] = s * left + c * y[k];
        }
      }
  }
  std::vector<double> sigma(rows);
  for (std::size_t i = 0; i < rows; ++i)
    sigma[i] = std::ldexp(detail::scaled_norm(a.data() + i * columns, rows), exponent);
  std::sort(sigma.begin(), sigma.end(), std::greater<>());
  return sigma;
}

}  // namespace fedval::linalg
