// ShapFed: a client's contribution is the mean cosine, class by class, of its final layer's update with the
// weighted aggregate, smoothed; it weighs the aggregate, and says how much of it the client receives.
//
//   gamma_i <- mu gamma_i + (1 - mu) mean_c cos(v_{i,c}, vbar_c)     vbar with last round's weights
//   weights  w_i = gamma_i / sum_{j in round} gamma_j     negative gamma: 0, and the result says so
//   client i receives  theta_i <- (1 - s_i) theta_i + s_i theta,     s_i = gamma_i / max_j gamma_j
//
// A client's first cosine starts gamma. Needs final_weight of every client, and final_bias where there is
// one. The released code weighs the aggregate with gamma of any sign; a negative weight would train away from
// everyone, so it is 0 here. Source: Tastan et al., "Redefining Contributions: Shapley-Driven Federated
// Learning", IJCAI 2024, section 4 and algorithm 1.
#pragma once

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "fedval/contribution/class_alignment.hpp"
#include "fedval/reward/gradient_reward.hpp"
#include "fedval/tensor/operations.hpp"

namespace fedval {

class ShapFed {
 public:
  static constexpr std::string_view name = "ShapFed";

  struct Options {
    double momentum = 0.9;  ///< mu, in [0, 1)
  };

  /// Weights of an aggregate; they sum to one.
  struct Weights {
    /// One for each client of the round, in the order of the ids; in [0, 1].
    std::vector<double> values;
    std::size_t clamped = 0;  ///< clients whose gamma was negative: their weight is 0
    bool uniform = false;     ///< no gamma was positive, so everyone weighs the same
  };

  ShapFed() : ShapFed(Options{}) {}
  explicit ShapFed(const Options& options) : options_(options) { check_momentum(options.momentum, name); }

  /// gamma_i of the round's clients. O(N C d). Errors as for class_cosines().
  Scores observe(const Round& round) {
    const std::vector<std::vector<double>> cosines = class_cosines(round, last_weights(round), name);
    for (std::size_t i = 0; i < round.size(); ++i) {
      const auto known = tracks_.find(round.clients()[i].id);
      if (known != tracks_.end() && known->second.size() != cosines[i].size())
        fail("client ", known->first, ": final_weight has ", cosines[i].size(), " classes, had ",
             known->second.size(), " in an earlier round");
    }
    std::vector<double> gamma;
    for (std::size_t i = 0; i < round.size(); ++i) {
      // Smoothed class by class; the mean of the smoothed cosines is the smoothed mean.
      const auto [place, started] = tracks_.try_emplace(round.clients()[i].id, cosines[i]);
      std::vector<double>& track = place->second;
      for (std::size_t c = 0; c < track.size() && !started; ++c)
        track[c] = options_.momentum * track[c] + (1 - options_.momentum) * cosines[i][c];
      gamma.push_back(alignment(track, true));
    }
    return make_scores(round, gamma);
  }

  /// gamma class by class of every client known: what a client contributes to each class. O(1).
  const std::map<ClientId, std::vector<double>>& classes() const { return tracks_; }

  /// Weights with which to average the models of the round's clients, in their order. O(N C).
  Weights weights(const Round& round) const {
    Weights result;
    std::vector<double> gamma = gamma_of(round);
    result.clamped =
        static_cast<std::size_t>(std::count_if(gamma.begin(), gamma.end(), [](double g) { return g < 0; }));
    reward::Importance importance = reward::normalise_importance(std::move(gamma));
    result.values = std::move(importance.values);
    result.uniform = importance.uniform;
    return result;
  }

  /// s_i of the round's clients, in [0, 1]: what share of the aggregate each receives. No gamma positive: all
  /// 1. O(N C).
  std::vector<double> shares(const Round& round) const {
    std::vector<double> gamma = gamma_of(round);
    const double best = gamma.empty() ? 0 : *std::max_element(gamma.begin(), gamma.end());
    for (double& value : gamma) value = best > 0 ? std::max(value, 0.0) / best : 1.0;
    return gamma;
  }

  /// theta_i <- (1 - share) theta_i + share theta. O(D). Error when sizes differ or the share is not in [0,
  /// 1].
  static void personalise(double share, const TensorView& theta, const MutableTensorView& theta_i) {
    if (!(share >= 0 && share <= 1)) fail("ShapFed: share is ", share, ", must be in [0, 1]");
    combine({&share, 1}, {&theta, 1}, 1 - share, theta_i);
  }

  /// Its options and state, for save() and restore().
  void fields(auto& archive) {
    archive.option("momentum", options_.momentum);
    archive.state("classes", tracks_);
  }

 private:
  /// The weights the round's clients come with: newcomers have the mean of those known.
  std::vector<double> last_weights(const Round& round) const {
    double mean = 0;
    for (const auto& [id, track] : tracks_) mean += std::max(alignment(track, true), 0.0);
    mean = tracks_.empty() ? 1 : mean / static_cast<double>(tracks_.size());
    std::vector<double> values;
    for (const auto& client : round.clients()) {
      const auto known = tracks_.find(client.id);
      values.push_back(known == tracks_.end() ? mean : alignment(known->second, true));
    }
    return reward::normalise_importance(std::move(values)).values;
  }

  std::vector<double> gamma_of(const Round& round) const {
    std::vector<double> gamma;
    for (const auto& client : round.clients()) {
      const auto known = tracks_.find(client.id);
      if (known == tracks_.end()) fail("client ", client.id, ": ShapFed has not observed it yet");
      gamma.push_back(alignment(known->second, true));
    }
    return gamma;
  }

  Options options_;
  std::map<ClientId, std::vector<double>> tracks_;  // cosines by class, smoothed
};

}  // namespace fedval
