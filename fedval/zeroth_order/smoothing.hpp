// The smoothing radius that balances the difference's error with the noise of f, measured.
//
//   noise      s: f at 9 points close together, s_k^2 = (k!)^2 / (2k)! mean (k-th difference)^2; a smooth f's
//              part dies out with k, the noise's stays (ECNoise)
//   forward    2 sqrt(s / |f''|),  found as the h with r(h) = |f(4h) - 4 f(h) + 3 f(0)| / (8 s)  in [1.5, 6]
//   central    (3 s / |f'''|)^(1/3),  r(h) = |f(3h) - 3 f(h) + 3 f(-h) - f(-3h)| / (8 s)  in [1.5, 6]
//
// r is below the range where noise hides the difference's error, above it where that error is the larger;
// bisection needs no derivative. f is asked along directions u of the law that will be used, so h is its mu,
// and r is the root mean square over them. Noise alone is in the range once in a while: an h counts only if r
// has grown at 2 h. Sources: More and Wild, "Estimating computational noise", SIAM J. Sci. Comput. 33, 2011;
// Shi, Xie, Xuan, Nocedal, "Adaptive finite-difference interval estimation for noisy derivative-free
// optimization", SIAM J. Sci. Comput. 44, 2022.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "fedval/zeroth_order/gradient.hpp"

namespace fedval::zeroth_order {

/// What the radius is for, and what is known of f.
struct SmoothingOptions {
  Directions directions = sphere(8);  ///< the law whose mu is wanted; fewer are cheaper, and less sure
  Difference difference = central;    ///< of order 1 or 2
  std::optional<double> noise{};  ///< s, where known: a standard deviation or a bound; f's rounding at least
  std::uint64_t seed = 0;         ///< of directions and samples
  bool common_random_numbers = true;  ///< as the estimates will be: noise that all points share is none
};

struct Smoothing {
  double radius = 0;         ///< mu
  double noise = 0;          ///< s
  bool noise_found = true;   ///< false: no level showed, and rounding of f was taken
  bool within_range = true;  ///< false: no h had r in [1.5, 6] (f linear, or too noisy)
  std::size_t queries = 0;   ///< points at which f was asked
};

namespace detail {

enum class NoiseVerdict : std::uint8_t { found, too_close, too_far };

/// The noise of values at equally spaced points, by their difference table.
inline std::pair<NoiseVerdict, double> noise_of(std::vector<double> values) {
  const std::size_t n = values.size();
  // A power of two keeps the squares in range and changes no digit.
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  const int exponent = largest > 0 ? std::ilogb(largest) : 0;
  for (double& value : values) value = std::ldexp(value, -exponent);
  std::vector<double> level(n), mixed(n);
  double gamma = 1;
  for (std::size_t k = 1; k < n; ++k) {
    double squares = 0, least = std::numeric_limits<double>::infinity(), most = -least;
    std::size_t zeros = 0;
    for (std::size_t i = 0; i + k < n; ++i) {
      values[i] = values[i + 1] - values[i];
      squares += values[i] * values[i];
      least = std::min(least, values[i]);
      most = std::max(most, values[i]);
      zeros += values[i] == 0 ? 1 : 0;
    }
    if (k == 1 && 2 * zeros >= n - 1) return {NoiseVerdict::too_close, 0};
    const auto order = static_cast<double>(k);
    gamma *= 0.5 * order / (2 * order - 1);
    level[k] = std::sqrt(gamma * squares / static_cast<double>(n - k));
    mixed[k] = least < 0 && most > 0 ? 1 : 0;
  }
  for (std::size_t k = 1; k + 2 < n; ++k) {
    const auto [least, most] = std::minmax({level[k], level[k + 1], level[k + 2]});
    if (most <= 4 * least && mixed[k] != 0) return {NoiseVerdict::found, std::ldexp(level[k], exponent)};
  }
  return {NoiseVerdict::too_far, 0};
}

/// f along one direction, asked with the samples that estimates use, and counted.
template <class F, class X>
class Line {
 public:
  Line(F& f, const X& x, Direction direction, random::Stream& samples, bool common)
      : f_(f),
        x_(x),
        point_(fedval::clone(x)),
        direction_(std::move(direction)),
        stream_(samples),
        common_(common),
        sample_{samples()} {}

  /// f(x + h u); not finite values are returned as they are.
  double at(double h) {
    ++queries_;
    zeroth_order::displace(x_, h, direction_, point_);
    return ask_one<F, X>(f_, point_, common_ ? sample_ : Sample{stream_()});
  }
  std::size_t queries() const { return queries_; }

