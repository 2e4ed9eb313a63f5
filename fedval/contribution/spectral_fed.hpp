// SpectralFed: a client's contribution is the spectral entropy of its final layer's update, smoothed over
// rounds.
//
//   s_i <- mu s_i + (1 - mu) H_i,   aggregation weights w_i = s_i / sum_{j in round} s_j
//
// H_i may be replaced by exp(alpha H_i), which pays a difference in entropy more.
//
// Clients that are away keep s_i. Needs final_weight of every client.
// Source: Ukaye et al., arXiv:2604.22562, section 3 (SpectralFed).
#pragma once

#include <cmath>
#include <string_view>
#include <vector>

#include "fedval/contribution/client_states.hpp"
#include "fedval/contribution/round.hpp"
#include "fedval/contribution/state.hpp"
#include "fedval/reward/gradient_reward.hpp"
#include "fedval/spectral/entropy.hpp"

namespace fedval {

class SpectralFed {
 public:
  static constexpr std::string_view name = "SpectralFed";

  struct Options {
    double momentum = 0.9;  ///< mu, in [0, 1)
    double alpha = 0;       ///< above 0: exp(alpha H) instead of H; the paper's figure is 1
    /// Which entropy H is.
    spectral::EntropyOptions entropy = {};
  };

  SpectralFed() : SpectralFed(Options{}) {}
  explicit SpectralFed(const Options& options) : options_(options) {
    check_momentum(options.momentum, name);
    if (!(options.alpha >= 0 && std::isfinite(options.alpha)))
      fail("SpectralFed: alpha is ", options.alpha, ", must be finite and at least 0");
  }

  /// s_i of the round's clients after the round. O(C d min(C, d)) a client. Error names the client whose
  /// final_weight is absent, not a matrix or not finite.
  Scores observe(const Round& round) {
    const Round::Parts weights = round.parts(&ClientParts::final_weight, "final_weight", name);
    std::vector<double> entropy = spectral::entropies(weights.tensors, options_.entropy, weights.names);
    if (options_.alpha > 0)
      for (double& value : entropy) value = std::exp(options_.alpha * value);
    std::vector<double> state = states_.of(round);
    for (std::size_t i = 0; i < state.size(); ++i)
      state[i] = options_.momentum * state[i] + (1 - options_.momentum) * entropy[i];
    states_.set(round, state);
    return make_scores(round, state);
  }

  /// s_i of every client known so far.
  const std::map<ClientId, double>& states() const { return states_.all(); }

  /// Weights with which to average the models of the round's clients, in their order, from the states as they
  /// are now; they sum to one. All states 0: uniform, and the result says so. O(N).
  reward::Importance weights(const Round& round) const {
    return reward::normalise_importance(states_.of(round));
  }

  /// Its options and state, for save() and restore().
  void fields(auto& archive) {
    archive.option("momentum", options_.momentum);
    archive.option("alpha", options_.alpha);
    archive.option("entropy", options_.entropy);
    archive.state("clients", states_);
  }

 private:
  Options options_;
  ClientStates states_;
};

}  // namespace fedval
