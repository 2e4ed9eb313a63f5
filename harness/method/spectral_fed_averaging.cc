#include "harness/method/spectral_fed_averaging.hpp"

#include "harness/method/averaging.hpp"

namespace fedval::harness {

void SpectralFedAveraging::step(const Round& round, Models& models) {
  ++rounds_;
  states_.clear();
  for (const auto& [id, score] : score_.observe(round)) states_.push_back(score.value);
  const reward::Importance weights = score_.weights(round);
  if (weights.uniform)
    notes.push_back("round " + std::to_string(rounds_) + ": all states were 0, weights are uniform");
  average(round, weights.values, models);
}

}  // namespace fedval::harness
