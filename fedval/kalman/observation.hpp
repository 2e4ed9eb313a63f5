// What the filters ask of their input, and the dropping of observations that are missing.
//
//   z = H x + v,   v ~ N(0, R);   w ~ N(0, Q)
//
// A missing observation takes its row out of z and H, its row and column out of R, and nothing of them is
// read.
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <string>

#include "fedval/error.hpp"
#include "fedval/linalg/matrix.hpp"
#include "fedval/linalg/solve.hpp"

namespace fedval::kalman {

using linalg::dynamic;
using linalg::Matrix;
using linalg::Vector;

/// Which observations are there: anything with a size and entries that are true or false, such as
/// std::vector<bool>, std::bitset or std::span<const bool>.
template <class Mask>
concept ObservationMask = requires(const Mask& mask, std::size_t i) {
  { mask.size() } -> std::convertible_to<std::size_t>;
  { mask[i] } -> std::convertible_to<bool>;
};

namespace detail {

/// "H[0, 2]", or "z[1]" for a column.
template <class Scalar, std::size_t R, std::size_t C>
std::string entry(const Matrix<Scalar, R, C>&, const char* name, std::size_t i, std::size_t j) {
  std::string text = std::string(name) + "[" + std::to_string(i);
  if (C != 1) text += ", " + std::to_string(j);
  return text + "]";
}

/// Error "H[0, 2] is NaN" for the first entry that is not finite.
template <class Scalar, std::size_t R, std::size_t C>
void check_finite(const Matrix<Scalar, R, C>& a, const char* name, std::size_t i, std::size_t j) {
  const Scalar& value = a(i, j);
  if (value - value == Scalar()) return;
  fail(entry(a, name, i, j), " is ", !(value == value) ? "NaN" : value > Scalar() ? "infinite" : "-infinite");
}

template <class Scalar, std::size_t R, std::size_t C>
void check_finite(const Matrix<Scalar, R, C>& a, const char* name) {
  for (std::size_t i = 0; i < a.rows(); ++i)
    for (std::size_t j = 0; j < a.columns(); ++j) check_finite(a, name, i, j);
}

template <class Scalar, std::size_t R, std::size_t C>
void check_shape(const Matrix<Scalar, R, C>& a, std::size_t rows, std::size_t columns, const char* name) {
  if (a.rows() != rows || a.columns() != columns)
    fail(name, " is ", a.rows(), " x ", a.columns(), ", expected ", rows, " x ", columns);
}

/// Error unless entries (i, j) and (j, i), j <= i, are those of a covariance: finite, equal but for rounding,
/// and not negative on the diagonal. The diagonal entries of i and j must have been checked.
template <class Scalar, std::size_t R, std::size_t C>
void check_covariance(const Matrix<Scalar, R, C>& a, const char* name, std::size_t i, std::size_t j) {
  using std::sqrt;
  check_finite(a, name, i, j);
  if (i == j) {
    if (a(i, i) < Scalar()) fail(entry(a, name, i, i), ", a variance, is negative");
    return;
  }
  check_finite(a, name, j, i);
  const Scalar difference = linalg::detail::magnitude(static_cast<Scalar>(a(i, j) - a(j, i)));
  const Scalar tolerance = linalg::detail::rounding<Scalar>(8 * a.rows());
  if (difference > tolerance * (sqrt(a(i, i)) * sqrt(a(j, j))))
    fail(name, " is not symmetric: ", entry(a, name, j, i), " and ", entry(a, name, i, j), " differ");
}

template <class Scalar, std::size_t R, std::size_t C>
void check_covariance(const Matrix<Scalar, R, C>& a, std::size_t n, const char* name) {
  check_shape(a, n, n, name);
  for (std::size_t i = 0; i < n; ++i) check_covariance(a, name, i, i);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < i; ++j) check_covariance(a, name, i, j);
}

/// Error unless F moves a state of n entries and Q is a covariance of them.
template <class Scalar, std::size_t N>
void check_motion(const Matrix<Scalar, N, N>& F, const Matrix<Scalar, N, N>& Q, std::size_t n) {
  check_shape(F, n, n, "F");
  check_finite(F, "F");
  check_covariance(Q, n, "Q");
}

/// The observations that are there, in their order.
template <std::size_t M>
struct Kept {
  std::size_t count = 0;
  Vector<std::size_t, M> index;  ///< of the first `count`
};

template <class Scalar, std::size_t M, ObservationMask Mask>
Kept<M> kept(const Vector<Scalar, M>& z, const Mask& observed) {
  if (observed.size() != z.rows())
    fail("the mask has ", observed.size(), " entries for ", z.rows(), " observations");
  Kept<M> result{0, Vector<std::size_t, M>(z.rows(), 1)};
  for (std::size_t i = 0; i < z.rows(); ++i)
    if (observed[i]) result.index[result.count++] = i;
  return result;
}

template <class Scalar, std::size_t M>
Kept<M> all(const Vector<Scalar, M>& z) {
  Kept<M> result{z.rows(), Vector<std::size_t, M>(z.rows(), 1)};
  for (std::size_t i = 0; i < z.rows(); ++i) result.index[i] = i;
  return result;
}

/// Error unless z, H and R are those of M observations of n states; what is not kept is not read.
template <class Scalar, std::size_t M, std::size_t States>
void check_observation(const Vector<Scalar, M>& z, const Matrix<Scalar, M, States>& H,
                       const Matrix<Scalar, M, M>& R, const Kept<M>& kept, std::size_t n) {
  check_shape(H, z.rows(), n, "H");
  check_shape(R, z.rows(), z.rows(), "R");
  for (std::size_t k = 0; k < kept.count; ++k) {
    check_finite(z, "z", kept.index[k], 0);
    for (std::size_t j = 0; j < n; ++j) check_finite(H, "H", kept.index[k], j);
    check_covariance(R, "R", kept.index[k], kept.index[k]);
  }
  for (std::size_t k = 0; k < kept.count; ++k)
    for (std::size_t l = 0; l < k; ++l) check_covariance(R, "R", kept.index[k], kept.index[l]);
}

template <class Scalar, std::size_t M, std::size_t States>
struct Observation {
  Vector<Scalar, M> z;
  Matrix<Scalar, M, States> H;
  Matrix<Scalar, M, M> R;
};

/// What is kept, moved to the front. A fixed M stays: in the place of what is missing come rows of H that see
/// nothing, with unit noise of their own, which add 0 to every sum and 1 to every product.
template <class Scalar, std::size_t M, std::size_t States>
Observation<Scalar, M, States> select(const Vector<Scalar, M>& z, const Matrix<Scalar, M, States>& H,
                                      const Matrix<Scalar, M, M>& R, const Kept<M>& kept) {
  const std::size_t m = M == dynamic ? kept.count : M;
  Observation<Scalar, M, States> part{Vector<Scalar, M>(m, 1), Matrix<Scalar, M, States>(m, H.columns()),
                                      linalg::identity<Scalar, M>(m)};
  for (std::size_t k = 0; k < kept.count; ++k) {
    const std::size_t i = kept.index[k];
    part.z[k] = z[i];
    for (std::size_t j = 0; j < H.columns(); ++j) part.H(k, j) = H(i, j);
    for (std::size_t l = 0; l < kept.count; ++l) part.R(k, l) = R(i, kept.index[l]);
  }
  return part;
}

}  // namespace detail

}  // namespace fedval::kalman
