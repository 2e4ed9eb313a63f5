// Intervals for any statistic of a sample, from resamples of it: n units drawn with replacement, again and
// again, the statistic of each.
//
//   percentile   [q(alpha), q(1 - alpha)]            q: quantiles of the resamples' statistics t*_b
//   BCa          [q(alpha_1), q(alpha_2)]            bias-corrected and accelerated
//     alpha_1,2 = Phi(z_0 + (z_0 -+ z) / (1 - a (z_0 -+ z))),   z the normal quantile of 1 - alpha
//     z_0 = Phi^-1(share of t*_b below t, half of those equal to t)
//     a   = sum d_i^3 / (6 (sum d_i^2)^(3/2)),   d_i = mean of t_(j) - t_(i),   t_(i) without unit i
//
// with alpha = (1 - confidence) / 2. Of B resamples q(p) is the floor((B + 1) p)-th smallest, q(1 - p) the
// one as far from the other end. BCa is second-order accurate, the percentile interval first-order. Units
// that come in groups, such as the clients of a run, are not independent: then whole groups are drawn.
// To compare two methods on the same units, take the difference between them as the statistic.
// Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 and 14, where ties with t
// count as above it; a sum's rounding decides on which side they are, so here they are halved.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <optional>
#include <span>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/random/draws.hpp"
#include "fedval/statistics/correlation.hpp"
#include "fedval/statistics/quantile.hpp"

