// ZO-SVRG: estimates whose noise falls as x nears a snapshot, for a mean of n functions.
//
//   f = (1/n) sum_s f_s;   at a snapshot x~:  g~ = estimate of grad f(x~), all n functions
//   g = c/m sum_i (D_i[f_b](x) - D_i[f_b](x~)) v_i + g~,   the same directions u_i and the same b at both
//
// Other directions or another b at the two points would add their noise twice instead of taking it away.
// Source: Liu, Kailkhura, Chen, Ting, Chang, Amini, "Zeroth-order stochastic variance reduction for nonconvex
// optimization", NeurIPS 2018.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "fedval/zeroth_order/gradient.hpp"

namespace fedval::zeroth_order {

/// The estimate of a step, and that of a snapshot.
struct VarianceReducedOptions {
  GradientOptions estimate{};  ///< of each step; forward or central, the plain combination or shrink
  Directions snapshot_directions = sphere(64);  ///< of g~
  std::uint64_t components = 1;                 ///< n: f is asked with Sample numbers 0, ..., n - 1
  std::size_t period = 50;                      ///< steps from snapshot to snapshot
};

/// Goes from step to step like Estimator. X is what f takes.
template <MutableTensor X>
class VarianceReduced {
 public:
  /// Error when check() refuses the difference or it is residual, for least squares, a mu that is given and
  /// not positive, 0 components and a period of 0.
  explicit VarianceReduced(VarianceReducedOptions options) : options_(std::move(options)) {
    check(options_.estimate.difference, options_.estimate.directions.count);
    check(options_.estimate.difference, options_.snapshot_directions.count);
    if (options_.estimate.smoothing) detail::checked_smoothing(*options_.estimate.smoothing);
    if (options_.estimate.combination == Combination::least_squares)
      fail("zeroth_order: variance reduction has no use for least squares");
    if (options_.estimate.difference.baseline == Baseline::previous)
      fail("zeroth_order: variance reduction has no use for residual differences");
    if (options_.components == 0) fail("zeroth_order: variance reduction over 0 functions");
    if (options_.period == 0) fail("zeroth_order: a snapshot every 0 steps");
  }

  /// Estimates made so far: the next one's number.
  std::uint64_t step() const { return step_; }
  /// Queries of the next estimate.
  std::size_t queries() const {
    const Difference& difference = options_.estimate.difference;
    std::size_t sum = 2 * difference.queries(options_.estimate.directions.count);
    if (step_ % options_.period == 0)
      sum += options_.components * difference.queries(options_.snapshot_directions.count);
    return sum;
  }

  /// The estimate at x; every `period` steps x becomes the snapshot. Errors as for Estimator.
  template <class F>
  requires Objective<F, X> Gradient<X>
  operator()(F&& f, const X& x) {
    const TensorView view(x);
    check_finite(view, "zeroth_order: x");
    if (snapshot_ && TensorView(snapshot_->x).size() != view.size())
      fail("zeroth_order: x has ", view.size(), " entries, its snapshot ", TensorView(snapshot_->x).size());
    const std::size_t asked = queries();
    const GradientOptions& estimate = options_.estimate;
    const Draw draw = detail::draw_directions(estimate.directions, view.size(), {estimate.seed, step_});
    const double smoothing =
        estimate.smoothing ? *estimate.smoothing : default_smoothing(estimate.difference, draw, view);
    if (estimate.budget != nullptr) estimate.budget->take(asked);

    std::optional<Snapshot> fresh;
    if (step_ % options_.period == 0) fresh = take_snapshot(f, x, smoothing);
    const Snapshot& snapshot = fresh ? *fresh : *snapshot_;

    const Sample sample{random::Stream(estimate.seed, step_).below(options_.components)};
    Gradient<X> result{fedval::clone(x), slopes_at(f, x, draw, smoothing, sample), {}, smoothing, asked};
    const std::vector<double> before = slopes_at(f, snapshot.x, draw, smoothing, sample);
    for (std::size_t i = 0; i < before.size(); ++i) result.slopes[i] -= before[i];
    const WeightedSum sum = combine(estimate.combination, draw, result.slopes, view.size());
    const double once = 1;
    const TensorView gradient(snapshot.gradient);
    fedval::combine({&once, 1}, {&gradient, 1}, 0, result.gradient);
    zeroth_order::accumulate(sum.weights, sum.directions, 1, result.gradient);
    if (fresh) snapshot_ = std::move(fresh);
    ++step_;
    return result;
  }

 private:
  struct Snapshot {
    X x, gradient;
  };

  template <class F>
  std::vector<double> slopes_at(F& f, const X& x, const Draw& draw, double smoothing, const Sample& sample) {
    const GradientOptions& estimate = options_.estimate;
    const auto places = detail::places(estimate.difference, draw.probes.size(), smoothing);
    const std::vector<double> values = detail::ask_places(f, x, draw.probes, places, estimate.batch,
                                                          std::vector<Sample>(places.size(), sample));
    std::vector<double> stencils;
    return slopes(estimate.difference, values, {}, smoothing, stencils);
  }

  template <class F>
  Snapshot take_snapshot(F& f, const X& x, double smoothing) {
    // Streams from the other end than the steps': directions of its own.
    const Draw draw = detail::draw_directions(options_.snapshot_directions, TensorView(x).size(),
                                              {options_.estimate.seed, ~step_});
    std::vector<double> mean(draw.probes.size(), 0.0);
    for (std::uint64_t s = 0; s < options_.components; ++s) {
      const std::vector<double> one = slopes_at(f, x, draw, smoothing, Sample{s});
      for (std::size_t i = 0; i < mean.size(); ++i)
        mean[i] += one[i] / static_cast<double>(options_.components);
    }
    Snapshot snapshot{fedval::clone(x), fedval::clone(x)};
    const WeightedSum sum = combine(options_.estimate.combination, draw, mean, TensorView(x).size());
    zeroth_order::accumulate(sum.weights, sum.directions, 0, snapshot.gradient);
    return snapshot;
  }

  VarianceReducedOptions options_;
  std::uint64_t step_ = 0;
  std::optional<Snapshot> snapshot_;
};

}  // namespace fedval::zeroth_order
