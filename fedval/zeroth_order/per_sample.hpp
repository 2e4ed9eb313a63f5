// Gradients of B independent functions at once, as a black-box model on a batch is: f_b sees x_b only, and
// one call of f gives all B values.
//
//   x: [B, ...],  f(x): B values;  row b of the estimate is f_b's gradient at x_b, along directions of its
//   own
//
// B gradients for the calls of one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "fedval/zeroth_order/gradient.hpp"
#include "fedval/zeroth_order/sample_probes.hpp"

namespace fedval::zeroth_order {

/// A function of a batch: gives one number a sample, as a range or as a tensor.
template <class F, class X>
concept BatchObjective = requires(F& f, const X& x) {
  f(x);
}
|| requires(F& f, const X& x, Sample sample) { f(x, sample); };

/// Estimates of B gradients, one a row.
template <class X>
struct PerSampleGradient {
  X gradient;                               ///< of x's type and shape
  std::vector<std::vector<double>> slopes;  ///< [b][i]
  std::vector<double> values;               ///< f_b(x_b), where the difference asks for it
  double smoothing = 0;                     ///< mu, the same for all samples
  std::size_t calls = 0;                    ///< of f
  std::size_t queries = 0;                  ///< calls times B: what a black box counts
};

namespace detail {

/// The B values that f gave. Error when there are not B, or one is not finite: sample and direction are
/// named.
template <class Values>
std::vector<double> sample_values(const Values& found, std::size_t batch, const Place& place) {
  std::vector<double> values;
  if constexpr (Tensor<Values>) {
    const TensorView view(found);
    values.resize(view.size());
    view.read(0, values);
  } else {
    for (const auto& value : found) values.push_back(static_cast<double>(value));
  }
  if (values.size() != batch)
    fail("zeroth_order: the function gave ", values.size(), " values for ", batch, " samples");
  for (std::size_t b = 0; b < batch; ++b) try {
      check_value(values[b], place.direction, place.displacement);
    } catch (const Error& error) {
      fail(error.what(), " for sample ", b);
    }
  return values;
}

}  // namespace detail

/// The gradients of the B functions at the rows of x, B its first extent. Options as for gradient(); `step`
/// numbers the estimate, and sample b draws from (seed, step, b). m, m + 1, 2 m or 4 m calls of f, as the
/// difference needs; common_random_numbers and batch are not used. Error when x
/// has no rows, f gives not B values or one that is not finite, the budget (of calls times B) is short, or
/// the difference is residual.
template <class F, MutableTensor X>
requires BatchObjective<F, X> PerSampleGradient<X> per_sample_gradient(F&& f, const X& x,
                                                                       const GradientOptions& options = {},
                                                                       std::uint64_t step = 0) {
  const TensorView view(x);
  if (view.rank() == 0 || view.size() == 0) fail("zeroth_order: a batch without samples");
  const Difference& difference = options.difference;
  check(difference, options.directions.count);
  if (difference.baseline == Baseline::previous)
    fail("zeroth_order: no residual differences for a batch of functions");
  check_finite(view, "zeroth_order: x");
  const auto batch = static_cast<std::size_t>(view.shape()[0]);
  const std::size_t d = view.size() / batch, m = options.directions.count;

  const SampleProbes probes(options.directions, batch, d, options.seed, step);
  PerSampleGradient<X> result{fedval::clone(x), {}, {}, 0, difference.queries(m), 0};
  result.smoothing = options.smoothing ? detail::checked_smoothing(*options.smoothing)
                                       : default_smoothing(difference, probes.draw(0), view);
  result.queries = result.calls * batch;
  if (options.budget != nullptr) options.budget->take(result.queries);

  X point = fedval::clone(x);
  const Sample sample = detail::samples(options.seed, step, 1, true).front();
  std::vector<std::vector<double>> values(batch);
  for (const detail::Place& place : detail::places(difference, m, result.smoothing)) {
    if (place.displacement != 0)
      probes.displace(x, place.direction, std::vector<double>(batch, place.displacement), point);
    std::vector<double> found;
    if constexpr (requires { f(point, sample); }) {
      found = detail::sample_values(f(std::as_const(point), sample), batch, place);
    } else {
      found = detail::sample_values(f(std::as_const(point)), batch, place);
    }
    for (std::size_t b = 0; b < batch; ++b) values[b].push_back(found[b]);
  }

  for (const std::vector<double>& each : values) {
    if (difference.asks_point()) result.values.push_back(each.front());
    std::vector<double> stencils;
    result.slopes.push_back(slopes(difference, each, {}, result.smoothing, stencils));
  }
  probes.gradient(options.combination, result.slopes, result.gradient);
  return result;
}

}  // namespace fedval::zeroth_order
