// The noise of M sensors and what their errors share, learned from what an optimal update leaves.
//
//   R_k = (1 - d_k) R_{k-1} + d_k mean_i (e_i e_i^T + P_i+ 1 1^T),   d_k = (1 - b) / (1 - b^(k+1))
//
// e_i = z_i - 1 x_i+ is client i's residual after an update with the optimal gain for R, of which E[e e^T] +
// P+ 1 1^T is the noise's covariance. Every term is positive semidefinite, so R is. Old rounds fade by b. The
// first estimate is the sensors' disagreement about a client, shared out evenly: nothing else is known then.
// Source: Sage and Husa, "Adaptive filtering with unknown prior statistics", JACC 1969; Mohamed and Schwarz,
// "Adaptive Kalman filtering for INS/GPS", J. Geodesy 73, 1999, section 4 (residual form).
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <span>

#include "fedval/error.hpp"
#include "fedval/linalg/matrix.hpp"

namespace fedval::kalman {

template <std::size_t Sensors = 2>
class ResidualNoise {
 public:
  /// R, a row and a column for each sensor.
  using Covariance = linalg::Matrix<double, Sensors, Sensors>;
  /// Of one client, a number for each sensor.
  using Residual = std::array<double, Sensors>;

  /// Whether there is an estimate.
  bool started() const { return rounds_ > 0; }
  /// R.
  const Covariance& covariance() const { return r_; }

  /// The first estimate: mean over clients of the variance of their sensors' readings around their own mean.
  /// O(N). Error when there is none, or one is not finite.
  void start(std::span<const Residual> readings) {
    static_assert(Sensors > 1, "one sensor cannot disagree");
    check(readings);
    double sum = 0;
    for (const Residual& z : readings) {
      double mean = 0;
      for (const double value : z) mean += value / static_cast<double>(Sensors);
      for (const double value : z) sum += (value - mean) * (value - mean);
    }
    const double variance = sum / static_cast<double>((Sensors - 1) * readings.size());
    r_ = variance * linalg::identity<double, Sensors>(Sensors);
    rounds_ = 1;
  }

  /// Takes in the residuals of a round's clients and the variances P+ that came with them. O(N). Error when
  /// there is none, one is not finite, or there are not as many variances.
  void observe(std::span<const Residual> residuals, std::span<const double> variances, double memory) {
    check(residuals);
    if (variances.size() != residuals.size())
      fail("residual noise: ", variances.size(), " variances for ", residuals.size(), " residuals");
    for (std::size_t i = 0; i < variances.size(); ++i)
      if (!std::isfinite(variances[i])) fail("residual noise: variance ", i, " is ", variances[i]);
    Covariance seen;
    for (std::size_t i = 0; i < residuals.size(); ++i)
      for (std::size_t m = 0; m < Sensors; ++m)
        for (std::size_t l = 0; l < Sensors; ++l)
          seen(m, l) += residuals[i][m] * residuals[i][l] + variances[i];
    const double d = (1 - memory) / (1 - std::pow(memory, static_cast<double>(rounds_ + 1)));
    r_ = (1 - d) * r_ + (d / static_cast<double>(residuals.size())) * seen;
    ++rounds_;
  }

  void fields(auto& archive) {
    std::array<double, Sensors * Sensors> entries{};
    for (std::size_t k = 0; k < entries.size(); ++k) entries[k] = r_(k / Sensors, k % Sensors);
    archive.state("R", entries);
    for (std::size_t m = 0; m < Sensors; ++m)
      for (std::size_t l = 0; l < Sensors; ++l) {
        const double both = entries[m * Sensors + l], mm = entries[m * (Sensors + 1)],
                     ll = entries[l * (Sensors + 1)];
        archive.check(mm >= 0 && both == entries[l * Sensors + m] &&
                          std::abs(both) <= (1 + 1e-9) * std::sqrt(mm) * std::sqrt(ll),
                      "no covariance");
      }
    for (std::size_t k = 0; k < entries.size(); ++k) r_(k / Sensors, k % Sensors) = entries[k];
    archive.state("rounds", rounds_);
  }

 private:
  static void check(std::span<const Residual> residuals) {
    if (residuals.empty()) fail("residual noise: of no client");
    for (std::size_t i = 0; i < residuals.size(); ++i)
      for (std::size_t m = 0; m < Sensors; ++m)
        if (!std::isfinite(residuals[i][m]))
          fail("residual noise: client ", i, "'s reading ", m, " is ", residuals[i][m]);
  }

  Covariance r_{};
  std::size_t rounds_ = 0;
};

}  // namespace fedval::kalman
