// Averaging with SpectralFed's weights: the spectral entropy of each agent's final-layer update, smoothed.
#pragma once

#include "fedval/contribution/spectral_fed.hpp"
#include "harness/federation/method.hpp"

namespace fedval::harness {

class SpectralFedAveraging : public Method {
 public:
  explicit SpectralFedAveraging(const SpectralFed::Options& options) : score_(options) {}

  void step(const Round& round, Models& models) override;
  std::vector<double> weights() const override { return weights_; }
  /// The state s of each agent.
  std::map<ClientId, double> credit() const override { return score_.states(); }
  std::string save() const override { return fedval::save(score_); }
  void restore(std::string_view text) override { fedval::restore(text, score_); }

 private:
  SpectralFed score_;
  std::vector<double> weights_;
};

}  // namespace fedval::harness
