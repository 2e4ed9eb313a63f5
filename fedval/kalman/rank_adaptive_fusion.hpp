// Rank-adaptive fusion: one number a client, followed through the rounds from M sensors, each trusted as far
// as its order of the clients is.
//
//   x_i random walk:  x- = x,  P- = P + Q
//   z_m = reading_m / (sum reading_m + guard), times sum x- of the round's clients
//         = x + noise,  m = 1..M
//   noise `trust`     R = diag(clip(kappa (1 - r_m) + R_min, R_min, R_max)),  K optimal for R
//   noise `residual`  R^ as in kalman/residual_noise.hpp,  K >= 0 optimal for D R^ D,
//                     D_m^2 = ((kappa (1 - r_m) + R_min) / min_l (the same))^power, R_max at most
//   x+ = x- + K (z - x-),   P+ = Joseph's form for K and the noise (R or R^)
//
// x+ is a convex combination of x- and the sensors: where errors are so alike that the optimal K is negative,
// that sensor is left out. With `residual` trust moves the gain only, from one sensor to another, and P+
// stays the variance of x+: an error bar. It covers noise that is new every round, with Q near the truth's
// own; a bias that stays cannot be seen. "Rank" is the clients' order, not that of a matrix. Source:
// arXiv:2604.22562, section 3 (SpectralFuse), which has `trust`; `residual` is this project's: an R of kappa
// (1 - r) alone says nothing about the size of an error, and one of R^ kappa (1 - r) makes a trusted pair of
// sensors jump.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "fedval/kalman/filter.hpp"
#include "fedval/kalman/fusion_options.hpp"
#include "fedval/kalman/rank_trust.hpp"
#include "fedval/kalman/residual_noise.hpp"

namespace fedval::kalman {

template <std::size_t Sensors = 2>
class RankAdaptiveFusion {
 public:
  /// Each sensor's values of the round's clients; empty where it saw nothing.
  using Readings = typename RankTrust<Sensors>::Readings;
  /// K, a weight for each sensor.
  using Gain = linalg::Matrix<double, 1, Sensors>;

  RankAdaptiveFusion() : RankAdaptiveFusion(FusionOptions{}) {}
  /// With these settings; Error where one is out of range.
  explicit RankAdaptiveFusion(const FusionOptions& options) : options_(options) {
    const auto check = [](bool good, const char* option, double value, const char* must) {
      if (!good) fail("fusion: ", option, " is ", value, ", must be ", must);
    };
    const auto& o = options;
    const auto finite = [](double low, double value) { return value >= low && std::isfinite(value); };
    check(finite(0, o.process_noise), "process_noise", o.process_noise, "at least 0");
    check(finite(0, o.guard), "guard", o.guard, "at least 0");
    check(o.beta > 0 && o.beta <= 1, "beta", o.beta, "in (0, 1]");
    check(finite(0, o.kappa), "kappa", o.kappa, "at least 0");
    check(finite(0, o.least_noise) && o.least_noise > 0, "least_noise", o.least_noise, "above 0");
    check(finite(o.least_noise, o.most_noise), "most_noise", o.most_noise, "at least least_noise");
    check(finite(0, o.power), "power", o.power, "at least 0");
    check(finite(0, o.initial_variance), "initial_variance", o.initial_variance, "at least 0");
    check(o.memory > 0 && o.memory < 1, "memory", o.memory, "in (0, 1)");
    check(o.order_momentum >= 0 && o.order_momentum < 1, "order_momentum", o.order_momentum, "in [0, 1)");
  }

