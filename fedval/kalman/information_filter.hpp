// Kalman filter in information form: Y = P^-1, y = Y x. Where the covariance form needs a first guess, this
// one starts from no knowledge at all, Y = 0, and what arrives from several sensors simply adds up.
//
//   update    Y+ = Y- + H^T R^-1 H               y+ = y- + H^T R^-1 z
//   predict   Y- = (F Y+^-1 F^T + Q)^-1          y- = Y- F Y+^-1 y+
//
// With Y+ = C C^T, y+ = C c, Q = D D^T and G = F^-T C a prediction is
//
//   Y- = G W G^T,   y- = G W c,   W = (I + B^T B)^-1,   B = D^T G
//
// which subtracts nothing and inverts neither Y nor Q: both may be singular. C and D are Cholesky factors
// with complete pivoting; I + B^T B is never formed, rotations take its factor from the rows of B. Sources:
// Anderson and Moore, Optimal Filtering, 1979, section 6.3; Higham, Accuracy and Stability of Numerical
// Algorithms, 2nd ed., section 10.3; Golub and Van Loan, Matrix Computations, 4th ed., section 6.5.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "fedval/kalman/filter.hpp"

namespace fedval::kalman {

namespace detail {

/// How many rounding errors an entry of Y may have been through since its rank was last settled.
inline constexpr std::size_t roundings = 8;

template <class Scalar, std::size_t N>
struct Root {
  Matrix<Scalar, N, N> C;
  Vector<Scalar, N> c;
  std::size_t rank;  ///< columns of C that are not zero
  bool whole;        ///< nothing negative is left of A
};

/// A = C C^T and b = C c of a positive semidefinite A and a b in its range. A column of C is zero where what
/// is left of A is rounding. O(n^3).
template <class Scalar, std::size_t N>
Root<Scalar, N> root(Matrix<Scalar, N, N> A, Vector<Scalar, N> b) {
  using std::sqrt;
  const std::size_t n = A.rows();
  Root<Scalar, N> root{Matrix<Scalar, N, N>(n, n), Vector<Scalar, N>(n, 1), 0, true};
  Vector<Scalar, N> given(n, 1);
  for (std::size_t i = 0; i < n; ++i) given[i] = A(i, i);
  const Scalar tolerance = linalg::detail::rounding<Scalar>(n * roundings);
  for (std::size_t k = 0; k < n; ++k) {
    // The pivot is the largest part of what was given, so that the scale of a state does not matter.
    std::size_t p = n;
    for (std::size_t i = 0; i < n; ++i)
      if (A(i, i) > tolerance * given[i] && (p == n || A(i, i) / given[i] > A(p, p) / given[p])) p = i;
    if (p == n) break;
    ++root.rank;
    const Scalar pivot = sqrt(A(p, p));
    for (std::size_t i = 0; i < n; ++i) root.C(i, k) = A(i, p) / pivot;
    root.c[k] = b[p] / pivot;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) A(i, j) -= root.C(i, k) * root.C(j, k);
      b[i] -= root.C(i, k) * root.c[k];
    }
    for (std::size_t i = 0; i < n; ++i) A(i, p) = A(p, i) = Scalar();  // what is left there is rounding
    b[p] = Scalar();
  }
  for (std::size_t i = 0; i < n; ++i) root.whole = root.whole && !(A(i, i) < -(tolerance * given[i]));
  return root;
}

/// The factor of I + B^T B: each row of B is rotated into the identity. O(n^3).
template <class Scalar, std::size_t N>
linalg::Cholesky<Scalar, N> factor_of_identity_plus_square(Matrix<Scalar, N, N> B) {
  using std::sqrt;
  const std::size_t n = B.rows();
  Matrix<Scalar, N, N> upper = linalg::identity<Scalar, N>(n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < n; ++k) {
      const Scalar length = sqrt(upper(k, k) * upper(k, k) + B(i, k) * B(i, k));
      const Scalar cosine = upper(k, k) / length, sine = B(i, k) / length;
      for (std::size_t j = k; j < n; ++j) {
        const Scalar before = upper(k, j);
        upper(k, j) = cosine * before + sine * B(i, j);
        B(i, j) = cosine * B(i, j) - sine * before;
      }
    }
  return linalg::Cholesky<Scalar, N>(std::move(upper));
}

}  // namespace detail

/// The belief N(Y^-1 y, Y^-1), which may be silent about some or all directions of the state. Sizes, errors
/// and what they leave behind are Filter's.
template <class Scalar = double, std::size_t States = dynamic>
class InformationFilter {
 public:
  /// x, and y like it: n x 1.
  using State = Vector<Scalar, States>;
  /// P, and Y, F and Q like it: n x n.
  using Covariance = Matrix<Scalar, States, States>;

  /// Nothing is known.
  InformationFilter() requires(States != dynamic) : InformationFilter(States) {}
  /// Nothing is known of that many states.
  explicit InformationFilter(std::size_t states) : Y_(states, states), y_(states, 1) {}

