// Eigenvalues of a real symmetric matrix, values only.
//
//   A = Q T Q^T,  T tridiagonal:  A <- A - v w^T - w v^T,  w = q - (q^T v / 2h) v,  q = A v / h,  h = v^T v /
//   2 then the QL iteration without square roots on the squares of T's off-diagonal
//
// No eigenvector is formed: (4/3) n^3 operations for T, O(n^2) for its eigenvalues. One pass over A applies a
// reflection and forms the next one's A v. Backward stable: each computed eigenvalue is within a small
// multiple of n eps ||A|| of an exact one. Sources: Golub and Van Loan, Matrix Computations, 4th ed.,
// section 8.3.1; Parlett, The Symmetric Eigenvalue Problem, section 8.15 (the iteration of Pal, Walker and
// Kahan; LAPACK's dsterf).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "fedval/error.hpp"

namespace fedval::linalg {

namespace detail {

/// Eight doubles; columns are processed eight at a time, in registers of whatever size there are.
using Lanes [[gnu::vector_size(64)]] = double;
inline constexpr std::size_t lanes = 8;

inline std::size_t whole_lanes(std::size_t columns) { return (columns + lanes - 1) / lanes * lanes; }

inline Lanes& at(double* p) { return *reinterpret_cast<Lanes*>(p); }
inline const Lanes& at(const double* p) { return *reinterpret_cast<const Lanes*>(p); }

inline double sum(const Lanes& s) {
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

inline double dot(const double* a, const double* b, std::size_t columns) {
  Lanes products = {};
  for (std::size_t k = 0; k < columns; k += lanes) products += at(a + k) * at(b + k);
  return sum(products);
}

/// I - v v^T / h, which maps a row to a multiple `image` of the last unit vector; h = 0 stands for I.
struct Reflection {
  double image, h;
};

/// Turns v, m entries and zeros up to whole lanes, into the reflection of itself.
inline Reflection reflect(double* v, std::size_t m) {
  const std::size_t columns = whole_lanes(m);
  double last = std::exchange(v[m - 1], 0.0), rest = dot(v, v, columns), scale = 1;
  if (!(rest + last * last > 0x1p-900)) {  // perhaps digits were lost; a power of two changes none
    double largest = std::abs(last);
    for (std::size_t k = 0; k < m; ++k) largest = std::max(largest, std::abs(v[k]));
    if (largest > 0) scale = std::ldexp(1.0, std::max(std::ilogb(largest), -1000));
    for (std::size_t k = 0; k < m; ++k) v[k] /= scale;
    last /= scale;
    rest = dot(v, v, columns);
  }
  if (rest == 0 && std::all_of(v, v + m, [](double x) { return x == 0; })) return {scale * last, 0};
  const double square = rest + last * last;
  const double length = std::copysign(std::sqrt(square), -last);
  v[m - 1] = last - length;
  return {scale * length, square - last * length};
}

/// Row_j <- row_j - v_j w - w_j v and q_j = <row_j, next> for the R rows from j on.
template <std::size_t R>
void update_rows(double* a, std::size_t stride, std::size_t j, std::size_t columns, const double* v,
                 const double* w, const double* next, double* q) {
  Lanes products[R] = {};
  for (std::size_t k = 0; k < columns; k += lanes) {
    const Lanes vk = at(v + k), wk = at(w + k), nk = at(next + k);
    for (std::size_t r = 0; r < R; ++r) {
      Lanes& row = at(a + (j + r) * stride + k);
      const Lanes updated = row - (v[j + r] * wk + w[j + r] * vk);
      row = updated;
      products[r] += updated * nk;
    }
  }
  for (std::size_t r = 0; r < R; ++r) q[j + r] = sum(products[r]);
}

/// Reduces a symmetric matrix to tridiagonal form: diagonal and off-diagonal (off[0] unused). `a` has n rows
/// of `stride` entries, both triangles, zeros after the n-th column; it is destroyed. `work` holds 4 rows of
/// zeros. Both are aligned to 64 bytes, stride is of whole lanes.
inline void tridiagonalise(double* a, std::size_t n, std::size_t stride, double* work,
                           std::span<double> diagonal, std::span<double> off) {
  double *v = work, *w = work + stride, *next = work + 2 * stride, *q = work + 3 * stride;
  for (std::size_t m = n; m-- > 0;) {
    double* last = a + m * stride;
    if (m + 1 < n) update_rows<1>(a, stride, m, whole_lanes(m + 1), v, w, next, q);
    diagonal[m] = last[m];
    if (m == 0) break;
    std::copy(last, last + m, next);
    std::fill(next + m, next + whole_lanes(m + 1), 0.0);
    const Reflection reflection = reflect(next, m);
    off[m] = reflection.image;
    if (reflection.h == 0) std::fill(next, next + m, 0.0);
    const std::size_t columns = whole_lanes(m);
    std::size_t j = 0;
    for (; j + 4 <= m; j += 4) update_rows<4>(a, stride, j, columns, v, w, next, q);
    for (; j < m; ++j) update_rows<1>(a, stride, j, columns, v, w, next, q);
    std::fill(q + m, q + columns, 0.0);
    std::swap(v, next);
    const double inverse = reflection.h == 0 ? 0 : 1 / reflection.h;
    const double shift = dot(q, v, columns) * inverse / 2;
    for (std::size_t k = 0; k < columns; k += lanes) at(w + k) = (at(q + k) - shift * at(v + k)) * inverse;
  }
}

/// Whether a coupling of two diagonal entries is below their rounding, or so small that digits of its square
/// could be lost.
inline bool negligible(double square, double a, double b) {
  const double bound = std::numeric_limits<double>::epsilon() * (std::abs(a) + std::abs(b));
  return !(square > std::max(bound * bound, 0x1p-300));
}

/// Eigenvalues of a symmetric tridiagonal matrix of norm about one, in place of its diagonal; squares[i] is
/// the square of the coupling of i and i + 1, and is destroyed.
inline void root_free_ql(std::span<double> diagonal, std::span<double> squares) {
  const std::size_t n = diagonal.size();
  for (std::size_t l = 0; l < n; ++l) {
    for (int iteration = 0;; ++iteration) {
      std::size_t m = l;
      while (m + 1 < n && !negligible(squares[m], diagonal[m], diagonal[m + 1])) ++m;
      if (m == l) break;
      if (iteration == 60) fail("symmetric_eigenvalues: no convergence; is an entry not finite?");
      // Wilkinson's shift, the eigenvalue of the leading 2 x 2 block that is nearer to its first entry.
      const double delta = (diagonal[l + 1] - diagonal[l]) / 2;
      const double root = std::sqrt(delta * delta + squares[l]);
      const double shift = diagonal[l] - squares[l] / (delta + std::copysign(root, delta));
      double c = 1, s = 0, gamma = diagonal[m] - shift, p = gamma * gamma;
      double alpha = diagonal[m - 1], square = squares[m - 1];
      for (std::size_t i = m; i-- > l;) {
        // With r = p + square: c = p / r, s = square / r, gamma = c (alpha - shift) - s gamma and then
        // p = gamma^2 / c, arranged so that p waits for one division only.
        const double previous_gamma = gamma;
        double next_square = s * square;
        if (p >= 0x1p-400) [[likely]] {
          const double r = p + square, product = p * (alpha - shift) - square * gamma;
          next_square = s * r;
          c = p / r;
          s = square / r;
          gamma = product / r;
          p = product * product / (p * r);
        } else {  // p, the square of a pivot, is zero after a change of 2^-200; below, digits would be lost
          p = c * square;
          c = 0;
          s = 1;
          gamma = -gamma;
        }
        const double sum = previous_gamma + (alpha - gamma);
        // The next loads before these stores, as some processors let no load pass a store.
        const std::size_t next = i > l ? i - 1 : l;
        alpha = diagonal[next];
        square = squares[next];
        squares[i + 1] = next_square;
        diagonal[i + 1] = sum;
      }
      squares[l] = s * p;
      diagonal[l] = shift + gamma;
    }
  }
}

/// Eigenvalues of a symmetric tridiagonal matrix in place of its diagonal; off[i] couples i - 1 and i, and is
/// destroyed. Each block that couplings hold together is scaled on its own: of a tiny one, squares would
/// vanish.
inline void tridiagonal_eigenvalues(std::span<double> diagonal, std::span<double> off) {
  for (std::size_t begin = 0, end = 0; begin < diagonal.size(); begin = end) {
    double largest = std::abs(diagonal[begin]);
    for (end = begin + 1; end < diagonal.size(); ++end) {
      const double a = std::abs(diagonal[end - 1]), b = std::abs(diagonal[end]),
                   coupling = std::abs(off[end]);
      if (!(coupling > std::numeric_limits<double>::epsilon() * (a + b))) break;
      largest = std::max({largest, b, coupling});
    }
    const std::span<double> block = diagonal.subspan(begin, end - begin);
    if (block.size() == 1) continue;
    double scale = 1;
    if (largest < 0x1p-20) scale = std::ldexp(1.0, std::max(std::ilogb(largest), -1000));
    for (double& value : block) value /= scale;
    const std::span<double> squares = off.subspan(begin, block.size());
    for (std::size_t i = 0; i + 1 < block.size(); ++i) {
      const double coupling = off[begin + i + 1] / scale;
      squares[i] = coupling * coupling;
    }
    squares.back() = 0;
    root_free_ql(block, squares);
    for (double& value : block) value *= scale;
  }
}

}  // namespace detail

/// Eigenvalues in ascending order of the n x n symmetric matrix `a` (row-major; only its lower triangle is
/// read). O(n^3). Error names an entry that is read and not finite, and says so when the iteration does not
/// converge, which finite entries never cause.
inline std::vector<double> symmetric_eigenvalues(std::vector<double> a, std::size_t n) {
  if (a.size() != n * n) fail("symmetric_eigenvalues: ", a.size(), " entries for a ", n, " x ", n, " matrix");
  // Scaled to a largest entry between one and two, as the iteration needs it; a power of two changes no
  // digit.
  double largest = 0;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      const double value = a[i * n + j];
      if (!std::isfinite(value)) fail("symmetric_eigenvalues: entry [", i, ", ", j, "] is ", value);
      largest = std::max(largest, std::abs(value));
    }
  const int exponent = largest > 0 ? std::ilogb(largest) : 0;
  // 2^1074 is no double; two factors are.
  const double half = std::ldexp(1.0, -exponent / 2), other = std::ldexp(1.0, -exponent - -exponent / 2);
  const std::size_t stride = detail::whole_lanes(n);
  std::vector<double> memory((n + 4) * stride + detail::lanes, 0.0);
  const std::size_t past = reinterpret_cast<std::uintptr_t>(memory.data()) / sizeof(double) % detail::lanes;
  double* matrix = memory.data() + (detail::lanes - past) % detail::lanes;
  for (std::size_t first = 0; first < n;
       first += detail::lanes)  // eight rows of the mirror image stay in cache
    for (std::size_t i = first; i < n; ++i)
      for (std::size_t j = first; j < std::min(first + detail::lanes, i + 1); ++j)
        matrix[i * stride + j] = matrix[j * stride + i] = a[i * n + j] * half * other;
  std::vector<double> diagonal(n), off(n);
  detail::tridiagonalise(matrix, n, stride, matrix + n * stride, diagonal, off);
  detail::tridiagonal_eigenvalues(diagonal, off);
  for (double& value : diagonal) value = std::ldexp(value, exponent);
  std::sort(diagonal.begin(), diagonal.end());
  return diagonal;
}

}  // namespace fedval::linalg
