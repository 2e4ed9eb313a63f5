// SpectralFuse: a client's contribution from two sensors, the spectral entropy of its final layer's update
// and its class-specific alignment, fused by a rank-adaptive Kalman filter, with an error bar.
//
//   a_i = H_i / sum_j H_j,  b_i = A_i / sum_j A_j      shares of the round, sensors smoothed by mu
//   a, b scaled by sum_j x_j-, so that a round of few clients is no larger or smaller than one of many
//   x_i, P_i by kalman/fusion_bank.hpp;  aggregation weights w_i = x_i / sum_{j in round} x_j
//
// The alignment is with the aggregate weighted by the states before the round. x_i is a share of all clients'
// contribution. A client that is away keeps x, and its P grows; a newcomer starts at the mean state of those
// known (1/n in the first round), its sensors at their first values, and nobody else is touched.
//
// Options::reference() is the released code's filter without its faults of bookkeeping: trust against its own
// state, noise from the trust alone, shares not scaled. Needs final_weight of every client, and final_bias
// where the layer has one. Source: Ukaye et al., arXiv:2604.22562, section 3 (SpectralFuse).
#pragma once

#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "fedval/contribution/class_alignment.hpp"
#include "fedval/contribution/client_states.hpp"
#include "fedval/contribution/round.hpp"
#include "fedval/contribution/state.hpp"
#include "fedval/kalman/fusion_bank.hpp"
#include "fedval/reward/gradient_reward.hpp"
#include "fedval/spectral/entropy.hpp"

namespace fedval {

class SpectralFuse {
 public:
  static constexpr std::string_view name = "SpectralFuse";

  struct Options {
    double momentum = 0;  ///< mu of both sensors, in [0, 1); the filter smooths, and error bars need noise
                          ///< that is new every round
    /// Which entropy H, the first sensor, is.
    spectral::EntropyOptions entropy = {};
    /// Of the filter that fuses the two sensors.
    kalman::FusionBankOptions fusion = {};

    /// The released code's filter.
    static Options reference() {
      return {.momentum = 0.9,
              .entropy = {.normaliser = spectral::Normaliser::log_rank, .epsilon = 1e-10},
              .fusion = {.fusion = {.trust = kalman::Trust::reference,
                                    .noise = kalman::Noise::trust,
                                    .guard = 1e-6,
                                    .scale_to_state = false},
                         .process_noises = {1e-4}}};
    }
  };

  SpectralFuse() : SpectralFuse(Options{}) {}
  explicit SpectralFuse(const Options& options) : options_(options), fusion_(options.fusion) {
    check_momentum(options.momentum, name);
  }

  /// x_i of the round's clients with its variance P_i. O(N C d min(C, d)). Error names the client whose part
  /// is absent, of another shape or not finite.
  Scores observe(const Round& round) {
    if (round.size() == 0) return {};
    const Round::Parts weights = round.parts(&ClientParts::final_weight, "final_weight", name);
    std::vector<double> entropy = spectral::entropies(weights.tensors, options_.entropy, weights.names);
    std::vector<double> alignments;
    for (const auto& cosines : class_cosines(round, states_of(round), name))
      alignments.push_back(alignment(cosines));

    SpectralFuse next = *this;  // a round is taken in as a whole or not at all
    Scores scores = next.take(round, std::move(entropy), std::move(alignments));
    *this = std::move(next);
    return scores;
  }

  /// x and P of every client known so far, those away included. O(clients known).
  Scores all() const {
    Scores scores;
    for (const auto& [id, track] : tracks_) scores.emplace_back(id, Score{track.x, track.variance});
    return scores;
  }

  /// Weights with which to average the models of the round's clients, in their order, from the states as they
  /// are now; they sum to one. All states 0: uniform, and the result says so. O(N).
  reward::Importance weights(const Round& round) const {
    return reward::normalise_importance(states_of(round));
  }

  /// The filter: trust, noise and consistency of the sensors, entropy first, alignment second.
  const kalman::FusionBank<2>& fusion() const { return fusion_; }

  /// Its options and state, for save() and restore().
  void fields(auto& archive) {
    archive.option("momentum", options_.momentum);
    archive.option("entropy", options_.entropy);
    archive.state("filter", fusion_);
    archive.state("entropies", entropy_);
    archive.state("alignments", alignment_);
    archive.state("tracks", tracks_);
    for (const auto& [id, track] : tracks_)
      archive.check(track.variance >= 0 && track.models.size() == options_.fusion.process_noises.size(),
                    "not a track of this filter");
  }

 private:
  Scores take(const Round& round, std::vector<double> entropy, std::vector<double> alignments) {
    entropy = entropy_.take(round, std::move(entropy), options_.momentum);
    alignments = alignment_.take(round, std::move(alignments), options_.momentum);
    const kalman::MixedTrack newcomer = newcomer_of(round);
    std::vector<kalman::MixedTrack*> present, away;
    for (const auto& client : round.clients())
      present.push_back(&tracks_.try_emplace(client.id, newcomer).first->second);
    for (auto& [id, track] : tracks_)
      if (!round.has(id)) away.push_back(&track);
    fusion_.round(present, away, {entropy, alignments});

    Scores scores;
    for (std::size_t i = 0; i < round.size(); ++i)
      scores.emplace_back(round.clients()[i].id, Score{present[i]->x, present[i]->variance});
    return scores;
  }

  kalman::MixedTrack newcomer_of(const Round& round) const {
    std::vector<const kalman::MixedTrack*> known;
    for (const auto& [id, track] : tracks_) known.push_back(&track);
    return fusion_.newcomer(known, 1 / static_cast<double>(round.size()));
  }

  /// x of the round's clients, in their order; newcomers' at their start.
  std::vector<double> states_of(const Round& round) const {
    const double newcomer = round.size() == 0 ? 0 : newcomer_of(round).x;
    std::vector<double> states;
    for (const auto& client : round.clients()) {
      const auto known = tracks_.find(client.id);
      states.push_back(known == tracks_.end() ? newcomer : known->second.x);
    }
    return states;
  }

  Options options_;
  kalman::FusionBank<2> fusion_;
  ClientAverages entropy_, alignment_;
  std::map<ClientId, kalman::MixedTrack> tracks_;
};

}  // namespace fedval
