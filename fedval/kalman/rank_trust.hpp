// How far each of M sensors is trusted, by the order into which it puts the clients.
//
//   r_m <- (1 - beta) r_m + beta rho_m
//   reference  rho_m = Spearman(z_m, x-)                          against the fused state
//   cross      rho_m = mean of Spearman(z_m, z_l), l != m, and Spearman(z_m, f)
//
// The fused state is made of the sensors, so a sensor that sways it agrees with it, and is trusted more: two
// opposed sensors end with one believed and one refused, by the width of their values or by the noise of the
// start. `cross` asks instead what no trust has touched: the other sensors, and f, the sensors' mean ranks
// averaged over the rounds before, in which every sensor has the same say whatever its width. A sensor
// without a stable order has rho near 0 on both counts; a consistently opposed one cannot be told from its
// opponent, and both are refused alike.
//
// Spearman's correlation takes average ranks on ties, and is 0 for a constant vector. Source:
// arXiv:2604.22562, section 3 (SpectralFuse); `cross` is this project's.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "fedval/statistics/correlation.hpp"

namespace fedval::kalman {

/// What a sensor's order of the clients is held against.
enum class Trust {
  reference,  ///< that of the fused state
  cross       ///< those of the other sensors, and the sensors' mean ranks in earlier rounds
};

/// Ranks as shares of their range: (rank - (n + 1)/2) / n, within (-1/2, 1/2) and of mean 0, whatever the
/// number of clients. Opposite ranks are opposite to the last bit.
inline std::vector<double> centred_ranks(std::span<const double> values) {
  std::vector<double> ranks = statistics::ranks(values);
  const auto n = static_cast<double>(values.size());
  for (double& rank : ranks) rank = (rank - (n + 1) / 2) / n;
  return ranks;
}

template <std::size_t Sensors = 2>
class RankTrust {
 public:
  /// Nothing where a sensor saw nothing.
  using Readings = std::array<std::span<const double>, Sensors>;

  /// Takes in a round: every sensor's reading and the orders to hold it against, one entry a client. A sensor
  /// that saw nothing keeps its trust. O(Sensors^2 N log N). Error, and nothing changed, when lengths differ
  /// or a value is not finite.
  void observe(Trust trust, double beta, const Readings& z, std::span<const double> state,
               std::span<const double> independent) {
    std::array<double, Sensors> after = r_;
    for (std::size_t m = 0; m < Sensors; ++m) {
      if (z[m].empty()) continue;
      double sum = 0;
      std::size_t witnesses = 0;
      const auto hear = [&](std::span<const double> other) {
        if (const auto rho = statistics::spearman(z[m], other)) {
          sum += *rho;
          ++witnesses;
        }
      };
      if (trust == Trust::reference) {
        hear(state);
      } else {
        hear(independent);
        for (std::size_t l = 0; l < Sensors; ++l)
          if (l != m && !z[l].empty()) hear(z[l]);
      }
      const double rho = witnesses == 0 ? 0 : sum / static_cast<double>(witnesses);
      after[m] = (1 - beta) * r_[m] + beta * rho;
    }
    r_ = after;
  }

  /// r, in [-1, 1]; 0 before the first round.
  const std::array<double, Sensors>& values() const { return r_; }

  void fields(auto& archive) { archive.state("r", r_); }

 private:
  std::array<double, Sensors> r_{};
};

}  // namespace fedval::kalman
