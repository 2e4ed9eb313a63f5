// How much of the aggregate each agent has earned: the altruistic degree beta between "by contribution" and
// "the same for all".
//
//   rho_i = tanh(beta r_i) / max_j tanh(beta r_j),   q_i = floor(D rho_i)
//
// beta -> 0 gives rho_i = r_i / max_j r_j; beta -> infinity gives everyone with r_i > 0 everything.
// Source: Xu et al., "Gradient-Driven Rewards to Guarantee Fairness in Collaborative Machine Learning",
// NeurIPS 2021, section 4.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/reward/importance.hpp"

namespace fedval::reward {

/// rho, in [0, 1]; the most important agent has 1, negative r count as 0. All r = 0: all 1. beta = 0 and beta
/// = infinity stand for the limits. r_i >= r_j implies rho_i >= rho_j, to the last bit. O(N log N). Error
/// unless beta >= 0 and r is finite.
inline std::vector<double> reward_ratios(std::span<const double> r, double beta) {
  if (!(beta >= 0)) fail("reward: beta is ", beta, ", must be 0 or above");
  detail::check_finite(r, "r");
  const double largest = r.empty() ? 0.0 : std::max(0.0, *std::max_element(r.begin(), r.end()));
  if (largest == 0) return std::vector<double>(r.size(), 1.0);
  // tanh(x) / x is within x^2 / 3 of 1. Without beta in it, the ratio keeps its digits where beta r cannot.
  const bool linear = beta * largest < 0x1p-28;
  const double unit = linear ? largest : std::tanh(beta * largest);
  std::vector<std::size_t> order(r.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return r[a] < r[b]; });
  std::vector<double> rho(r.size(), 0.0);
  double before = 0;  // a library's tanh need not be monotone to the last bit
  for (const std::size_t i : order)
    if (r[i] > 0) before = rho[i] = std::clamp((linear ? r[i] : std::tanh(beta * r[i])) / unit, before, 1.0);
  return rho;
}

/// How many of `length` entries an agent keeps. O(1). Error unless rho is in [0, 1], and when the authors'
/// code fails, that is for a single entry.
inline std::size_t quota(std::size_t length, double rho, Mode mode = Mode::paper) {
  if (!(rho >= 0 && rho <= 1)) fail("reward: rho is ", rho, ", must be in [0, 1]");
  const double entries = static_cast<double>(length) * rho;
  if (mode == Mode::paper) return std::min(length, static_cast<std::size_t>(std::floor(entries)));
  if (length == 0 || rho == 0) return 0;
  if (length == 1) fail("a single entry, of which the authors' code cannot keep one");
  return std::min(length - 1, static_cast<std::size_t>(std::ceil(entries)));
}

/// q: how many of D entries each agent downloads. O(N log N).
inline std::vector<std::size_t> reward_quotas(std::span<const double> r, double beta, std::size_t dimension,
                                              Mode mode = Mode::paper) {
  std::vector<std::size_t> quotas;
  for (const double rho : reward_ratios(r, beta)) quotas.push_back(quota(dimension, rho, mode));
  return quotas;
}

}  // namespace fedval::reward