namespace fedval::statistics {

/// The statistic of the units at some indices, which may repeat; nothing where it is undefined, such as the
/// correlation of a resample with a constant side.
using Statistic = std::function<std::optional<double>(std::span<const std::size_t>)>;

/// How an interval is made of the resamples.
enum class BootstrapInterval {
  percentile,  ///< between their quantiles: first-order accurate
  bca          ///< bias-corrected and accelerated: second-order accurate, n statistics more
};

/// Which interval, and what it is drawn with.
struct BootstrapOptions {
  /// How its ends are found.
  BootstrapInterval interval = BootstrapInterval::bca;
  std::size_t resamples = 2000;  ///< at least 1
  double confidence = 0.95;      ///< in (0, 1)
  std::uint64_t seed = 0;        ///< of the resamples
};

struct Bootstrap {
  double value = 0;  ///< of the sample itself
  /// Lower end of the interval.
  double low = 0, high = 0;           ///< upper end of it
  std::size_t resamples = 0;          ///< drawn
  std::size_t undefined = 0;          ///< of these, left out: the statistic is undefined
  std::size_t undefined_without = 0;  ///< units without which it is undefined, left out of a
  bool extreme = false;  ///< an end is the first or the last resample: more would be needed to know it
};

namespace detail {

/// P(Z > z) for a standard normal Z.
inline double normal_tail(double z) { return std::erfc(z / std::sqrt(2.0)) / 2; }

/// z with P(Z < z) = p, for p in (0, 1).
inline double normal_score(double p) {
  return p == 0.5 ? 0.0 : p < 0.5 ? -normal_quantile(1 - 2 * p) : normal_quantile(2 * p - 1);
}

/// The statistic, if defined; Error when it is no finite number.
inline std::optional<double> finite(const Statistic& statistic, std::span<const std::size_t> units) {
  const std::optional<double> value = statistic(units);
  if (value && !std::isfinite(*value))
    fail("bootstrap: the statistic is ", *value, "; where it is undefined it should return nothing");
  return value;
}

/// The statistics without each unit, where defined.
inline std::vector<double> jackknife(std::size_t n, const Statistic& statistic) {
  std::vector<double> values;
  std::vector<std::size_t> others(n - 1);
  std::iota(others.begin(), others.end(), std::size_t{1});
  for (std::size_t i = 0; i < n; ++i) {
    if (const std::optional<double> value = finite(statistic, others)) values.push_back(*value);
    if (i + 1 < n) others[i] = i;
  }
  return values;
}

/// a; 0 where all values are the same.
inline double acceleration(std::span<const double> jackknife) {
  double squares = 0, cubes = 0;
  for (const double d : deviations(jackknife)) {
    squares += d * d;
    cubes -= d * d * d;
  }
  return squares == 0 ? 0.0 : cubes / (6 * squares * std::sqrt(squares));
}

}  // namespace detail

/// The interval of a statistic of n independent units. The same for the same seed: resample b depends on
/// (seed, b) alone. Nothing where there is none: the statistic is undefined for the sample or for all
/// resamples, or, for BCa, all of them are on one side of its value or a is too large for the confidence.
/// resamples + 1 statistics of n indices, n more for BCa; O(resamples + n) memory. Error when n < 2, an
/// option is out of its range, or a statistic is not finite.
inline std::optional<Bootstrap> bootstrap(std::size_t n, const Statistic& statistic,
                                          const BootstrapOptions& options = {}) {
  if (n < 2) fail("bootstrap: n is ", n, ", must be 2 or more");
  if (options.resamples == 0) fail("bootstrap: resamples is 0, must be 1 or more");
  if (!(options.confidence > 0 && options.confidence < 1))
    fail("bootstrap: confidence is ", options.confidence, ", must be between 0 and 1");

  std::vector<std::size_t> units(n);
  std::iota(units.begin(), units.end(), std::size_t{0});
  const std::optional<double> value = detail::finite(statistic, units);
  if (!value) return std::nullopt;
  std::vector<double> drawn;
  for (std::size_t b = 0; b < options.resamples; ++b) {
    random::Draws draws(options.seed, b);
    for (std::size_t& unit : units) unit = draws.below_wide(n);
    if (const std::optional<double> found = detail::finite(statistic, units)) drawn.push_back(*found);
  }
  if (drawn.empty()) return std::nullopt;
  std::sort(drawn.begin(), drawn.end());

  Bootstrap result{.value = *value, .resamples = options.resamples};
  result.undefined = options.resamples - drawn.size();
  const auto count = static_cast<double>(drawn.size());
  // The ends as normal scores.
  const double z = normal_quantile(options.confidence);
  double from = -z, to = z;
  if (options.interval == BootstrapInterval::bca) {
    const auto [first, last] = std::equal_range(drawn.begin(), drawn.end(), *value);
    const auto below = static_cast<double>((first - drawn.begin()) + (last - drawn.begin())) / 2;
    if (below == 0 || below == count) return std::nullopt;
    const std::vector<double> without = detail::jackknife(n, statistic);
    result.undefined_without = n - without.size();
    const double shift = detail::normal_score(below / count), a = detail::acceleration(without);
    const auto corrected = [&](double score) { return shift + (shift + score) / (1 - a * (shift + score)); };
    // Beyond that pole the map from scores to scores is no longer an increasing one.
    if (!(1 - a * (shift - z) > 0 && 1 - a * (shift + z) > 0)) return std::nullopt;
    from = corrected(-z);
    to = corrected(z);
  }
  // The place of an end among the resamples, counted from its own side; rounding must not cost a place.
  const auto place = [&](double tail) {
    const double wanted = std::floor((count + 1) * tail + 1e-9), found = std::clamp(wanted, 1.0, count);
    result.extreme = result.extreme || found != wanted;
    return static_cast<std::size_t>(found);
  };
  result.low = drawn[place(detail::normal_tail(-from)) - 1];
  result.high = drawn[drawn.size() - place(detail::normal_tail(to))];
  return result;
}

/// The same for units that come in groups of these sizes and are dependent within one: whole groups are drawn
/// and left out. The statistic gets the units' indices, those of the first group 0, 1, ... Error when a group
/// is empty, else as for bootstrap().
inline std::optional<Bootstrap> bootstrap_groups(std::span<const std::size_t> group_sizes,
                                                 const Statistic& statistic,
                                                 const BootstrapOptions& options = {}) {
  std::vector<std::size_t> begin{0};
  for (std::size_t g = 0; g < group_sizes.size(); ++g) {
    if (group_sizes[g] == 0) fail("bootstrap: group ", g, " is empty");
    begin.push_back(begin.back() + group_sizes[g]);
  }
  std::vector<std::size_t> units;
  return bootstrap(
      group_sizes.size(),
      [&](std::span<const std::size_t> groups) {
        units.clear();
        for (const std::size_t g : groups)
          for (std::size_t unit = begin[g]; unit < begin[g + 1]; ++unit) units.push_back(unit);
        return statistic(units);
      },
      options);
}

}  // namespace fedval::statistics