  /// A round passes: every client known drifts (P <- P + Q), and those who took part are observed. `readings`
  /// has each sensor's values of them, at any scale and in their order; none is a sensor that saw nothing.
  /// O(N log N). Error when lengths differ or a reading is negative or not finite; nothing has changed then.
  void round(std::span<Track* const> present, std::span<Track* const> away, const Readings& readings) {
    check(present.size(), readings);
    for (Track* track : present) track->variance += options_.process_noise;
    double away_variance = 0;
    for (Track* track : away) away_variance += track->variance += options_.process_noise;
    last_log_likelihood_ = last_nis_ = 0;
    if (options_.scale_to_state && present.size() < 2) return;

    std::vector<Track> tracks;
    for (const Track* track : present) tracks.push_back(*track);
    std::array<std::vector<double>, Sensors> shares;
    Readings z;
    Seen seen{};
    for (std::size_t m = 0; m < Sensors; ++m) {
      z[m] = shares[m] = shares_of(readings[m], tracks);
      seen[m] = !z[m].empty();
    }
    if (std::none_of(seen.begin(), seen.end(), [](bool s) { return s; })) return;
    learn_trust(tracks, z);
    if (options_.noise == Noise::trust) {
      fuse_by_trust(tracks, z, seen);
    } else {
      const double held = uncertainty_of_sum(tracks, options_.scale_to_state ? away_variance : 0.0);
      fuse_by_residual(tracks, z, seen);
      widen(tracks, held);
    }
    ++rounds_;
    for (std::size_t i = 0; i < tracks.size(); ++i) *present[i] = tracks[i];
  }

  /// r of every sensor.
  const std::array<double, Sensors>& trust() const { return trust_.values(); }
  /// R^ of `residual`; zero before the first round.
  const typename ResidualNoise<Sensors>::Covariance& noise() const { return noise_.covariance(); }
  /// The gain of the first client of the round fused last.
  const Gain& last_gain() const { return last_gain_; }
  /// Mean over clients and sensors of the normalised innovation squared in the round fused last: near 1 where
  /// Q and R describe the data, above where the states move more than Q allows.
  double last_nis() const { return last_nis_; }
  /// ln of the density that the filter gave to the round's readings before it saw them, with `residual`
  /// noise; nats. 0 where nothing was predicted.
  double last_log_likelihood() const { return last_log_likelihood_; }
  /// As they were given.
  const FusionOptions& options() const { return options_; }

  void fields(auto& archive) {
    archive.option("fusion", options_);
    archive.state("trust", trust_);
    archive.state("noise", noise_);
    archive.state("fused", rounds_);
    last_gain_ = {};
    last_nis_ = last_log_likelihood_ = 0;
  }

 private:
  using Belief = Filter<double, 1>;
  using Seen = std::array<bool, Sensors>;
  using Covariance = linalg::Matrix<double, Sensors, Sensors>;

  static constexpr double least_variance = 1e-8, most_variance = 1e6;  // of `trust`, as the source clips P+

  static void check(std::size_t clients, const Readings& readings) {
    for (std::size_t m = 0; m < Sensors; ++m) {
      if (!readings[m].empty() && readings[m].size() != clients)
        fail("fusion: sensor ", m, " has ", readings[m].size(), " readings of ", clients, " clients");
      for (std::size_t i = 0; i < readings[m].size(); ++i)
        if (!(readings[m][i] >= 0 && std::isfinite(readings[m][i])))
          fail("fusion: sensor ", m, "[", i, "] is ", readings[m][i], ", must be finite and at least 0");
    }
  }

  /// z of one sensor; nothing where there is nothing to share.
  std::vector<double> shares_of(std::span<const double> reading, std::span<const Track> tracks) const {
    double most = options_.guard, held = 1;
    for (const double value : reading) most = std::max(most, value);
    if (!(most > 0)) return {};
    // Shares do not see a power of two, beside which no sum overflows and no inverse does.
    const int exponent = std::ilogb(most);
    std::vector<double> z(reading.begin(), reading.end());
    double sum = std::ldexp(options_.guard, -exponent);
    for (double& value : z) sum += value = std::ldexp(value, -exponent);
    if (options_.scale_to_state) {
      held = 0;
      for (const Track& track : tracks) held += track.x;
    }
    for (double& value : z) value *= held / sum;
    return z;
  }

