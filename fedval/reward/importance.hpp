// The importance r of each agent: its valuations psi, smoothed over rounds and scaled to sum to one.
//
//   r <- alpha r + (1 - alpha) psi,   r <- max(r, floor),   r <- r / sum r
//
// floor = 0 in `paper` mode, where nobody of positive importance leaves everyone the same; 1e-3 in the
// authors' code, where everyone keeps some. Because r sums to one and psi does not, a round weighs in the new
// r with
//
//   (1 - alpha) sum psi / (alpha + (1 - alpha) sum psi)      (.21 for N = 10, psi = .5, alpha = .95)
//
// and not with 1 - alpha. Source: Xu et al., "Gradient-Driven Rewards to Guarantee Fairness in Collaborative
// Machine Learning", NeurIPS 2021, section 3.2; the authors' published code.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "fedval/error.hpp"

namespace fedval::reward {

/// The two published forms of the method, `paper` first, `authors_code` second. What differs:
///
/// - entries of a mask: floor(rho length); ceil(rho length), at most length - 1
///
/// - equal magnitudes: exactly k stay, by ascending index; all that equal the k-th stay
///
/// - mask: the whole vector; each tensor (an option of its own: Masking)
///
/// - floor of r: 0, and uniform where none is positive; 1e-3
///
/// - weights of a first round: 1/N; by data size
///
/// - upload: Gamma u / ||u||; Gamma u / (||u|| + 1e-7)
enum class Mode {
  paper,        ///< sections 3.2 and 4 of the source
  authors_code  ///< the authors' published code
};

struct Importance {
  std::vector<double> values;  ///< sum to one
  bool uniform = false;        ///< nobody had a positive importance, so everyone got the same
};

namespace detail {

inline void check_finite(std::span<const double> values, const char* name) {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i])) fail("reward: ", name, "[", i, "] is ", values[i]);
}

/// The power of two of the largest magnitude, 0 for magnitudes up to one: divided by it, values have sums
/// that do not overflow.
inline int excess(std::span<const double> values) {
  double largest = 1;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  return std::ilogb(largest);
}

inline void check_alpha(double alpha) {
  if (!(alpha >= 0 && alpha <= 1)) fail("importance: alpha is ", alpha, ", must be in [0, 1]");
}

}  // namespace detail

/// r raised to the mode's floor and scaled to sum to one. O(N). Error when a value is not finite.
inline Importance normalise_importance(std::vector<double> r, Mode mode = Mode::paper) {
  detail::check_finite(r, "r");
  const double floor = mode == Mode::paper ? 0.0 : 1e-3;
  for (double& value : r) value = std::max(value, floor);
  // Shares do not see a power of two, beside which no sum overflows.
  const int exponent = detail::excess(r);
  double sum = 0;
  for (double& value : r) sum += value = std::ldexp(value, -exponent);
  const bool uniform = !(sum > 0);
  for (double& value : r) value = uniform ? 1.0 / static_cast<double>(r.size()) : value / sum;
  return {std::move(r), uniform};
}

/// alpha r + (1 - alpha) psi, agent by agent. O(N). Error when lengths differ, a value is not finite or alpha
/// is outside [0, 1].
inline std::vector<double> smooth_importance(std::span<const double> r, std::span<const double> psi,
                                             double alpha) {
  if (r.size() != psi.size()) fail("importance: ", r.size(), " agents, but ", psi.size(), " values");
  detail::check_alpha(alpha);
  detail::check_finite(r, "r");
  detail::check_finite(psi, "psi");
  std::vector<double> smoothed(r.size());
  for (std::size_t i = 0; i < r.size(); ++i) smoothed[i] = alpha * r[i] + (1 - alpha) * psi[i];
  return smoothed;
}

/// The next round's importance. O(N). Errors as for smooth_importance.
inline Importance update_importance(std::span<const double> r, std::span<const double> psi, double alpha,
                                    Mode mode = Mode::paper) {
  return normalise_importance(smooth_importance(r, psi, alpha), mode);
}

/// The share of the new r that comes from psi, for r that sums to one and where no value meets the floor. 1
/// for alpha = 0, whatever psi is. O(N). Error when a value is not finite, alpha is outside [0, 1], or psi is
/// so negative that nothing is left to normalise.
inline double effective_weight(std::span<const double> psi, double alpha) {
  detail::check_alpha(alpha);
  detail::check_finite(psi, "psi");
  if (alpha == 0) return 1;
  const int exponent = detail::excess(psi);
  const double old = std::ldexp(alpha, -exponent);
  double fresh = 0;
  for (const double value : psi) fresh += (1 - alpha) * std::ldexp(value, -exponent);
  if (!(old + fresh > 0))
    fail("importance: psi sums to ", std::ldexp(fresh / (1 - alpha), exponent), ", r would not be positive");
  return fresh / (old + fresh);
}

}  // namespace fedval::reward
