// Clients whose true contributions are known, seen through noisy sensors: what an error bar and a trust are
// judged by. Used by examples/error_bars.cc and its test.
//
//   truth   shares that walk at random, step deviation sqrt(Q), and sum to one
//   sensor  share + deviation * (common error + own error), at any scale; or nothing but noise
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "fedval/contribution/spectral_fuse.hpp"
#include "fedval/random/philox.hpp"
#include "fedval/statistics/correlation.hpp"

namespace simulated {

struct Sensor {
  double deviation = 0.03;  // of its error about a share
  double signal = 1;        // 1: sees the truth; 0: sees nothing, -1: sees the opposite
  double persistence = 0;   // of its error from round to round, in [0, 1)
};

struct Study {
  int clients = 8, rounds = 60, settle = 10;  // rounds before anything is measured
  double step = 0.01;                         // of the truth, a round: sqrt(Q)
  double absent = 0;                          // share of clients away in a round
  double common = 0;                          // share of the sensors' error variance that they have in common
  double smoothing = 0;                       // of the sensors before they are fused, mu
  std::array<Sensor, 2> sensors{};
};

struct Outcome {
  double coverage = 0;  // share of 90 % intervals that hold the truth
  double width = 0;     // mean half width of the interval
  double error = 0;     // root mean square error of the fused share
  double spearman = 0;  // mean rank correlation of fused shares and truth
};

/// One world: its truth and what the sensors say, the same for every filter that is tried in it.
class World {
 public:
  World(const Study& study, std::uint64_t seed) : study_(study), stream_(seed) {
    const auto n = static_cast<std::size_t>(study.clients);
    for (std::size_t i = 0; i < n; ++i) truth_.push_back(1 + 0.5 * (stream_.uniform() - 0.5));
    normalise(truth_);
    for (auto& error : errors_) error.assign(n, 0.0);
  }

  const std::vector<double>& truth() const { return truth_; }
  bool is_present(std::size_t client) const { return present_[client]; }
  /// Readings of the clients present, in their order.
  const std::vector<double>& reading(std::size_t sensor) const { return readings_[sensor]; }

  void advance() {
    const std::size_t n = truth_.size();
    std::vector<double> step(n);
    double mean = 0;
    for (double& s : step) mean += (s = study_.step * stream_.normal()) / static_cast<double>(n);
    for (std::size_t i = 0; i < n; ++i) truth_[i] += step[i] - mean;
    present_.clear();
    for (std::size_t i = 0; i < n; ++i) present_.push_back(stream_.uniform() >= study_.absent);
    for (auto& reading : readings_) reading.clear();
    for (std::size_t i = 0; i < n; ++i) {
      const double shared = stream_.normal();
      for (std::size_t m = 0; m < 2; ++m) {
        const Sensor& sensor = study_.sensors[m];
        const double fresh =
            std::sqrt(study_.common) * shared + std::sqrt(1 - study_.common) * stream_.normal();
        errors_[m][i] = sensor.persistence * errors_[m][i] +
                        std::sqrt(1 - sensor.persistence * sensor.persistence) * fresh;
        // 3 and 7: sensors have no common scale.
        const double even = 1 / static_cast<double>(n);
        const double value = even + sensor.signal * (truth_[i] - even) + sensor.deviation * errors_[m][i];
        if (present_[i]) readings_[m].push_back((m == 0 ? 3 : 7) * std::max(0.0, value));
      }
    }
  }

 private:
  static void normalise(std::vector<double>& values) {
    double sum = 0;
    for (const double value : values) sum += value;
    for (double& value : values) value /= sum;
  }

  Study study_;
  fedval::random::Stream stream_;
  std::vector<double> truth_;
  std::vector<bool> present_;
  std::array<std::vector<double>, 2> errors_, readings_;
};

/// The released code's filter.
inline fedval::kalman::FusionBankOptions reference() {
  return fedval::SpectralFuse::Options::reference().fusion;
}

/// Follows `worlds` worlds with one kind of filter.
inline Outcome follow(const Study& study, const fedval::kalman::FusionBankOptions& options,
                      std::uint64_t seed, int worlds) {
  using fedval::kalman::MixedTrack;
  Outcome outcome;
  double intervals = 0, rounds = 0;
  for (int w = 0; w < worlds; ++w) {
    World world(study, seed + static_cast<std::uint64_t>(w));
    fedval::kalman::FusionBank<2> fusion(options);
    const auto n = static_cast<std::size_t>(study.clients);
    std::vector<MixedTrack> tracks(n, fusion.newcomer({}, 1 / static_cast<double>(n)));
    std::array<std::vector<double>, 2> smooth{std::vector<double>(n, -1.0), std::vector<double>(n, -1.0)};
    for (int t = 0; t < study.rounds; ++t) {
      world.advance();
      std::vector<MixedTrack*> present, away;
      for (std::size_t i = 0; i < n; ++i) (world.is_present(i) ? present : away).push_back(&tracks[i]);
      std::array<std::vector<double>, 2> readings{world.reading(0), world.reading(1)};
      for (std::size_t m = 0; m < 2; ++m)
        for (std::size_t k = 0; k < present.size(); ++k) {
          double& s = smooth[m][static_cast<std::size_t>(present[k] - tracks.data())];
          readings[m][k] = s =
              s < 0 ? readings[m][k] : study.smoothing * s + (1 - study.smoothing) * readings[m][k];
        }
      fusion.round(present, away, {readings[0], readings[1]});
      if (t < study.settle) continue;
      std::vector<double> fused;
      for (std::size_t i = 0; i < n; ++i) {
        const double error = tracks[i].x - world.truth()[i];
        const double half = 1.6448536269514722 * std::sqrt(tracks[i].variance);  // 90 % of a Gaussian
        outcome.coverage += std::abs(error) <= half;
        outcome.width += half;
        outcome.error += error * error;
        ++intervals;
        fused.push_back(tracks[i].x);
      }
      outcome.spearman += fedval::statistics::spearman(fused, world.truth()).value_or(0);
      ++rounds;
    }
  }
  outcome.coverage /= intervals;
  outcome.width /= intervals;
  outcome.error = std::sqrt(outcome.error / intervals);
  outcome.spearman /= rounds;
  return outcome;
}

}  // namespace simulated
