// Kalman filter: the belief N(x, P) about a state that moves and is observed, both linearly, with Gaussian
// noise.
//
//   predict   x- = F x + B u               P- = F P F^T + Q
//   update    y = z - H x-                 S = H P- H^T + R            K = P- H^T S^-1
//             x+ = x- + K y                P+ = (I - K H) P- (I - K H)^T + K R K^T
//
// P+ is Joseph's form: the covariance of x+ for every gain K, not only for the optimal one, and a sum of two
// squares, which stays positive definite where (I - K H) P- does not. P is symmetric to the last bit. Precise
// observations of a vague state cost digits: with H P- H^T / R = 1e12 a double keeps three or four of P+.
// Sources: Kalman, "A new approach to linear filtering and prediction problems", J. Basic Eng. 82, 1960; Bucy
// and Joseph, Filtering for Stochastic Processes with Applications to Guidance, 1968;
// Bar-Shalom, Li, Kirubarajan, Estimation with Applications to Tracking and Navigation, 2001, sections 5.2
// and 5.4.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "fedval/kalman/observation.hpp"

namespace fedval::kalman {

/// What an update saw. Entries, rows and columns of missing observations are zero.
template <class Scalar, std::size_t M, std::size_t States>
struct Update {
  Vector<Scalar, M> innovation;                ///< y = z - H x-
  Matrix<Scalar, M, M> innovation_covariance;  ///< S = H P- H^T + R
  Matrix<Scalar, States, M> gain;              ///< K
  Scalar log_likelihood{};                     ///< ln N(y; 0, S), nats; summed over time: of all observations
  Scalar nis{};                                ///< y^T S^-1 y, chi-square with `observed` degrees of freedom
  std::size_t observed = 0;                    ///< how many observations were there
};

namespace detail {

/// ln 2 pi to twice the digits of a double, for scalars that have them.
template <class Scalar>
Scalar log_two_pi() {
  return static_cast<Scalar>(0x1.d67f1c864beb5p+0) + static_cast<Scalar>(-0x1.65b5a1b7ff5dfp-54);
}

/// The update by the observations kept, told in terms of all m.
template <class Scalar, std::size_t M, std::size_t States>
Update<Scalar, M, States> spread(const Update<Scalar, M, States>& part, const Kept<M>& kept, std::size_t m,
                                 std::size_t n) {
  Update<Scalar, M, States> whole{Vector<Scalar, M>(m, 1),
                                  Matrix<Scalar, M, M>(m, m),
                                  Matrix<Scalar, States, M>(n, m),
                                  part.log_likelihood,
                                  part.nis,
                                  part.observed};
  for (std::size_t k = 0; k < kept.count; ++k) {
    const std::size_t i = kept.index[k];
    whole.innovation[i] = part.innovation[k];
    for (std::size_t l = 0; l < kept.count; ++l)
      whole.innovation_covariance(i, kept.index[l]) = part.innovation_covariance(k, l);
    for (std::size_t j = 0; j < n; ++j) whole.gain(j, i) = part.gain(j, k);
  }
  return whole;
}

}  // namespace detail

/// The belief N(x, P). The number of states n and of observations M are fixed or dynamic; nothing is
/// allocated where they are fixed. An Error leaves the belief as it was; it names a size that does not fit,
/// an entry that is not finite, a P, Q or R that is not symmetric to rounding or has a negative variance, and
/// an S that is not positive definite. P, Q and R must be positive semidefinite, which is not checked
/// further.
template <class Scalar = double, std::size_t States = dynamic>
class Filter {
 public:
  /// x, n x 1.
  using State = Vector<Scalar, States>;
  /// P, and F and Q like it: n x n.
  using Covariance = Matrix<Scalar, States, States>;

  /// The belief before anything is seen, or one read from another filter, which it continues exactly.
  Filter(State x, Covariance P) {
    detail::check_finite(x, "x");
    detail::check_covariance(P, x.rows(), "P");
    x_ = std::move(x);
    P_ = linalg::symmetric(std::move(P));
  }

  /// n, the number of states.
  std::size_t states() const { return x_.rows(); }
  /// x, the belief's mean.
  const State& state() const { return x_; }
  /// P.
  const Covariance& covariance() const { return P_; }

  /// The state moves: x = F x + w, w ~ N(0, Q), all n x n. O(n^3).
  void predict(const Covariance& F, const Covariance& Q) {
    detail::check_motion(F, Q, states());
    set(F * x_, symmetric(F * P_ * transpose(F) + Q));
  }

  /// Random walk: F = I. O(n^2).
  void predict(const Covariance& Q) {
    detail::check_covariance(Q, states(), "Q");
    set(x_, symmetric(P_ + Q));
  }

  /// With a known input: x = F x + B u + w; B is n x controls.
  template <std::size_t Controls = dynamic>
  void predict(const Covariance& F, const Covariance& Q, const Matrix<Scalar, States, Controls>& B,
               const Vector<Scalar, Controls>& u) {
    detail::check_motion(F, Q, states());
    detail::check_shape(B, states(), u.rows(), "B");
    detail::check_finite(B, "B");
    detail::check_finite(u, "u");
    set(F * x_ + B * u, symmetric(F * P_ * transpose(F) + Q));
  }

  /// Learns from z = H x + v, v ~ N(0, R): z of M entries, H M x n, R M x M. O(n^3 + M^3).
  template <std::size_t M = dynamic>
  Update<Scalar, M, States> update(const Vector<Scalar, M>& z, const Matrix<Scalar, M, States>& H,
                                   const Matrix<Scalar, M, M>& R) {
    detail::check_observation(z, H, R, detail::all(z), states());
    return learn(z, H, R, z.rows());
  }