  void learn_trust(std::span<Track> tracks, const Readings& z) {
    std::vector<double> state, order;
    for (const Track& track : tracks) {
      state.push_back(track.x);
      order.push_back(track.order);
    }
    trust_.observe(options_.trust, options_.beta, z, state, order);
    remember_order(tracks, z);
  }

  static linalg::Matrix<double, Sensors, 1> ones() {
    linalg::Matrix<double, Sensors, 1> h;
    for (std::size_t m = 0; m < Sensors; ++m) h[m] = 1;
    return h;
  }

  /// Client i's readings; 0 for a sensor that saw nothing, which its mask hides.
  static linalg::Vector<double, Sensors> readings_of(const Readings& z, std::size_t i) {
    linalg::Vector<double, Sensors> result;
    for (std::size_t m = 0; m < Sensors; ++m) result[m] = z[m].empty() ? 0.0 : z[m][i];
    return result;
  }

  static Belief belief(const Track& track) { return Belief({track.x}, {track.variance}); }

  /// clip(kappa (1 - r) + R_min, R_min, R_max): a variance, or a factor on one.
  double distrust(std::size_t m) const {
    return std::clamp(options_.kappa * (1 - trust_.values()[m]) + options_.least_noise, options_.least_noise,
                      options_.most_noise);
  }

  void remember_order(std::span<Track> tracks, const Readings& z) const {
    std::vector<double> mean(tracks.size(), 0.0);
    double seen = 0;
    for (const auto& reading : z) {
      if (reading.empty()) continue;
      const std::vector<double> ranks = centred_ranks(reading);
      for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += ranks[i];
      ++seen;
    }
    const double mu = options_.order_momentum;
    for (std::size_t i = 0; i < tracks.size(); ++i)
      tracks[i].order = mu * tracks[i].order + (1 - mu) * mean[i] / seen;
  }

  void fuse_by_trust(std::span<Track> tracks, const Readings& z, const Seen& seen) {
    Covariance R;
    for (std::size_t m = 0; m < Sensors; ++m) R(m, m) = distrust(m);
    for (std::size_t i = 0; i < tracks.size(); ++i) {
      Belief filter = belief(tracks[i]);
      const auto update = filter.update(readings_of(z, i), ones(), R, seen);
      if (i == 0) last_gain_ = update.gain;
      last_nis_ += update.nis / static_cast<double>(update.observed * tracks.size());
      tracks[i].x = filter.state()[0];
      tracks[i].variance = std::clamp(filter.covariance()(0, 0), least_variance, most_variance);
    }
  }

  void fuse_by_residual(std::span<Track> tracks, const Readings& z, const Seen& seen) {
    const bool all_seen = std::all_of(seen.begin(), seen.end(), [](bool s) { return s; });
    const bool first = !noise_.started();
    if (first && all_seen) {
      std::vector<typename ResidualNoise<Sensors>::Residual> values(tracks.size());
      for (std::size_t i = 0; i < tracks.size(); ++i)
        for (std::size_t m = 0; m < Sensors; ++m) values[i][m] = z[m][i];
      noise_.start(values);
    }
    // Where nothing was fused before, the prior is no knowledge but a place to start from: the sensors' mean
    // takes its place. Without any estimate of the noise the mean is all there is, and how good it is
    // unknown.
    if (rounds_ == 0 || !noise_.started()) {
      start(tracks, z, seen);
      return;
    }
    const Covariance R = noise_.covariance();
    const Covariance trusted = distrusted(R);
    std::vector<typename ResidualNoise<Sensors>::Residual> residuals(tracks.size());
    std::vector<double> variances(tracks.size());
    for (std::size_t i = 0; i < tracks.size(); ++i) {
      const auto readings = readings_of(z, i);
      const double prior = tracks[i].variance;
      Belief optimal = belief(tracks[i]), filter = optimal;
      const Gain K = convex_gain(filter, trusted, seen, prior);
      if (i == 0) last_gain_ = K;
      filter.correct(K, readings, ones(), R);
      if (sum_of(R, prior) > 0) {
        const auto update = optimal.update(readings, ones(), ridged(R, prior), seen);
        last_nis_ += update.nis / static_cast<double>(update.observed * tracks.size());
        last_log_likelihood_ += update.log_likelihood;
      }
      for (std::size_t m = 0; m < Sensors; ++m) residuals[i][m] = readings[m] - optimal.state()[0];
      variances[i] = optimal.covariance()(0, 0);
      tracks[i].x = filter.state()[0];
      tracks[i].variance = filter.covariance()(0, 0);
    }
    if (all_seen && !first) noise_.observe(residuals, variances, options_.memory);
  }

