// Medians and gates among clients that do not all count the same.
//
//   upper weighted median   the largest x_i such that the values from it upwards hold half of all the weight
//   gate                    clip(x_i / (tau median x), 0, 1)^power     (median 0: gate 1)
//
// With equal weights these are the upper median and the gates of contribution/innovation.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <vector>

#include "fedval/contribution/innovation.hpp"

namespace fedval {

/// The upper weighted median of x, for weights above 0; 0 of nothing. Shares that miss one half by rounding,
/// as those of three thirds do, reach it. O(N log N). Error when counts differ, an x_i is not finite, a
/// weight not finite and above 0, or their sum beyond a double.
inline double upper_median(std::span<const double> x, std::span<const double> weights) {
  if (x.size() != weights.size())
    fail("upper_median: ", weights.size(), " weights for ", x.size(), " values");
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i])) fail("upper_median: entry ", i, " is ", x[i]);
    if (!(weights[i] > 0 && std::isfinite(weights[i])))
      fail("upper_median: weight ", i, " is ", weights[i], ", must be finite and above 0");
  }
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return x[i] > x[j]; });
  const double half = std::accumulate(weights.begin(), weights.end(), 0.0) * (0.5 - 1e-9);
  if (!std::isfinite(half)) fail("upper_median: the weights' sum is beyond a double");
  double above = 0;
  for (const std::size_t i : order) {
    above += weights[i];
    if (above >= half) return x[i];
  }
  return 0;
}

/// Gates of values x with these weights in the median. O(N log N). Errors as for upper_median() and gates().
inline Gates weighted_gates(std::span<const double> x, std::span<const double> weights, double tau,
                            double power) {
  check_gate(tau, "tau", "gates");
  check_gate(power, "power", "gates");
  const double median = upper_median(x, weights);
  if (!(median > 0)) return {std::vector<double>(x.size(), 1.0), true};
  Gates result;
  for (const double value : x)
    result.values.push_back(std::pow(std::clamp(value / (tau * median), 0.0, 1.0), power));
  return result;
}

}  // namespace fedval
