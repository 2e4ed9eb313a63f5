// Small dense matrices, for formulas that should read as in the textbook: P = F * P * transpose(F) + Q.
//
// An extent is fixed at compile time or `dynamic`. With both fixed the entries lie on the stack and a
// mismatch does not compile; a mismatch seen only at run time is an Error. The scalar is float, double, long
// double, or a type of the user's with a zero default, construction from int, + - * / (and +=, -=),
// comparisons, and sqrt and log found by argument-dependent lookup. Its std::numeric_limits say how far
// rounding reaches; without a specialisation arithmetic is taken for exact.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "fedval/error.hpp"

namespace fedval::linalg {

/// An extent that is known at run time only.
inline constexpr std::size_t dynamic = std::dynamic_extent;

/// Whether two extents can be equal.
template <std::size_t A, std::size_t B>
concept Agree = A == B || A == dynamic || B == dynamic;

namespace detail {

/// What is known at compile time of two extents that must be equal.
template <std::size_t A, std::size_t B>
inline constexpr std::size_t agreed = A == dynamic ? B : A;

template <class Scalar, std::size_t Rows, std::size_t Columns>
struct Entries {
  static constexpr std::size_t rows = Rows, columns = Columns;
  std::array<Scalar, Rows * Columns> values{};

  constexpr Entries() = default;
  constexpr Entries(std::size_t r, std::size_t c) {
    if (r != Rows || c != Columns) fail("a ", Rows, " x ", Columns, " matrix cannot be ", r, " x ", c);
  }
  friend constexpr bool operator==(const Entries&, const Entries&) = default;
};

template <class Scalar, std::size_t Rows, std::size_t Columns>
requires(Rows == dynamic || Columns == dynamic) struct Entries<Scalar, Rows, Columns> {
  std::size_t rows = Rows == dynamic ? 0 : Rows, columns = Columns == dynamic ? 0 : Columns;
  std::vector<Scalar> values;

  Entries() = default;
  Entries(std::size_t r, std::size_t c) : rows(r), columns(c) {
    if (Rows != dynamic && r != Rows) fail("a matrix of ", Rows, " rows cannot have ", r);
    if (Columns != dynamic && c != Columns) fail("a matrix of ", Columns, " columns cannot have ", c);
    values.resize(r * c);
  }
  friend bool operator==(const Entries&, const Entries&) = default;
};

}  // namespace detail

/// A rows x columns matrix, row-major, of zeros unless said otherwise.
template <class Scalar, std::size_t Rows = dynamic, std::size_t Columns = dynamic>
class Matrix {
 public:
  Matrix() = default;
  /// Zeros. Error when an extent is not the fixed one.
  explicit Matrix(std::size_t rows, std::size_t columns) : entries_(rows, columns) {}
  /// From rows * columns values, row-major; Error when there are not as many.
  explicit Matrix(std::size_t rows, std::size_t columns, std::span<const Scalar> values)
      : entries_(rows, columns) {
    if (values.size() != rows * columns)
      fail(values.size(), " entries for a ", rows, " x ", columns, " matrix");
    std::copy(values.begin(), values.end(), entries_.values.begin());
  }
  /// {{1, 2}, {3, 4}} row by row. Error when rows differ in length or an extent is not the fixed one.
  Matrix(std::initializer_list<std::initializer_list<Scalar>> rows) requires(Columns != 1)
      : entries_(rows.size(), rows.size() > 0 ? rows.begin()->size() : (Columns == dynamic ? 0 : Columns)) {
    std::size_t i = 0;
    for (const auto& row : rows) {
      if (row.size() != columns()) fail("row ", i, " has ", row.size(), " entries, row 0 has ", columns());
      std::copy(row.begin(), row.end(), this->row(i++).begin());
    }
  }
  /// {1, 2, 3} for a column vector. Error when the fixed extent is another.
  Matrix(std::initializer_list<Scalar> values) requires(Columns == 1) : entries_(values.size(), 1) {
    std::copy(values.begin(), values.end(), entries_.values.begin());
  }
  /// The same matrix with other extents fixed. Error when one is not the fixed one.
  template <std::size_t R, std::size_t C>
  requires(Agree<R, Rows>&& Agree<C, Columns> && (R != Rows || C != Columns))
      Matrix(const Matrix<Scalar, R, C>& other)  // NOLINT(google-explicit-constructor): nothing is lost
      : Matrix(other.rows(), other.columns(), other.values()) {}

  /// Number of rows; 0 in a default matrix where it is dynamic.
  std::size_t rows() const { return entries_.rows; }
  /// Number of columns; 0 in a default matrix where it is dynamic.
  std::size_t columns() const { return entries_.columns; }
  /// Entry in row i and column j, which are not checked.
  Scalar& operator()(std::size_t i, std::size_t j) { return entries_.values[i * columns() + j]; }
  /// The same, read-only.
  const Scalar& operator()(std::size_t i, std::size_t j) const { return entries_.values[i * columns() + j]; }
  /// Entry i of a vector.
  Scalar& operator[](std::size_t i) requires(Columns == 1 || Rows == 1) { return entries_.values[i]; }
  /// The same, read-only.
  const Scalar& operator[](std::size_t i) const requires(Columns == 1 || Rows == 1) {
    return entries_.values[i];
  }
  /// Entries of row i, which is not checked.
  std::span<Scalar> row(std::size_t i) { return values().subspan(i * columns(), columns()); }
  /// The same, read-only.
  std::span<const Scalar> row(std::size_t i) const { return values().subspan(i * columns(), columns()); }
  /// All entries, row-major.
  std::span<Scalar> values() { return entries_.values; }
  /// The same, read-only.
  std::span<const Scalar> values() const { return entries_.values; }

