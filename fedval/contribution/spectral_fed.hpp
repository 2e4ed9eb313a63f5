// SpectralFed: a client's contribution is the spectral entropy of its final layer's update, smoothed over
// rounds.
//
//   s_i <- mu s_i + (1 - mu) H_i,   aggregation weights w_i = s_i / sum_{j in round} s_j
//
// Clients that are away keep s_i. Needs final_weight of every client.
// Source: Ukaye et al., arXiv:2604.22562, section 3 (SpectralFed).
#pragma once

#include <string_view>
#include <vector>

#include "fedval/contribution/client_states.hpp"
#include "fedval/contribution/round.hpp"
#include "fedval/reward/gradient_reward.hpp"
#include "fedval/spectral/entropy.hpp"

namespace fedval {

class SpectralFed {
 public:
  static constexpr std::string_view name = "SpectralFed";

  struct Options {
    double momentum = 0.9;  ///< mu, in [0, 1)
    spectral::EntropyOptions entropy = {};
  };

  SpectralFed() : SpectralFed(Options{}) {}
  explicit SpectralFed(const Options& options) : options_(options) {
    if (!(options.momentum >= 0 && options.momentum < 1))
      fail("SpectralFed: momentum is ", options.momentum, ", must be in [0, 1)");
  }

  /// s_i of the round's clients after the round. O(C d min(C, d)) a client. Error names the client whose
  /// final_weight is absent, not a matrix or not finite.
  Scores observe(const Round& round) {
    const Round::Parts weights = round.parts(&ClientParts::final_weight, "final_weight", name);
    const std::vector<double> entropy = spectral::entropies(weights.tensors, options_.entropy, weights.names);
    std::vector<double> state = states_.of(round);
    for (std::size_t i = 0; i < state.size(); ++i)
      state[i] = options_.momentum * state[i] + (1 - options_.momentum) * entropy[i];
    states_.set(round, state);
    return make_scores(round, state);
  }

  /// Weights with which to average the models of the round's clients, in their order, from the states as they
  /// are now; they sum to one. All states 0: uniform, and the result says so. O(N).
  reward::Importance weights(const Round& round) const {
    return reward::normalise_importance(states_.of(round));
  }

 private:
  Options options_;
  ClientStates states_;
};

static_assert(ContributionScore<SpectralFed>);

}  // namespace fedval
