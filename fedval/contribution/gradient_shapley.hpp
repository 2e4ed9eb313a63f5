// A client's contribution is its cosine gradient Shapley value in this round, exact or certified.
//
//   u_i = dw_i / ||dw_i||,   v(S) = cos(sum_{i in S} u_i, sum_i u_i)
//   phi_i the Shapley value of v,   sum_i phi_i = 1
//
// Needs update of every client; keeps nothing from round to round. CosineGradientShapley's psi approximates
// it. Source: Xu et al., "Gradient-Driven Rewards to Guarantee Fairness in Collaborative Machine Learning",
// NeurIPS 2021, section 3.1.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fedval/contribution/round.hpp"
#include "fedval/contribution/state.hpp"
#include "fedval/shapley/cosine_shapley.hpp"

namespace fedval {

class GradientShapley {
 public:
  static constexpr std::string_view name = "CGSV phi";
  /// Up to how many clients it is exact, and how close sampling comes beyond.
  using Options = shapley::CosineShapleyOptions;

  GradientShapley() = default;
  /// With these settings, which observe() checks.
  explicit GradientShapley(const Options& options) : options_(options) {}

  /// phi_i of the round's clients; the variance is 0 where they are exact. O(N^2 D), then as
  /// shapley::cosine_shapley(). Error names the client whose update is absent, of another size than the
  /// others', or not finite.
  Scores observe(const Round& round) {
    if (round.size() == 0) return {};
    const Round::Parts updates = round.parts(&ClientParts::update, "update", name);
    last_ = shapley::cosine_shapley(gram(updates.tensors, updates.names), {}, options_);
    Scores scores;
    for (std::size_t i = 0; i < round.size(); ++i) {
      const shapley::Estimate& found = last_.players[i];
      scores.emplace_back(round.clients()[i].id,
                          Score{found.value, found.standard_error * found.standard_error});
    }
    return scores;
  }

  /// Of the round observed last: intervals, which method was used and why, and psi where asked for.
  const shapley::CosineShapley& last() const { return last_; }

  void fields(auto& archive) {
    archive.option("similarity", options_.similarity);
    archive.option("exact up to", options_.exact_up_to);
    archive.option("epsilon", options_.epsilon);
    archive.option("delta", options_.delta);
    archive.option("seed", options_.seed);
    last_ = {};
  }

 private:
  Options options_{};
  shapley::CosineShapley last_;
};

}  // namespace fedval