  /// Same extents and equal entries.
  friend bool operator==(const Matrix&, const Matrix&) = default;

 private:
  detail::Entries<Scalar, Rows, Columns> entries_;
};

/// A column.
template <class Scalar, std::size_t Rows = dynamic>
using Vector = Matrix<Scalar, Rows, 1>;

namespace detail {

template <class A, class B>
void check_same_shape(const A& a, const B& b, const char* what) {
  if (a.rows() != b.rows() || a.columns() != b.columns())
    fail("cannot ", what, " ", a.rows(), " x ", a.columns(), " and ", b.rows(), " x ", b.columns());
}

template <class A>
void check_square(const A& a, const char* what) {
  if (a.rows() != a.columns()) fail(what, " of a ", a.rows(), " x ", a.columns(), " matrix");
}

}  // namespace detail

/// Entry by entry. Error when the shapes differ.
template <class Scalar, std::size_t R, std::size_t C, std::size_t R2, std::size_t C2>
requires(Agree<R, R2>&& Agree<C, C2>) Matrix<Scalar, detail::agreed<R, R2>, detail::agreed<C, C2>>
operator+(const Matrix<Scalar, R, C>& a, const Matrix<Scalar, R2, C2>& b) {
  detail::check_same_shape(a, b, "add");
  Matrix<Scalar, detail::agreed<R, R2>, detail::agreed<C, C2>> sum = a;
  for (std::size_t k = 0; k < b.values().size(); ++k) sum.values()[k] += b.values()[k];
  return sum;
}

/// Entry by entry. Error when the shapes differ.
template <class Scalar, std::size_t R, std::size_t C, std::size_t R2, std::size_t C2>
requires(Agree<R, R2>&& Agree<C, C2>) Matrix<Scalar, detail::agreed<R, R2>, detail::agreed<C, C2>>
operator-(const Matrix<Scalar, R, C>& a, const Matrix<Scalar, R2, C2>& b) {
  detail::check_same_shape(a, b, "subtract");
  Matrix<Scalar, detail::agreed<R, R2>, detail::agreed<C, C2>> difference = a;
  for (std::size_t k = 0; k < b.values().size(); ++k) difference.values()[k] -= b.values()[k];
  return difference;
}

/// Every entry times `factor`.
template <class Scalar, std::size_t R, std::size_t C>
Matrix<Scalar, R, C> operator*(const std::type_identity_t<Scalar>& factor, Matrix<Scalar, R, C> a) {
  for (Scalar& value : a.values()) value = factor * value;
  return a;
}

/// The product, summed in the scalar type in ascending order. O(rows inner columns).
template <class Scalar, std::size_t R, std::size_t C, std::size_t R2, std::size_t C2>
requires(Agree<C, R2>) Matrix<Scalar, R, C2>
operator*(const Matrix<Scalar, R, C>& a, const Matrix<Scalar, R2, C2>& b) {
  if (a.columns() != b.rows())
    fail("cannot multiply ", a.rows(), " x ", a.columns(), " and ", b.rows(), " x ", b.columns());
  Matrix<Scalar, R, C2> product(a.rows(), b.columns());
  for (std::size_t i = 0; i < a.rows(); ++i)
    for (std::size_t k = 0; k < a.columns(); ++k)
      for (std::size_t j = 0; j < b.columns(); ++j) product(i, j) += a(i, k) * b(k, j);
  return product;
}

/// A^T, columns x rows.
template <class Scalar, std::size_t R, std::size_t C>
Matrix<Scalar, C, R> transpose(const Matrix<Scalar, R, C>& a) {
  Matrix<Scalar, C, R> result(a.columns(), a.rows());
  for (std::size_t i = 0; i < a.rows(); ++i)
    for (std::size_t j = 0; j < a.columns(); ++j) result(j, i) = a(i, j);
  return result;
}

/// The n x n identity.
template <class Scalar, std::size_t N = dynamic>
Matrix<Scalar, N, N> identity(std::size_t n = N == dynamic ? 0 : N) {
  Matrix<Scalar, N, N> result(n, n);
  for (std::size_t i = 0; i < n; ++i) result(i, i) = static_cast<Scalar>(1);
  return result;
}

/// Sum of the diagonal. Error when the matrix is not square.
template <class Scalar, std::size_t R, std::size_t C>
requires(Agree<R, C>) Scalar trace(const Matrix<Scalar, R, C>& a) {
  detail::check_square(a, "trace");
  Scalar sum{};
  for (std::size_t i = 0; i < a.rows(); ++i) sum += a(i, i);
  return sum;
}

/// (A + A^T) / 2, symmetric to the last bit; a symmetric A comes back as it is.
template <class Scalar, std::size_t R, std::size_t C>
requires(Agree<R, C>) Matrix<Scalar, R, C> symmetric(Matrix<Scalar, R, C> a) {
  detail::check_square(a, "the symmetric part");
  for (std::size_t i = 0; i < a.rows(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (!(a(i, j) == a(j, i))) a(i, j) = a(j, i) = (a(i, j) + a(j, i)) / static_cast<Scalar>(2);
  return a;
}

}  // namespace fedval::linalg
