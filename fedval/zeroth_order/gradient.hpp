// Gradients from function values alone: direction law x difference x combination.
//
//   auto g = zeroth_order::gradient(f, x, {.directions = zeroth_order::orthogonal(32), .seed = 7});
//
//   u_1..u_m from (seed, step);  D_i from f at x and x + o mu u_i;  g^ = weights(D) times directions
//
// The smoothing radius mu trades the error of the difference for that of f's rounding or noise:
// smoothing.hpp measures both. Sources: directions.hpp, difference.hpp, combination.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "fedval/archive.hpp"
#include "fedval/random/philox.hpp"
#include "fedval/tensor/check.hpp"
#include "fedval/tensor/owned.hpp"
#include "fedval/zeroth_order/combination.hpp"
#include "fedval/zeroth_order/difference.hpp"
#include "fedval/zeroth_order/directions.hpp"
#include "fedval/zeroth_order/query.hpp"

namespace fedval::zeroth_order {

/// What is asked, and what is made of the answers.
struct GradientOptions {
  Directions directions = sphere(16);            ///< their law and m
  Difference difference = central;               ///< slopes from values
  Combination combination = Combination::plain;  ///< a gradient from slopes
  std::optional<double> smoothing{};  ///< mu; none: default_smoothing(), for functions without noise
  std::uint64_t seed = 0;             ///< of all directions and samples
  bool common_random_numbers = true;  ///< one sample for all points of an estimate, or one for each
  std::size_t batch = 64;             ///< most points that a batched function gets at a time
  QueryBudget* budget = nullptr;      ///< of estimates, shared by whoever asks; not owned
};

/// An estimate. `gradient` has x's type and shape.
template <class X>
struct Gradient {
  X gradient;                   ///< g^
  std::vector<double> slopes;   ///< D_i
  std::optional<double> value;  ///< f(x), where the difference asks for it
  double smoothing = 0;         ///< mu
  std::size_t queries = 0;      ///< points at which f was asked
};

/// mu for a function that is as exact as x's scalar type: eps^(1 / (order + 1)) max(1, rms x), for entries of
/// the direction near 1 (others: in proportion). Error for one-point and residual differences, which weigh f
/// itself and need a radius that is chosen.
inline double default_smoothing(const Difference& difference, const Draw& draw, const TensorView& x) {
  const bool cancels =
      std::abs(std::accumulate(difference.nodes.begin(), difference.nodes.end(), 0.0,
                               [](double sum, const Node& n) { return sum + n.weight; })) < 1e-9;
  if (!cancels && difference.baseline != Baseline::others)
    fail("zeroth_order: a ", difference.name, " difference needs a smoothing radius");
  double epsilon = 0;
  for (const Piece& piece : x.pieces())
    epsilon = std::max(epsilon, piece.type == ScalarType::float64   ? 0x1p-52
                                : piece.type == ScalarType::float32 ? 0x1p-23
                                : piece.type == ScalarType::float16 ? 0x1p-10
                                                                    : 0x1p-7);
  const double scale = norm(x) / std::sqrt(static_cast<double>(std::max<std::size_t>(1, x.size())));
  return std::pow(epsilon, 1.0 / (difference.order + 1)) * std::max(1.0, scale) / draw.entry;
}

namespace detail {

/// Where f is asked: node by node of direction after direction, after x itself where that is asked.
struct Place {
  std::size_t direction = 0;
  double displacement = 0;
};

inline std::vector<Place> places(const Difference& difference, std::size_t m, double smoothing) {
  std::vector<Place> result;
  if (difference.asks_point()) result.emplace_back();
  for (std::size_t i = 0; i < m; ++i)
    for (const Node& node : difference.nodes)
      if (node.offset != 0) result.push_back({i, node.offset * smoothing});
  return result;
}

/// f at all places, at most `batch` points at a time.
template <class F, class X>
std::vector<double> ask_places(F& f, const X& x, std::span<const Direction> directions,
                               std::span<const Place> places, std::size_t batch,
                               std::span<const Sample> samples) {
  if constexpr (!is_batched<std::remove_cvref_t<F>>) batch = 1;
  batch = std::clamp<std::size_t>(batch, 1, std::max<std::size_t>(1, places.size()));
  std::vector<X> points;
  points.reserve(batch);
  for (std::size_t k = 0; k < batch; ++k) points.push_back(fedval::clone(x));
  const TensorView base(x);
  const std::vector<MutableTensorView> targets(points.begin(), points.end());
  std::vector<double> values(places.size());
  for (std::size_t first = 0; first < places.size(); first += batch) {
    const std::size_t count = std::min(batch, places.size() - first);
    for (std::size_t k = 0; k < count; ++k) {
      const Place& place = places[first + k];
      zeroth_order::displace(base, place.displacement, directions[place.direction], targets[k]);
    }
    ask<F, X>(f, std::span<const X>(points.data(), count), samples.subspan(first, count),
              std::span(values).subspan(first, count));
    for (std::size_t k = first; k < first + count; ++k)
      check_value(values[k], places[k].direction, places[k].displacement);
  }
  return values;
}

/// One number of a step for all `count` points, or one for each.
inline std::vector<Sample> samples(std::uint64_t seed, std::uint64_t step, std::size_t count, bool common) {
  random::Stream stream(seed, step);
  std::vector<Sample> result(count, Sample{stream()});
  if (!common)
    for (Sample& sample : result) sample.number = stream();
  return result;
}

inline double checked_smoothing(double smoothing) {
  if (!(smoothing > 0 && std::isfinite(smoothing)))
    fail("zeroth_order: a smoothing radius of ", smoothing, " is not positive");
  return smoothing;
}

}  // namespace detail

/// An estimator that goes from step to step: new directions at each, and the values of the step before for
/// residual differences. save() and restore() (archive.hpp) keep its state.
class Estimator {
 public:
  static constexpr std::string_view name = "ZerothOrderEstimator";

