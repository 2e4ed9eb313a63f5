// Linear systems with small dense matrices.
//
//   A = L L^T (Cholesky) where A is symmetric positive definite, with its log-determinant;
//   P A = L U (partial pivoting) where A is any square matrix.
//
// Both refuse a pivot that is no larger than the rounding of what was subtracted to form it: such a matrix
// cannot be told from a singular one, whatever the scale of its rows and columns. Rounding is what
// std::numeric_limits<Scalar> says; without a specialisation arithmetic is taken for exact. Source: Higham,
// Accuracy and Stability of Numerical Algorithms, 2nd ed., sections 9.3 and 10.1.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include "fedval/error.hpp"
#include "fedval/linalg/matrix.hpp"

namespace fedval::linalg {

namespace detail {

/// A bound on the relative rounding error of a sum of n products.
template <class Scalar>
Scalar rounding(std::size_t n) {
  return static_cast<Scalar>(static_cast<int>(n)) * std::numeric_limits<Scalar>::epsilon();
}

template <class Scalar>
Scalar magnitude(const Scalar& value) {
  return value < Scalar() ? -value : value;
}

/// target -= factor * source, entry by entry.
template <class Scalar>
void subtract(std::span<Scalar> target, const Scalar& factor, std::span<const Scalar> source) {
  for (std::size_t j = 0; j < target.size(); ++j) target[j] -= factor * source[j];
}

}  // namespace detail

/// A = L L^T of a symmetric positive definite matrix.
template <class Scalar, std::size_t N = dynamic>
class Cholesky {
 public:
  /// From L^T, upper triangular with a positive diagonal.
  explicit Cholesky(Matrix<Scalar, N, N> upper) : upper_(std::move(upper)) {}

  /// L, with zeros above its diagonal. O(n^2).
  Matrix<Scalar, N, N> lower() const { return transpose(upper_); }
  /// L^-1 B: turns noise of covariance A into white noise. O(n^2 columns).
  template <std::size_t R, std::size_t C>
  requires(Agree<N, R>) Matrix<Scalar, R, C> solve_lower(Matrix<Scalar, R, C> b)
  const {
    check_rows(b.rows());
    for (std::size_t k = 0; k < b.rows(); ++k) {
      for (Scalar& value : b.row(k)) value = value / upper_(k, k);
      for (std::size_t i = k + 1; i < b.rows(); ++i)
        detail::subtract<Scalar>(b.row(i), upper_(k, i), b.row(k));
    }
    return b;
  }
  /// L^-T B. O(n^2 columns).
  template <std::size_t R, std::size_t C>
  requires(Agree<N, R>) Matrix<Scalar, R, C> solve_upper(Matrix<Scalar, R, C> b)
  const {
    check_rows(b.rows());
    for (std::size_t k = b.rows(); k-- > 0;) {
      for (std::size_t j = k + 1; j < b.rows(); ++j)
        detail::subtract<Scalar>(b.row(k), upper_(k, j), b.row(j));
      for (Scalar& value : b.row(k)) value = value / upper_(k, k);
    }
    return b;
  }
  /// A^-1 B. O(n^2 columns).
  template <std::size_t R, std::size_t C>
  requires(Agree<N, R>) Matrix<Scalar, R, C> solve(Matrix<Scalar, R, C> b)
  const { return solve_upper(solve_lower(std::move(b))); }
  /// ln det A, finite where det A itself would overflow.
  Scalar log_determinant() const {
    using std::log;
    Scalar sum{};
    for (std::size_t k = 0; k < upper_.rows(); ++k) sum += log(upper_(k, k));
    return sum + sum;
  }

 private:
  void check_rows(std::size_t rows) const {
    if (rows != upper_.rows()) fail("a right-hand side of ", rows, " rows for a system of ", upper_.rows());
  }

  Matrix<Scalar, N, N> upper_;  // L^T, whose rows the loops run along
};

/// Cholesky factor of a symmetric matrix, of which only the lower triangle is read; none when it is not
/// positive definite beyond rounding, or not finite. O(n^3).
template <class Scalar, std::size_t R, std::size_t C>
requires(Agree<R, C>) std::optional<Cholesky<Scalar, detail::agreed<R, C>>> cholesky(
    const Matrix<Scalar, R, C>& a) {
  using std::sqrt;
  detail::check_square(a, "Cholesky factor");
  const std::size_t n = a.rows();
  Matrix<Scalar, detail::agreed<R, C>, detail::agreed<R, C>> upper(n, n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = i; j < n; ++j) upper(i, j) = a(j, i);
  const Scalar tolerance = detail::rounding<Scalar>(n);
  for (std::size_t k = 0; k < n; ++k) {
    if (!(upper(k, k) > tolerance * a(k, k))) return std::nullopt;
    const Scalar diagonal = sqrt(upper(k, k));
    upper(k, k) = diagonal;
    for (std::size_t j = k + 1; j < n; ++j) upper(k, j) = upper(k, j) / diagonal;
    for (std::size_t i = k + 1; i < n; ++i)
      detail::subtract<Scalar>(upper.row(i).subspan(i), upper(k, i), std::as_const(upper).row(k).subspan(i));
  }
  return Cholesky<Scalar, detail::agreed<R, C>>(std::move(upper));
}

/// A^-1 B for a square A; none when A is singular to rounding or not finite. O(n^2 (n + columns)). Subnormal
/// entries have few digits, and so has their solution; a B that is not finite has none that is.
template <class Scalar, std::size_t R, std::size_t C, std::size_t R2, std::size_t C2>
requires(Agree<R, C>&& Agree<C, R2>) std::optional<Matrix<Scalar, R2, C2>> solve(Matrix<Scalar, R, C> a,
                                                                                 Matrix<Scalar, R2, C2> b) {
  detail::check_square(a, "solution");
  const std::size_t n = a.rows();
  if (b.rows() != n) fail("a right-hand side of ", b.rows(), " rows for a system of ", n);
  Matrix<Scalar, R, C> reached = a;  // the largest each entry's terms have been
  for (Scalar& value : reached.values()) value = detail::magnitude(value);
  const Scalar tolerance = detail::rounding<Scalar>(n);
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t pivot = k;
    for (std::size_t i = k + 1; i < n; ++i)
      if (detail::magnitude(a(i, k)) > detail::magnitude(a(pivot, k))) pivot = i;
    if (!(detail::magnitude(a(pivot, k)) > tolerance * reached(pivot, k))) return std::nullopt;
    if (pivot != k) {
      std::swap_ranges(a.row(k).begin(), a.row(k).end(), a.row(pivot).begin());
      std::swap_ranges(reached.row(k).begin(), reached.row(k).end(), reached.row(pivot).begin());
      std::swap_ranges(b.row(k).begin(), b.row(k).end(), b.row(pivot).begin());
    }
    for (std::size_t i = k + 1; i < n; ++i) {
      const Scalar factor = a(i, k) / a(k, k);
      for (std::size_t j = k + 1; j < n; ++j) {
        const Scalar term = factor * a(k, j);
        a(i, j) -= term;
        reached(i, j) = std::max(reached(i, j), detail::magnitude(term));
      }
      detail::subtract<Scalar>(b.row(i), factor, b.row(k));
    }
  }
  for (std::size_t k = n; k-- > 0;) {
    for (std::size_t j = k + 1; j < n; ++j) detail::subtract<Scalar>(b.row(k), a(k, j), b.row(j));
    for (Scalar& value : b.row(k)) value = value / a(k, k);
  }
  return b;
}

}  // namespace fedval::linalg
