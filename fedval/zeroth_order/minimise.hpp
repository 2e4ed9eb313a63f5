// The loop: estimate, step, look, until something says stop.
//
//   auto found = minimise(f, x, Adam({.rate = .01}), {.directions = sphere(8)}, {.queries = 100000});
//
// x moves in place and is always the last iterate that was completed: whatever f, a callback or a bad value
// throws leaves it there.
#pragma once

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "fedval/tensor/operations.hpp"
#include "fedval/zeroth_order/gradient.hpp"
#include "fedval/zeroth_order/smoothing.hpp"
#include "fedval/zeroth_order/step.hpp"

namespace fedval::zeroth_order {

/// What a callback sees after each step.
struct Progress {
  std::size_t iterations = 0,   ///< steps completed
      queries = 0;              ///< so far, looks at f(x) and measurements of mu included
  std::optional<double> value;  ///< f(x), where it was asked for after this step
  double gradient_norm = 0;     ///< of the estimate
  double smoothing = 0;         ///< mu
};

/// When to stop, and what else to do on the way. Whatever is met first.
struct Stop {
  std::size_t iterations = std::numeric_limits<std::size_t>::max();  ///< steps
  std::size_t queries =
      std::numeric_limits<std::size_t>::max();  ///< a step that would exceed them is not begun
  /// Wall clock, in seconds; looked at after each step, so that the last one may exceed it.
  std::chrono::duration<double> time{std::numeric_limits<double>::infinity()};
  double value =
      -std::numeric_limits<double>::infinity();  ///< f(x) at or below; looked at when f(x) is asked
  double gradient_norm = 0;                      ///< the estimate's norm at or below
  std::size_t patience = 0;      ///< this many looks at f(x) in a row without a new least value; 0: never
  std::size_t look_every = 0;    ///< steps between looks at f(x), one query each; 0: only at the end
  std::size_t retune_every = 0;  ///< steps between measurements of mu (smoothing.hpp), from the first; 0:
                                 ///< none. Their queries count, and a last measurement may exceed the limit
  std::function<double()> evaluate{};  ///< a look at x, which moves in place; none: f itself, one query
  std::function<double(std::size_t iteration)> schedule{};    ///< the factor of the step's rate
  std::function<void(const MutableTensorView& x)> project{};  ///< back onto the set x must stay in
  std::function<bool(const Progress&)> callback{};            ///< false: stop
};

/// What minimise() found; the last iterate is x itself.
template <class X>
struct Minimum {
  double value = 0;            ///< f(x) at the end
  X best;                      ///< the least of all that were looked at
  double best_value = 0;       ///< f(best), as it was looked at
  std::size_t iterations = 0,  ///< steps completed
      queries = 0;             ///< in all, looks at f(x) and measurements of mu included
  std::string stopped_by;      ///< "queries", "value", ...
};

namespace detail {

template <class E>
void retune(E& estimator, auto& f, const auto& x, std::size_t iteration, std::size_t& queries) {
  if constexpr (requires { estimator.set_smoothing(1.0); }) {
    const GradientOptions& options = estimator.options();
    const Smoothing found = choose_smoothing(f, x,
                                             {options.directions,
                                              options.difference,
                                              {},
                                              options.seed + iteration,
                                              options.common_random_numbers});
    estimator.set_smoothing(found.radius);
    queries += found.queries;
  } else {
    fail("zeroth_order: this estimator's smoothing cannot be retuned");
  }
}

}  // namespace detail

/// Runs until a criterion is met. Error when none is set that can be; else the errors of the estimator.
template <class F, MutableTensor X, Step S, class E>
requires requires(E& e, F& f, const X& x) { e(f, x).gradient; }
Minimum<X> minimise(F&& f, X& x, S&& step, E& estimator, const Stop& stop) {
  const double never = std::numeric_limits<double>::infinity();
  if (stop.iterations == std::numeric_limits<std::size_t>::max() &&
      stop.queries == std::numeric_limits<std::size_t>::max() && stop.time.count() == never &&
      !stop.callback && (stop.look_every == 0 || (stop.value == -never && stop.patience == 0)) &&
      stop.gradient_norm == 0)
    fail("zeroth_order: minimise: nothing says when to stop");
  if (stop.queries == 0 && !stop.evaluate) fail("zeroth_order: minimise: 0 queries, and one to look at x");
  const auto start = std::chrono::steady_clock::now();
  random::Stream looks(0, ~std::uint64_t{0});
  Minimum<X> result{never, fedval::clone(x), never, 0, 0, {}};
  std::size_t without_gain = 0;
  const auto look = [&] {
    if (stop.evaluate) {
      result.value = stop.evaluate();
    } else {
      result.value = detail::ask_one<std::remove_reference_t<F>, X>(f, x, Sample{looks()});
      ++result.queries;
    }
    detail::check_value(result.value, 0, 0);
    ++without_gain;
    if (result.value < result.best_value) {
      result.best_value = result.value;
      result.best = fedval::clone(x);
      without_gain = 0;
    }
  };
  const std::size_t a_look = stop.evaluate ? 0 : 1;
  while (result.stopped_by.empty()) {
    if (result.iterations == stop.iterations) {
      result.stopped_by = "iterations";
      break;
    }
    const bool looks_now = stop.look_every > 0 && (result.iterations + 1) % stop.look_every == 0;
    if (stop.retune_every > 0 && result.iterations % stop.retune_every == 0)
      detail::retune(estimator, f, x, result.iterations, result.queries);
    const std::size_t needed = estimator.queries() + a_look;  // now or at the end
    if (needed > stop.queries || result.queries > stop.queries - needed) {
      result.stopped_by = "queries";
      break;
    }
    const auto estimate = estimator(f, x);
    result.queries += estimate.queries;
    const double factor = stop.schedule ? stop.schedule(result.iterations) : 1.0;
    if (!std::isfinite(factor))
      fail("zeroth_order: step ", result.iterations, ": the schedule gave ", factor);
    step.apply(x, estimate.gradient, factor);
    if (stop.project) stop.project(x);
    ++result.iterations;
    Progress progress{
        result.iterations, result.queries, {}, fedval::norm(estimate.gradient), estimate.smoothing};
    if (looks_now) {
      look();
      progress.value = result.value;
      progress.queries = result.queries;
      if (result.value <= stop.value) result.stopped_by = "value";
      if (stop.patience > 0 && without_gain >= stop.patience) result.stopped_by = "patience";
    }
    if (stop.gradient_norm > 0 && progress.gradient_norm <= stop.gradient_norm)
      result.stopped_by = "gradient norm";
    if (std::chrono::steady_clock::now() - start >= stop.time) result.stopped_by = "time";
    if (stop.callback && !stop.callback(progress)) result.stopped_by = "callback";
  }
  if (stop.look_every == 0 || result.iterations % stop.look_every != 0 || result.iterations == 0) look();
  return result;
}

/// The same with an estimator of these options.
template <class F, MutableTensor X, Step S>
requires Objective<F, X> Minimum<X> minimise(F&& f, X& x, S&& step, GradientOptions options,
                                             const Stop& stop) {
  Estimator estimator(std::move(options));
  return minimise(f, x, step, estimator, stop);
}

}  // namespace fedval::zeroth_order