  /// Error when check() refuses the difference, or a mu is given that is not positive.
  explicit Estimator(GradientOptions options = {}) : options_(std::move(options)) {
    check(options_.difference, options_.directions.count);
    if (options_.smoothing) detail::checked_smoothing(*options_.smoothing);
  }

  /// As given, but for mu where set_smoothing() changed it.
  const GradientOptions& options() const { return options_; }
  /// Estimates made so far: the next one's number.
  std::uint64_t step() const { return step_; }
  /// Queries of the next estimate.
  std::size_t queries() const {
    return options_.difference.queries(options_.directions.count) * (needs_first_values() ? 2 : 1);
  }
  /// Sets mu from now on.
  void set_smoothing(double smoothing) { options_.smoothing = detail::checked_smoothing(smoothing); }

  /// The estimate at x. O(m D) and `queries()` calls of f. Error, and the step is not counted, when f gives a
  /// value that is not finite ("direction 3: f(x + 0.001 u) is NaN") or a slope beyond a double, the budget
  /// has too few queries left, or x is empty or not finite. What f throws goes through.
  template <class F, MutableTensor X>
  requires Objective<F, X> Gradient<X>
  operator()(F&& f, const X& x) {
    const TensorView view(x);
    const std::size_t d = view.size();
    check_finite(view, "zeroth_order: x");
    const Draw draw = detail::draw_directions(options_.directions, d, {options_.seed, step_});
    const double smoothing =
        options_.smoothing ? *options_.smoothing : default_smoothing(options_.difference, draw, view);
    const std::size_t asked = queries();
    if (options_.budget != nullptr) options_.budget->take(asked);

    const std::vector<double> previous = needs_first_values() ? first_values(f, x, smoothing) : previous_;
    const std::vector<double> values = ask(f, x, draw, smoothing, step_);
    Gradient<X> result{fedval::clone(x), {}, {}, smoothing, asked};
    if (options_.difference.asks_point()) result.value = values.front();
    std::vector<double> stencils;
    result.slopes = slopes(options_.difference, values, previous, smoothing, stencils);
    const WeightedSum sum = combine(options_.combination, draw, result.slopes, d);
    zeroth_order::accumulate(sum.weights, sum.directions, 0, result.gradient);
    if (options_.difference.baseline == Baseline::previous) previous_ = std::move(stencils);
    ++step_;
    return result;
  }

  /// What save() writes and restore() reads (archive.hpp); seed, law, m and difference must agree. mu is part
  /// of the state, as it may have been set on the way.
  template <class Archive>
  void fields(Archive& archive) {
    archive.option("seed", options_.seed);
    archive.option("law", fedval::detail::ArchivedText(options_.directions.name));
    archive.option("directions", options_.directions.count);
    archive.option("difference", fedval::detail::ArchivedText(options_.difference.name));
    archive.state("step", step_);
    double smoothing = options_.smoothing.value_or(0);  // 0: none
    archive.state("smoothing", smoothing);
    archive.check(smoothing >= 0, "not a radius");
    options_.smoothing = smoothing > 0 ? std::optional(smoothing) : std::nullopt;
    archive.state("previous", previous_);
    archive.check(previous_.empty() || (options_.difference.baseline == Baseline::previous &&
                                        previous_.size() == options_.directions.count),
                  "not one value a direction");
  }

 private:
  bool needs_first_values() const {
    return options_.difference.baseline == Baseline::previous && previous_.empty();
  }

  template <class F, class X>
  std::vector<double> ask(F& f, const X& x, const Draw& draw, double smoothing, std::uint64_t stream) {
    const std::vector<detail::Place> places =
        detail::places(options_.difference, options_.directions.count, smoothing);
    return detail::ask_places(
        f, x, draw.probes, places, options_.batch,
        detail::samples(options_.seed, stream, places.size(), options_.common_random_numbers));
  }

  /// What the step before the first would have left: stencils along directions of its own.
  template <class F, class X>
  std::vector<double> first_values(F& f, const X& x, double smoothing) {
    const std::uint64_t before = ~std::uint64_t{0};
    const Draw draw =
        detail::draw_directions(options_.directions, TensorView(x).size(), {options_.seed, before});
    std::vector<double> stencils;
    slopes(options_.difference, ask(f, x, draw, smoothing, before),
           std::vector<double>(options_.directions.count), smoothing, stencils);
    return stencils;
  }

  GradientOptions options_;
  std::uint64_t step_ = 0;
  std::vector<double> previous_;
};

/// One estimate of the gradient of f at x, with the directions of step 0. m, m + 1, 2 m or 4 m calls of f, as
/// the difference needs, and O(m D); least squares and orthogonal directions O(m^2 D). Errors as for
/// Estimator.
template <class F, MutableTensor X>
requires Objective<F, X> Gradient<X> gradient(F&& f, const X& x, GradientOptions options = {}) {
  return Estimator(std::move(options))(f, x);
}

}  // namespace fedval::zeroth_order
