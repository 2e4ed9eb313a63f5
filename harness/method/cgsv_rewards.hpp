// CGSV with training-time gradient rewards, `paper` mode: each agent downloads as much of the aggregate as
// its importance has earned.
//
//   w_server <- w_server + u_N;   w_i <- w_i + (the q_i largest entries of u_N), the agent's own step rolled
//   back; an agent that was away keeps its model
//
// Source: Xu et al., "Gradient-Driven Rewards to Guarantee Fairness in Collaborative Machine Learning",
// NeurIPS 2021, algorithm 1.
#pragma once

#include "fedval/contribution/cosine_gradient_shapley.hpp"
#include "harness/federation/method.hpp"

namespace fedval::harness {

class CgsvRewards : public Method {
 public:
  CgsvRewards(const CosineGradientShapley::Options& options, double beta) : score_(options), beta_(beta) {}

  void step(const Round& round, Models& models) override;
  /// The importance that the round's clients came with, scaled to sum to one: the weights of the aggregate.
  std::vector<double> weights() const override { return weights_; }
  /// The importance r of each agent.
  std::map<ClientId, double> credit() const override { return score_.importance(); }
  std::string save() const override { return fedval::save(score_); }
  void restore(std::string_view text) override { fedval::restore(text, score_); }

 private:
  CosineGradientShapley score_;
  double beta_;
  std::vector<double> weights_;
};

}  // namespace fedval::harness