 private:
  F& f_;
  const X& x_;
  X point_;
  Direction direction_;
  random::Stream& stream_;
  bool common_;
  Sample sample_;
  std::size_t queries_ = 0;
};

/// s along a line; none where no spacing shows one, or wider ones leave f's domain. Error when f is not
/// finite at the first points.
template <class L>
std::optional<double> noise_along(L& line, std::size_t direction, double spacing, double& largest) {
  constexpr int half = 4;
  for (int attempt = 0; attempt < 6; ++attempt) {
    std::vector<double> values;
    for (int k = -half; k <= half; ++k) {
      values.push_back(line.at(k * spacing));
      if (attempt == 0) check_value(values.back(), direction, k * spacing);
      if (!std::isfinite(values.back())) return std::nullopt;
      largest = std::max(largest, std::abs(values.back()));
    }
    const auto [verdict, noise] = noise_of(values);
    if (verdict == NoiseVerdict::found) return noise;
    spacing *= verdict == NoiseVerdict::too_close ? 100 : 0.01;
  }
  return std::nullopt;
}

/// The h whose ratio, root mean square over the lines, is in range and far above it at 2 h (noise alone is in
/// range sometimes, but not twice), or the last one tried; at most `most`.
template <class L>
std::pair<double, bool> bisect(std::vector<L>& lines, double noise, int order, double h, double most) {
  constexpr double lowest = 1.5, highest = 6;
  double below = 0, above = std::numeric_limits<double>::infinity();
  std::vector<double> points(lines.size(), 0.0);
  const int exponent = std::ilogb(noise);  // f is seen in a power of two that keeps squares in range
  const double unit = std::ldexp(noise, -exponent);
  const auto f = [exponent](L& line, double at) { return std::ldexp(line.at(at), -exponent); };
  if (order == 1)
    for (std::size_t i = 0; i < lines.size(); ++i) {
      points[i] = f(lines[i], 0);
      check_value(points[i], i, 0);
    }
  const auto ratio_at = [&](double step) {  // NaN where f left its domain: the step is too large
    double squares = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      L& line = lines[i];
      const double error =
          order == 1 ? f(line, 4 * step) - 4 * f(line, step) + 3 * points[i]
                     : f(line, 3 * step) - 3 * f(line, step) + 3 * f(line, -step) - f(line, -3 * step);
      squares += error * error;
    }
    return std::sqrt(squares / static_cast<double>(lines.size())) / (8 * unit);
  };
  for (int attempt = 0; attempt < 40; ++attempt) {
    const double ratio = ratio_at(h);
    // In range by noise alone, r does not grow.
    if (ratio < lowest || (ratio <= highest && ratio_at(2 * h) < 2 * lowest)) {
      below = h;
    } else if (ratio <= highest) {
      return {h, true};
    } else {
      above = h;
    }
    if (std::isinf(above)) {
      if (h >= most) return {most, false};
      h = std::min(most, 4 * h);
    } else {
      h = below == 0 ? h / 4 : std::sqrt(below * above);
    }
    if (!(h > 0)) break;
  }
  return {h, false};
}

}  // namespace detail

/// Measures f's noise at x and the radius that suits it. Usually 15 to 60 queries a direction, fewer where
/// the noise is given. Error when f is not finite near x, or the difference is not forward- or central-like.
template <class F, MutableTensor X>
requires Objective<F, X> Smoothing choose_smoothing(F&& f, const X& x, const SmoothingOptions& options = {}) {
  const Difference& difference = options.difference;
  if (difference.order > 2 || difference.name == one_point.name || difference.name == residual.name)
    fail("zeroth_order: no rule for the smoothing of ", difference.name, " differences");
  const TensorView view(x);
  check_finite(view, "zeroth_order: x");
  const Draw draw = detail::draw_directions(options.directions, view.size(), {options.seed, 0});
  const double start = default_smoothing(difference, draw, view);
  const double scale = std::max(1.0, norm(view) / std::sqrt(static_cast<double>(view.size()))) / draw.entry;
  random::Stream samples(options.seed, 0);

  Smoothing result;
  double largest = 0;
  if (options.noise) {
    if (!(*options.noise >= 0 && std::isfinite(*options.noise)))
      fail("zeroth_order: a noise of ", *options.noise);
    result.noise = *options.noise;
    if (result.noise > 0) {  // as where it is measured, f's rounding is the least there is
      const Sample sample{random::Stream(options.seed, 0)()};
      const double value = detail::ask_one<std::remove_reference_t<F>, X>(f, x, sample);
      detail::check_value(value, 0, 0);
      largest = std::abs(value);
      ++result.queries;
    }
  } else {
    std::vector<double> found;
    for (std::size_t i = 0; i < draw.probes.size(); ++i) {
      detail::Line<std::remove_reference_t<F>, X> line(f, x, draw.probes[i], samples,
                                                       options.common_random_numbers);
      if (const auto noise = detail::noise_along(line, i, start / 100, largest)) found.push_back(*noise);
      result.queries += line.queries();
    }
    result.noise_found = !found.empty();
    std::sort(found.begin(), found.end());
    if (result.noise_found) result.noise = found[found.size() / 2];
  }
  const double rounding = std::numeric_limits<double>::epsilon() * largest;
  result.noise = std::max(result.noise, rounding);
  if (result.noise == 0) {  // told that there is none, or f is zero: what rounding asks for
    result.radius = start;
    return result;
  }
  std::vector<detail::Line<std::remove_reference_t<F>, X>> lines;
  for (const Direction& direction : draw.probes)
    lines.emplace_back(f, x, direction, samples, options.common_random_numbers);
  std::tie(result.radius, result.within_range) =
      detail::bisect(lines, result.noise, difference.order, start, scale);
  for (const auto& line : lines) result.queries += line.queries();
  return result;
}

}  // namespace fedval::zeroth_order
