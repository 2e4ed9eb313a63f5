// CGSV with training-time gradient rewards, `paper` mode: each agent downloads as much of the aggregate as
// its importance has earned.
//
//   w_server <- w_server + u_N;   w_i <- w_i + (the q_i largest entries of u_N), the agent's own step rolled
//   back
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
  /// The importance r of each agent.
  std::vector<double> credit() const override;

 private:
  CosineGradientShapley score_;
  double beta_;
  std::size_t rounds_ = 0;
};

}  // namespace fedval::harness
