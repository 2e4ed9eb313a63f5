// Eigenvalues of a real symmetric matrix, values only.
//
//   A = Q T Q^T,  T tridiagonal (Householder);  then the implicit QL iteration with Wilkinson's shift on T.
//
// No eigenvector is formed: (4/3) n^3 operations for T, O(n^2) for its eigenvalues. Backward stable: each
// computed eigenvalue is within a small multiple of n eps ||A|| of an exact one. Source: Golub and Van Loan,
// Matrix Computations, 4th ed., sections 8.3.1 and 8.3.3.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "fedval/error.hpp"

namespace fedval::linalg {

namespace detail {

/// Reduces the n x n row-major matrix (lower triangle read, destroyed) to tridiagonal form: diagonal and
/// off-diagonal (off[0] unused).
inline void tridiagonalise(std::span<double> a, std::size_t n, std::span<double> diagonal,
                           std::span<double> off) {
  std::vector<double> p(n);
  for (std::size_t m = n; m-- > 1;) {
    // Row m, columns 0..m-1: a reflection maps it to a multiple of the last unit vector.
    double* v = a.data() + m * n;
    diagonal[m] = v[m];
    double largest = 0;
    for (std::size_t j = 0; j < m; ++j) largest = std::max(largest, std::abs(v[j]));
    double rest = 0;
    for (std::size_t j = 0; j + 1 < m; ++j) rest = std::max(rest, std::abs(v[j]));
    if (rest == 0) {
      off[m] = v[m - 1];
      continue;
    }
    double square = 0;
    for (std::size_t j = 0; j < m; ++j) {
      v[j] /= largest;
      square += v[j] * v[j];
    }
    const double length = v[m - 1] >= 0 ? -std::sqrt(square) : std::sqrt(square);
    off[m] = largest * length;
    const double h = square - v[m - 1] * length;  // v^T v / 2 once the reflector is formed
    v[m - 1] -= length;
    double projection = 0;
    for (std::size_t j = 0; j < m; ++j) {  // p = A v / h, A symmetric and stored below its diagonal
      double sum = 0;
      for (std::size_t k = 0; k <= j; ++k) sum += a[j * n + k] * v[k];
      for (std::size_t k = j + 1; k < m; ++k) sum += a[k * n + j] * v[k];
      p[j] = sum / h;
      projection += p[j] * v[j];
    }
    const double shift = projection / (2 * h);
    for (std::size_t j = 0; j < m; ++j) p[j] -= shift * v[j];
    for (std::size_t j = 0; j < m; ++j)  // A <- A - v p^T - p v^T
      for (std::size_t k = 0; k <= j; ++k) a[j * n + k] -= v[j] * p[k] + p[j] * v[k];
  }
  if (n > 0) diagonal[0] = a[0];
}

/// Eigenvalues of a symmetric tridiagonal matrix, in place of its diagonal.
inline void implicit_ql(std::span<double> diagonal, std::span<double> off) {
  const std::size_t n = diagonal.size();
  if (n == 0) return;
  for (std::size_t i = 1; i < n; ++i) off[i - 1] = off[i];
  off[n - 1] = 0;
  constexpr double epsilon = std::numeric_limits<double>::epsilon();
  for (std::size_t l = 0; l < n; ++l) {
    for (int iteration = 0;; ++iteration) {
      std::size_t m = l;
      while (m + 1 < n && std::abs(off[m]) > epsilon * (std::abs(diagonal[m]) + std::abs(diagonal[m + 1])))
        ++m;
      if (m == l) break;
      if (iteration == 60) fail("symmetric_eigenvalues: no convergence; is an entry not finite?");
      double g = (diagonal[l + 1] - diagonal[l]) / (2 * off[l]);
      double r = std::hypot(g, 1.0);
      g = diagonal[m] - diagonal[l] + off[l] / (g + std::copysign(r, g));
      double s = 1, c = 1, p = 0;
      bool deflated = false;
      for (std::size_t i = m; i-- > l;) {
        const double f = s * off[i], b = c * off[i];
        r = std::hypot(f, g);
        off[i + 1] = r;
        if (r == 0) {  // underflow: split here and start again
          diagonal[i + 1] -= p;
          off[m] = 0;
          deflated = true;
          break;
        }
        s = f / r;
        c = g / r;
        g = diagonal[i + 1] - p;
        r = (diagonal[i] - g) * s + 2 * c * b;
        p = s * r;
        diagonal[i + 1] = g + p;
        g = c * r - b;
      }
      if (deflated) continue;
      diagonal[l] -= p;
      off[l] = g;
      off[m] = 0;
    }
  }
}

}  // namespace detail

/// Eigenvalues in ascending order of the n x n symmetric matrix `a` (row-major; only its lower triangle is
/// read). O(n^3). Entries must be finite; Error when the iteration does not converge, which finite entries
/// never cause.
inline std::vector<double> symmetric_eigenvalues(std::vector<double> a, std::size_t n) {
  if (a.size() != n * n) fail("symmetric_eigenvalues: ", a.size(), " entries for a ", n, " x ", n, " matrix");
  std::vector<double> diagonal(n), off(n, 0.0);
  // Near the subnormal numbers the iteration could not reach its tolerance; a power of two changes no digit.
  double largest = 0;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j) largest = std::max(largest, std::abs(a[i * n + j]));
  const int exponent = largest > 0 ? std::ilogb(largest) : 0;
  for (double& value : a) value = std::ldexp(value, -exponent);
  detail::tridiagonalise(a, n, diagonal, off);
  detail::implicit_ql(diagonal, off);
  for (double& value : diagonal) value = std::ldexp(value, exponent);
  std::sort(diagonal.begin(), diagonal.end());
  return diagonal;
}

}  // namespace fedval::linalg