  /// The same where `observed` says which entries of z are there. Of the others nothing is read, neither in z
  /// nor in their rows of H and R; where all are missing nothing changes.
  template <std::size_t M = dynamic, ObservationMask Mask = std::vector<bool>>
  Update<Scalar, M, States> update(const Vector<Scalar, M>& z, const Matrix<Scalar, M, States>& H,
                                   const Matrix<Scalar, M, M>& R, const Mask& observed) {
    const detail::Kept<M> kept = detail::kept(z, observed);
    detail::check_observation(z, H, R, kept, states());
    if (kept.count == 0) return detail::spread(Update<Scalar, M, States>(), kept, z.rows(), states());
    const auto part = detail::select(z, H, R, kept);
    return detail::spread(learn(part.z, part.H, part.R, kept.count), kept, z.rows(), states());
  }

  /// The optimal gain K = P H^T S^-1, n x M, for noise R. O(n^2 M + M^3).
  template <std::size_t M = dynamic>
  Matrix<Scalar, States, M> gain(const Matrix<Scalar, M, States>& H, const Matrix<Scalar, M, M>& R) const {
    const Vector<Scalar, M> z(H.rows(), 1);
    detail::check_observation(z, H, R, detail::all(z), states());
    return optimal_gain(H, factor(innovation_covariance(H, R)));
  }

  /// The same with zero columns for the observations that are missing.
  template <std::size_t M = dynamic, ObservationMask Mask = std::vector<bool>>
  Matrix<Scalar, States, M> gain(const Matrix<Scalar, M, States>& H, const Matrix<Scalar, M, M>& R,
                                 const Mask& observed) const {
    const Vector<Scalar, M> z(H.rows(), 1);
    const detail::Kept<M> kept = detail::kept(z, observed);
    detail::check_observation(z, H, R, kept, states());
    const auto part = detail::select(z, H, R, kept);
    Update<Scalar, M, States> update{part.z, part.R,
                                     optimal_gain(part.H, factor(innovation_covariance(part.H, part.R)))};
    return detail::spread(update, kept, z.rows(), states()).gain;
  }

  /// Learns by a gain of the caller's: x+ = x + K (z - H x), and the covariance that this x+ has when the
  /// noise is R, whatever K was made for. A zero column of K ignores its observation. O(n^3 + n M (n + M)).
  template <std::size_t M = dynamic>
  void correct(const Matrix<Scalar, States, M>& K, const Vector<Scalar, M>& z,
               const Matrix<Scalar, M, States>& H, const Matrix<Scalar, M, M>& R) {
    detail::check_observation(z, H, R, detail::all(z), states());
    detail::check_shape(K, states(), z.rows(), "K");
    detail::check_finite(K, "K");
    apply(K, Vector<Scalar, M>(z - H * x_), H, R);
  }

 private:
  template <std::size_t M>
  Matrix<Scalar, M, M> innovation_covariance(const Matrix<Scalar, M, States>& H,
                                             const Matrix<Scalar, M, M>& R) const {
    return symmetric(H * P_ * transpose(H) + R);
  }

  template <std::size_t M>
  static linalg::Cholesky<Scalar, M> factor(const Matrix<Scalar, M, M>& S) {
    detail::check_finite(S, "S");
    auto L = linalg::cholesky(S);
    if (!L) fail("the innovation covariance S = H P H^T + R is not positive definite");
    return *std::move(L);
  }

  template <std::size_t M>
  Matrix<Scalar, States, M> optimal_gain(const Matrix<Scalar, M, States>& H,
                                         const linalg::Cholesky<Scalar, M>& L) const {
    return transpose(L.solve(H * P_));
  }

  /// The update by M observations, of which the first `count` are there.
  template <std::size_t M>
  Update<Scalar, M, States> learn(const Vector<Scalar, M>& z, const Matrix<Scalar, M, States>& H,
                                  const Matrix<Scalar, M, M>& R, std::size_t count) {
    const Vector<Scalar, M> y = z - H * x_;
    const Matrix<Scalar, M, M> S = innovation_covariance(H, R);
    const auto L = factor(S);
    const Matrix<Scalar, States, M> K = optimal_gain(H, L);
    const Vector<Scalar, M> white = L.solve_lower(y);
    const Scalar nis = (transpose(white) * white)(0, 0);
    const Scalar constant = static_cast<Scalar>(static_cast<int>(count)) * detail::log_two_pi<Scalar>();
    apply(K, y, H, R);
    return {y, S, K, -(constant + L.log_determinant() + nis) / static_cast<Scalar>(2), nis, count};
  }

  template <std::size_t M>
  void apply(const Matrix<Scalar, States, M>& K, const Vector<Scalar, M>& y,
             const Matrix<Scalar, M, States>& H, const Matrix<Scalar, M, M>& R) {
    const Covariance I_KH = linalg::identity<Scalar, States>(states()) - K * H;
    set(x_ + K * y, symmetric(I_KH * P_ * transpose(I_KH) + K * R * transpose(K)));
  }

  void set(State x, Covariance P) {
    detail::check_finite(x, "x+");
    detail::check_finite(P, "P+");
    // Of a state known exactly, rounding may leave a variance below zero.
    for (std::size_t i = 0; i < P.rows(); ++i)
      if (P(i, i) < Scalar())
        for (std::size_t j = 0; j < P.rows(); ++j) P(i, j) = P(j, i) = Scalar();
    x_ = std::move(x);
    P_ = std::move(P);
  }

  State x_;
  Covariance P_;
};

}  // namespace fedval::kalman
