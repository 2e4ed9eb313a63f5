// Rank-adaptive fusion that learns how much the states move.
//
//   one fusion for each candidate Q_h;   ln w_h <- lambda ln w_h + ln p(readings | fusion h),  sum w_h = 1
//   x = sum_h w_h x_h,   P = sum_h w_h (P_h + (x_h - x)^2)
//
// Q is the one number of the filter that data must give: too large, and the state follows the noise; too
// small, and it lags and its error bar lies. Each candidate learns its own noise, so what is compared is how
// well each predicts the round to come. The mixture's variance holds the doubt about Q too. One candidate is
// that fusion itself. Source: Magill, "Optimal adaptive estimation of sampled stochastic processes", IEEE
// Trans. Automatic Control 10, 1965 (multiple-model adaptive estimation).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "fedval/kalman/rank_adaptive_fusion.hpp"

namespace fedval::kalman {

/// What the candidates share, where they differ, and how soon their past is forgotten.
struct FusionBankOptions {
  FusionOptions fusion = {};  ///< of every candidate; its process_noise is not read
  /// Q of each candidate: a state's step in a round has deviation sqrt(Q), of shares that sum to one.
  std::vector<double> process_noises = {1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3};
  double likelihood_memory = 0.95;  ///< lambda, in (0, 1]

  bool operator==(const FusionBankOptions&) const = default;
  void fields(auto& archive) {
    archive.state("fusion", fusion);
    archive.state("process_noises", process_noises);
    archive.state("likelihood_memory", likelihood_memory);
  }
};

/// What is known of one client.
struct MixedTrack {
  double x = 0;               ///< state
  double variance = 0;        ///< P
  std::vector<Track> models;  ///< the candidates' own

  void fields(auto& archive) {
    archive.state("x", x);
    archive.state("P", variance);
    archive.state("models", models);
  }
};

template <std::size_t Sensors = 2>
class FusionBank {
 public:
  /// Each sensor's values of the round's clients; empty where it saw nothing.
  using Readings = typename RankAdaptiveFusion<Sensors>::Readings;

  FusionBank() : FusionBank(FusionBankOptions{}) {}
  /// All candidates with the same weight. Error where an option is out of range.
  explicit FusionBank(FusionBankOptions options) : options_(std::move(options)) {
    if (options_.process_noises.empty()) fail("fusion: process_noises is empty");
    if (!(options_.likelihood_memory > 0 && options_.likelihood_memory <= 1))
      fail("fusion: likelihood_memory is ", options_.likelihood_memory, ", must be in (0, 1]");
    for (const double q : options_.process_noises) {
      FusionOptions fusion = options_.fusion;
      fusion.process_noise = q;
      models_.emplace_back(fusion);
    }
    log_weights_.assign(models_.size(), 0.0);
  }

  /// A client of which nothing is known: at the mean state of the `known` ones, or at `start` where there are
  /// none, with variance P_0. O(clients).
  MixedTrack newcomer(std::span<const MixedTrack* const> known, double start) const {
    double x = known.empty() ? start : 0;
    for (const MixedTrack* other : known) x += other->x / static_cast<double>(known.size());
    const double variance = options_.fusion.initial_variance;
    return {x, variance, std::vector<Track>(models_.size(), {x, variance})};
  }

  /// A round passes, as for RankAdaptiveFusion::round(). O(candidates N log N).
  void round(std::span<MixedTrack* const> present, std::span<MixedTrack* const> away,
             const Readings& readings) {
    bool predicted = false;
    for (std::size_t h = 0; h < models_.size(); ++h) {
      std::vector<Track*> here, gone;
      for (MixedTrack* track : present) here.push_back(&track->models[h]);
      for (MixedTrack* track : away) gone.push_back(&track->models[h]);
      models_[h].round(here, gone, readings);  // refuses all candidates' rounds or none's
      predicted = predicted || models_[h].last_log_likelihood() != 0;
    }
    for (std::size_t h = 0; h < models_.size() && predicted; ++h)
      log_weights_[h] = options_.likelihood_memory * log_weights_[h] + models_[h].last_log_likelihood();
    const std::vector<double> w = weights();
    for (MixedTrack* track : present) mix(*track, w);
    // Who is away keeps the state it was last told; time alone goes on.
    for (MixedTrack* track : away)
      for (std::size_t h = 0; h < w.size(); ++h) track->variance += w[h] * options_.process_noises[h];
  }

  /// w_h: how far each candidate's Q is believed. They sum to one.
  std::vector<double> weights() const {
    const double best = *std::max_element(log_weights_.begin(), log_weights_.end());
    std::vector<double> w;
    double sum = 0;
    for (const double log_weight : log_weights_) sum += w.emplace_back(std::exp(log_weight - best));
    for (double& value : w) value /= sum;
    return w;
  }

  /// The candidate believed most.
  const RankAdaptiveFusion<Sensors>& best() const {
    return models_[static_cast<std::size_t>(std::max_element(log_weights_.begin(), log_weights_.end()) -
                                            log_weights_.begin())];
  }
  /// As they were given.
  const FusionBankOptions& options() const { return options_; }

  void fields(auto& archive) {
    archive.option("filter_options", options_);
    for (auto& model : models_) archive.state("candidate", model);
    archive.state("log_weights", log_weights_);
    archive.check(log_weights_.size() == models_.size(), "not a weight a candidate");
  }

 private:
  static void mix(MixedTrack& track, std::span<const double> w) {
    track.x = track.variance = 0;
    for (std::size_t h = 0; h < w.size(); ++h) track.x += w[h] * track.models[h].x;
    for (std::size_t h = 0; h < w.size(); ++h) {
      const double apart = track.models[h].x - track.x;
      track.variance += w[h] * (track.models[h].variance + apart * apart);
    }
  }

  FusionBankOptions options_;
  std::vector<RankAdaptiveFusion<Sensors>> models_;
  std::vector<double> log_weights_;
};

}  // namespace fedval::kalman
