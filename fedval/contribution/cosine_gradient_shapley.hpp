// CGSV: a client's contribution is the cosine of its update with the aggregate, smoothed into an importance r
// that weighs the next aggregate and sets what the client earns.
//
//   u_i = Gamma dw_i / ||dw_i||,   u_N = sum_i r_i u_i,   psi_i = cos(u_i, u_N),   r as in
//   reward/gradient_reward.hpp
//
// In the first round r is 0, and the aggregate weighs everyone 1/N. Needs update of every client.
// Source: Xu et al., "Gradient-Driven Rewards to Guarantee Fairness in Collaborative Machine Learning",
// NeurIPS 2021, algorithm 1.
#pragma once

#include <map>
#include <string_view>
#include <vector>

#include "fedval/contribution/client_states.hpp"
#include "fedval/contribution/round.hpp"
#include "fedval/reward/gradient_reward.hpp"
#include "fedval/shapley/cosine_gradient.hpp"
#include "fedval/tensor/operations.hpp"

namespace fedval {

class CosineGradientShapley {
 public:
  static constexpr std::string_view name = "CGSV";

  struct Options {
    double gamma = 0.5;   ///< Gamma, the norm every upload is rescaled to
    double alpha = 0.95;  ///< share of the old importance that a round keeps, in [0, 1)
  };

  CosineGradientShapley() : CosineGradientShapley(Options{}) {}
  explicit CosineGradientShapley(const Options& options) : options_(options) {
    if (!(options.gamma > 0)) fail("CGSV: gamma is ", options.gamma, ", must be above 0");
    if (!(options.alpha >= 0 && options.alpha < 1))
      fail("CGSV: alpha is ", options.alpha, ", must be in [0, 1)");
  }

  /// psi_i of the round's clients. O(N^2 D). Error names the client whose update is absent, of another size
  /// than the others', or not finite.
  Scores observe(const Round& round) {
    const Round::Parts updates = round.parts(&ClientParts::update, "update", name);
    const Gram products = gram(updates.tensors, updates.names);
    const std::vector<double> weights = weigh(round);
    const std::vector<double> psi = shapley::cosine_gradient(products, weights);

    coefficients_.resize(round.size());
    for (std::size_t i = 0; i < round.size(); ++i) {
      const double length = products.norm(i);
      coefficients_[i] = length > 0 ? weights[i] * options_.gamma / length : 0.0;
    }
    learn(round, psi);
    return make_scores(round, psi);
  }

  /// r_i of every client known so far; sums to one.
  const std::map<ClientId, double>& importance() const { return importance_; }

  /// Whether the last round left nobody a positive importance, so that r is uniform.
  bool uniform() const { return uniform_; }

  /// out = u_N of the round observed last: rescaled uploads, weighted by the importance they came with. O(N
  /// D). Error when another round is given.
  void aggregate(const Round& round, const MutableTensorView& out) const {
    if (round.size() != coefficients_.size())
      fail("CGSV: aggregate() of ", round.size(), " clients, but observe() last saw ", coefficients_.size());
    combine(coefficients_, round.parts(&ClientParts::update, "update", name).tensors, 0.0, out);
  }

 private:
  std::vector<double> weigh(const Round& round) const {
    std::vector<double> weights;
    for (const auto& client : round.clients()) {
      const auto known = importance_.find(client.id);
      weights.push_back(known == importance_.end() ? 0.0 : known->second);
    }
    return reward::normalise_importance(std::move(weights)).values;
  }

  // Clients that are away keep their r up to the common factor that makes all sum to one; newcomers start at
  // 0.
  void learn(const Round& round, const std::vector<double>& psi) {
    if (round.size() == 0) return;
    for (std::size_t i = 0; i < round.size(); ++i) {
      double& r = importance_[round.clients()[i].id];
      r = options_.alpha * r + (1 - options_.alpha) * psi[i];
    }
    std::vector<double> values;
    for (const auto& [id, r] : importance_) values.push_back(r);
    const reward::Importance normalised = reward::normalise_importance(std::move(values));
    uniform_ = normalised.uniform;
    std::size_t next = 0;
    for (auto& [id, r] : importance_) r = normalised.values[next++];
  }

  Options options_;
  std::map<ClientId, double> importance_;
  std::vector<double> coefficients_;  // of the updates observed last, in u_N
  bool uniform_ = false;
};

static_assert(ContributionScore<CosineGradientShapley>);

}  // namespace fedval
