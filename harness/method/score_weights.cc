#include "harness/method/score_weights.hpp"

#include <cmath>

#include "fedval/reward/importance.hpp"

namespace fedval::harness {

ScoreWeights score_weights(const Scores& scores, std::string_view what) {
  std::vector<double> values;
  std::string negative;
  for (const auto& [id, score] : scores) {
    if (!std::isfinite(score.value))
      fail("client ", id, ": ", what, " is ", score.value, ", cannot be a weight");
    if (score.value < 0) negative += (negative.empty() ? "client " : ", client ") + id.text();
    values.push_back(score.value > least_score ? score.value : 0.0);
  }
  reward::Importance importance = reward::normalise_importance(std::move(values));
  ScoreWeights weights{std::move(importance.values), {}};
  if (!negative.empty()) weights.notes.push_back(negative + ": negative " + std::string(what) + ", weighs 0");
  if (importance.uniform && !scores.empty())
    weights.notes.push_back("no " + std::string(what) + " was above 1e-9, weights are uniform");
  return weights;
}

}  // namespace fedval::harness