  void start(std::span<Track> tracks, const Readings& z, const Seen& seen) {
    const auto count = static_cast<double>(std::count(seen.begin(), seen.end(), true));
    for (std::size_t m = 0; m < Sensors; ++m) last_gain_(0, m) = seen[m] ? 1 / count : 0.0;
    for (std::size_t i = 0; i < tracks.size(); ++i) {
      tracks[i].x = (last_gain_ * readings_of(z, i))(0, 0);
      tracks[i].variance = noise_.started() ? (last_gain_ * noise_.covariance() * transpose(last_gain_))(0, 0)
                                            : options_.initial_variance;
    }
  }

  /// Variance of the sum of the states here, knowing that it and the sum of those away make 1.
  static double uncertainty_of_sum(std::span<const Track> tracks, double away) {
    double here = 0;
    for (const Track& track : tracks) here += track.variance;
    return here > 0 && away > 0 ? here * away / (here + away) : 0.0;
  }

  /// A share of a sum is as uncertain as the sum, in proportion.
  static void widen(std::span<Track> tracks, double sum_variance) {
    double sum = 0;
    for (const Track& track : tracks) sum += track.x;
    for (Track& track : tracks)
      if (sum > 0) track.variance += (track.x / sum) * (track.x / sum) * sum_variance;
  }

  /// D R D.
  Covariance distrusted(Covariance R) const {
    std::array<double, Sensors> scale{};
    double least = distrust(0);
    for (std::size_t m = 1; m < Sensors; ++m) least = std::min(least, distrust(m));
    for (std::size_t m = 0; m < Sensors; ++m)
      scale[m] = std::sqrt(std::min(options_.most_noise, std::pow(distrust(m) / least, options_.power)));
    for (std::size_t m = 0; m < Sensors; ++m)
      for (std::size_t l = 0; l < Sensors; ++l) R(m, l) *= scale[m] * scale[l];
    return R;
  }

  static double sum_of(const Covariance& R, double variance) { return variance + linalg::trace(R); }

  /// Sensors that always agree have a singular R: enough is added to tell them apart.
  static Covariance ridged(Covariance R, double variance) {
    const double ridge = 1e-9 * sum_of(R, variance);
    for (std::size_t m = 0; m < Sensors; ++m) R(m, m) += ridge;
    return R;
  }

  /// The optimal gain among those that keep x+ between x- and the readings.
  static Gain convex_gain(const Belief& filter, const Covariance& R, Seen seen, double variance) {
    if (!(sum_of(R, variance) > 0)) return {};  // nothing is uncertain, so nothing is learned
    const Covariance safe = ridged(R, variance);
    for (;;) {
      const Gain K = filter.gain(ones(), safe, seen);
      std::size_t worst = 0;
      for (std::size_t m = 1; m < Sensors; ++m)
        if (K(0, m) < K(0, worst)) worst = m;
      if (!(K(0, worst) < 0)) return K;
      seen[worst] = false;
    }
  }

  FusionOptions options_;
  RankTrust<Sensors> trust_;
  ResidualNoise<Sensors> noise_;
  std::size_t rounds_ = 0;
  Gain last_gain_{};
  double last_nis_ = 0, last_log_likelihood_ = 0;
};

}  // namespace fedval::kalman