  /// From Y, positive semidefinite, and y in its range, as every sum of H^T R^-1 z is.
  InformationFilter(Covariance Y, State y) {
    detail::check_finite(y, "y");
    detail::check_covariance(Y, y.rows(), "Y");
    for (std::size_t i = 0; i < y.rows(); ++i)
      if (Y(i, i) == Scalar() && !(y[i] == Scalar()))
        fail("y[", i, "] is not zero where Y[", i, ", ", i, "], its information, is");
    Y_ = linalg::symmetric(std::move(Y));
    y_ = std::move(y);
  }

  /// The same belief as a covariance filter's. Error when its P is singular.
  explicit InformationFilter(const Filter<Scalar, States>& filter) {
    const auto L = linalg::cholesky(filter.covariance());
    if (!L) fail("P is singular: a state known exactly has no finite information");
    const Covariance white = L->solve_lower(linalg::identity<Scalar, States>(filter.states()));
    Y_ = symmetric(transpose(white) * white);
    y_ = L->solve(filter.state());
  }

  /// n, the number of states.
  std::size_t states() const { return y_.rows(); }
  /// Y = P^-1.
  const Covariance& information() const { return Y_; }
  /// y = P^-1 x.
  const State& information_vector() const { return y_; }
  /// x = Y^-1 y. Error when Y is singular: some direction of the state is unknown. O(n^3).
  State state() const { return factor().solve(y_); }
  /// P = Y^-1. Error as for state. O(n^3).
  Covariance covariance() const { return covariance(factor()); }
  /// The same belief as a covariance filter. Error as for state. O(n^3).
  Filter<Scalar, States> filter() const {
    const auto L = factor();
    return {L.solve(y_), covariance(L)};
  }

  /// The state moves: x = F x + w, w ~ N(0, Q). Q may be singular; Error when F is. O(n^3).
  void predict(const Covariance& F, const Covariance& Q) {
    detail::check_motion(F, Q, states());
    auto root = detail::root(Y_, y_);
    auto G = linalg::solve(transpose(F), std::move(root.C));
    if (!G) fail("F is singular: what the state was cannot be told from what it becomes");
    move(*G, root.c, Q);
  }

  /// Random walk: F = I. O(n^3).
  void predict(const Covariance& Q) {
    detail::check_covariance(Q, states(), "Q");
    const auto root = detail::root(Y_, y_);
    move(root.C, root.c, Q);
  }

  /// Learns from z = H x + v, v ~ N(0, R), R positive definite: z of M entries, H M x n, R M x M.
  /// O(M^3 + M^2 n + M n^2).
  template <std::size_t M = dynamic>
  void update(const Vector<Scalar, M>& z, const Matrix<Scalar, M, States>& H, const Matrix<Scalar, M, M>& R) {
    detail::check_observation(z, H, R, detail::all(z), states());
    add(z, H, R);
  }

  /// The same where `observed` says which entries of z are there, as for Filter.
  template <std::size_t M = dynamic, ObservationMask Mask = std::vector<bool>>
  void update(const Vector<Scalar, M>& z, const Matrix<Scalar, M, States>& H, const Matrix<Scalar, M, M>& R,
              const Mask& observed) {
    const detail::Kept<M> kept = detail::kept(z, observed);
    detail::check_observation(z, H, R, kept, states());
    if (kept.count == 0) return;
    const auto part = detail::select(z, H, R, kept);
    add(part.z, part.H, part.R);
  }

 private:
  linalg::Cholesky<Scalar, States> factor() const {
    auto L = linalg::cholesky(Y_);
    if (!L || detail::root(Y_, y_).rank < states())
      fail("the information Y is singular: some direction of the state is still unknown");
    return *std::move(L);
  }

  Covariance covariance(const linalg::Cholesky<Scalar, States>& L) const {
    const Covariance white = L.solve_lower(linalg::identity<Scalar, States>(states()));
    return symmetric(transpose(white) * white);
  }

  template <std::size_t M>
  void add(const Vector<Scalar, M>& z, const Matrix<Scalar, M, States>& H, const Matrix<Scalar, M, M>& R) {
    const auto L = linalg::cholesky(R);
    if (!L) fail("R is not positive definite");
    const Matrix<Scalar, M, States> white_H = L->solve_lower(H);
    const Vector<Scalar, M> white_z = L->solve_lower(z);
    set(symmetric(Y_ + transpose(white_H) * white_H), y_ + transpose(white_H) * white_z);
  }

  void move(const Covariance& G, const State& c, const Covariance& Q) {
    const auto root = detail::root(symmetric(Q), State(states(), 1));
    if (!root.whole) fail("Q is not positive semidefinite");
    const auto L = detail::factor_of_identity_plus_square(transpose(root.C) * G);  // W = L^-T L^-1
    const Covariance E = L.solve_lower(transpose(G));
    set(symmetric(transpose(E) * E), transpose(E) * L.solve_lower(c));
  }

  void set(Covariance Y, State y) {
    detail::check_finite(Y, "Y+");
    detail::check_finite(y, "y+");
    Y_ = std::move(Y);
    y_ = std::move(y);
  }

  Covariance Y_;
  State y_;
};

}  // namespace fedval::kalman
