// How far two orderings or two sets of numbers agree.
//
//   Pearson   r = sum (x - xbar)(y - ybar) / sqrt(sum (x - xbar)^2 sum (y - ybar)^2)
//   Spearman  rho = Pearson of the ranks, ties at their average rank
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <optional>
#include <span>
#include <vector>

#include "fedval/error.hpp"

namespace fedval::statistics {

namespace detail {

inline void check_pairs(std::span<const double> x, std::span<const double> y) {
  if (x.size() != y.size()) fail("correlation: ", x.size(), " values against ", y.size());
  for (std::size_t i = 0; i < x.size(); ++i)
    if (!std::isfinite(x[i]) || !std::isfinite(y[i])) fail("correlation: pair ", i, " is not finite");
}

/// Deviations from the mean, divided by the largest one so that their squares are safe; empty when all are
/// equal.
inline std::vector<double> deviations(std::span<const double> x) {
  if (x.empty() || std::all_of(x.begin(), x.end(), [&](double v) { return v == x[0]; })) return {};
  double scale = 0;
  for (const double v : x) scale = std::max(scale, std::abs(v));
  const int exponent = std::ilogb(scale);  // a power of two: no digit is lost
  std::vector<double> d(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) d[i] = std::ldexp(x[i], -exponent);
  double largest = 0;
  // The first value as origin takes out a large offset exactly; the second pass takes out the first mean's
  // rounding.
  for (int pass = 0; pass < 2; ++pass) {
    const double origin = pass == 0 ? d[0] : 0;
    double mean = 0;
    for (const double v : d) mean += v - origin;
    mean /= static_cast<double>(d.size());
    largest = 0;
    for (double& v : d) largest = std::max(largest, std::abs(v = (v - origin) - mean));
  }
  for (double& v : d) v /= largest;
  return d;
}

}  // namespace detail

/// Pearson correlation of n pairs; nothing when it is undefined: fewer than two pairs, or a constant side.
/// O(n). Error when lengths differ or a value is not finite.
inline std::optional<double> pearson(std::span<const double> x, std::span<const double> y) {
  detail::check_pairs(x, y);
  const std::vector<double> dx = detail::deviations(x), dy = detail::deviations(y);
  if (dx.empty() || dy.empty()) return std::nullopt;
  double xx = 0, yy = 0, xy = 0;
  for (std::size_t i = 0; i < dx.size(); ++i) {
    xx += dx[i] * dx[i];
    yy += dy[i] * dy[i];
    xy += dx[i] * dy[i];
  }
  return xy / (std::sqrt(xx) * std::sqrt(yy));
}

/// Ranks 1..n in ascending order; equal values share the average of their ranks. O(n log n).
/// Error when a value is not finite.
inline std::vector<double> ranks(std::span<const double> x) {
  detail::check_pairs(x, x);  // a NaN has no rank
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return x[a] < x[b]; });
  std::vector<double> rank(x.size());
  for (std::size_t first = 0; first < order.size();) {
    std::size_t last = first;
    while (last + 1 < order.size() && x[order[last + 1]] == x[order[first]]) ++last;
    for (std::size_t i = first; i <= last; ++i) rank[order[i]] = 1 + static_cast<double>(first + last) / 2;
    first = last + 1;
  }
  return rank;
}

/// Spearman rank correlation; nothing when it is undefined (as for pearson). O(n log n). Errors as for
/// pearson.
inline std::optional<double> spearman(std::span<const double> x, std::span<const double> y) {
  detail::check_pairs(x, y);
  return pearson(ranks(x), ranks(y));
}

}  // namespace fedval::statistics
