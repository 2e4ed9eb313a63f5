// What each agent earns in training-time gradient rewards (the `paper` mode).
//
//   1. r <- alpha r + (1 - alpha) psi      importance, smoothed over rounds
//   2. r <- max(r, 0),  r <- r / sum r     (all r <= 0: uniform, and the result says so)
//   3. rho_i = tanh(beta r_i) / max_j tanh(beta r_j),   q_i = floor(D rho_i)
//   4. agent i downloads the q_i largest entries of the aggregate u_N
//
// beta sets how strict the market is: large beta gives everyone everything, small beta pays in proportion to
// r. r_i >= r_j implies ||u_N - v_i|| <= ||u_N - v_j|| (Theorem 2). Source: Xu et al., "Gradient-Driven
// Rewards to Guarantee Fairness in Collaborative Machine Learning", NeurIPS 2021, sections 3.2 and 4.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "fedval/error.hpp"

namespace fedval::reward {

struct Importance {
  std::vector<double> values;  ///< sum to one
  bool uniform = false;        ///< nobody had a positive importance, so everyone got the same
};

namespace detail {

inline void check_finite(std::span<const double> values, const char* name) {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i])) fail("reward: ", name, "[", i, "] is ", values[i]);
}

}  // namespace detail

/// Scales non-negative parts to sum to one (step 2). O(N). Error when a value is not finite.
inline Importance normalise_importance(std::vector<double> r) {
  detail::check_finite(r, "r");
  double sum = 0;
  for (double& value : r) sum += value = std::max(value, 0.0);
  const bool uniform = !(sum > 0);
  for (double& value : r) value = uniform ? 1.0 / static_cast<double>(r.size()) : value / sum;
  return {std::move(r), uniform};
}

/// Step 1: alpha r + (1 - alpha) psi, agent by agent. O(N). Error when lengths differ, a value is not finite
/// or alpha is outside [0, 1].
inline std::vector<double> smooth_importance(std::span<const double> r, std::span<const double> psi,
                                             double alpha) {
  if (r.size() != psi.size()) fail("importance: ", r.size(), " agents, but ", psi.size(), " values");
  if (!(alpha >= 0 && alpha <= 1)) fail("importance: alpha is ", alpha, ", must be in [0, 1]");
  detail::check_finite(r, "r");
  detail::check_finite(psi, "psi");
  std::vector<double> smoothed(r.size());
  for (std::size_t i = 0; i < r.size(); ++i) smoothed[i] = alpha * r[i] + (1 - alpha) * psi[i];
  return smoothed;
}

/// Steps 1 and 2. O(N). Errors as for smooth_importance.
inline Importance update_importance(std::span<const double> r, std::span<const double> psi, double alpha) {
  return normalise_importance(smooth_importance(r, psi, alpha));
}

/// rho of step 3, in [0, 1]; the most important agent has 1. All r = 0: all 1. O(N). Error unless beta > 0
/// and everything is finite.
inline std::vector<double> reward_ratios(std::span<const double> r, double beta) {
  if (!(beta > 0 && std::isfinite(beta))) fail("reward: beta is ", beta, ", must be finite and above 0");
  detail::check_finite(r, "r");
  std::vector<double> rho(r.size());
  double largest = 0;
  for (std::size_t i = 0; i < r.size(); ++i)
    largest = std::max(largest, rho[i] = std::tanh(beta * std::max(r[i], 0.0)));
  for (double& value : rho) value = largest > 0 ? value / largest : 1.0;
  return rho;
}

/// q of step 3: how many of D entries each agent downloads. O(N).
inline std::vector<std::size_t> reward_quotas(std::span<const double> r, double beta, std::size_t dimension) {
  std::vector<std::size_t> quotas;
  for (const double rho : reward_ratios(r, beta))
    quotas.push_back(
        std::min(dimension, static_cast<std::size_t>(std::floor(static_cast<double>(dimension) * rho))));
  return quotas;
}

}  // namespace fedval::reward
