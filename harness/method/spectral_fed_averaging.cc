#include "harness/method/spectral_fed_averaging.hpp"

#include "harness/method/averaging.hpp"

namespace fedval::harness {

void SpectralFedAveraging::step(const Round& round, Models& models) {
  score_.observe(round);
  reward::Importance weights = score_.weights(round);
  if (weights.uniform) note("all states were 0, weights are uniform");
  weights_ = std::move(weights.values);
  average(round, weights_, models);
}

}  // namespace fedval::harness
