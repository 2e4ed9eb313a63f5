// Averaging with SpectralFed's weights: the spectral entropy of each agent's final-layer update, smoothed.
#pragma once

#include "fedval/contribution/spectral_fed.hpp"
#include "harness/federation/method.hpp"

namespace fedval::harness {

class SpectralFedAveraging : public Method {
 public:
  explicit SpectralFedAveraging(const SpectralFed::Options& options) : score_(options) {}

  void step(const Round& round, Models& models) override;
  std::vector<double> credit() const override { return states_; }

 private:
  SpectralFed score_;
  std::vector<double> states_;
  std::size_t rounds_ = 0;
};

}  // namespace fedval::harness
