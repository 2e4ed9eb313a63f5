// Trace of f(A) from a few products with A: Hutchinson's estimator with the leading directions taken out
// (Hutch++), a line as control variate, and an error that is part of the result.
//
//   tr f(A) = tr Q^T f(A) Q + E[z^T P f(A) P z],   P = I - Q Q^T,  z of independent random signs
//   the average is taken of  z^T P (f(A) - a A - c I) P z,  whose last two means are known from tr A
//
// Q spans what three products with A leave of random vectors: the leading eigenvectors, nearly. a x + c is
// the least-squares line through f on the spectrum that is left, as one more random vector sees it: then the
// Frobenius norm of P (f(A) - a A - c I) P is least, and the variance is twice its square (less the
// diagonal). Q and the line do not depend on the probes z, so the probes are independent and the mean of any
// fixed number of them has no bias.
//
// The number of probes follows Stein's two stages: the deviation s of the first m probes fixes how many are
// needed, m' >= (t s / tolerance)^2, and t_{m-1} s / sqrt(m') stays a valid half width, which the deviation
// of probes drawn until it looks small enough does not.
// Sources: Ubaru, Chen, Saad, "Fast estimation of tr(f(A)) via stochastic Lanczos quadrature", SIAM J. Matrix
// Anal. Appl. 38, 2017; Meyer, Musco, Musco, Woodruff, "Hutch++", SOSA 2021; Stein, "A two-sample test for a
// linear hypothesis whose power is independent of the variance", Ann. Math. Stat. 16, 1945.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/linalg/leading_directions.hpp"
#include "fedval/statistics/quantile.hpp"

namespace fedval::linalg {

/// How close the estimate should come, and how much it may cost.
struct TraceOptions {
  double tolerance = 0;          ///< the error() aimed at; with 0 every probe and step is used
  double confidence = 0.95;      ///< of error(), in (0, 1)
  std::size_t first_probes = 8;  ///< at least 4; their deviation says how many more are needed
  std::size_t max_probes = 256;  ///< at least first_probes
  std::size_t max_steps = 100;   ///< Lanczos steps, at least 1
  std::size_t deflation = 63;    ///< directions in Q; with the line's vector eight blocks
  std::uint64_t seed = 0;        ///< of all random vectors
};

/// tr f(A), and how far from it the value may be.
struct TraceEstimate {
  double value = 0;           ///< of tr f(A)
  double standard_error = 0;  ///< of value: s / sqrt(probes), s from the first probes
  double truncation = 0;      ///< half width of the quadrature's bracket
  double quantile = 0;  ///< Student's t: quantile * standard_error covers the sampling error at `confidence`
  /// Random vectors averaged.
  std::size_t probes = 0, steps = 0;  ///< most Lanczos steps that any vector took
  bool converged = false;             ///< error() is at most the tolerance

  /// Half width of the interval around value that holds the exact trace with probability `confidence`.
  double error() const { return quantile * standard_error + truncation; }
};

namespace detail {

/// a x + c, least squares for f in a measure.
struct Line {
  double slope = 0, constant = 0;
};

template <class Function>
Line fitted_line(const LanczosMeasure& measure, Function&& f) {
  if (measure.mass == 0 || measure.diagonal.empty()) return {};
  QuadratureRule rule = gauss_rule(measure.diagonal, measure.off);
  for (double& node : rule.nodes) node = std::max(node, 0.0);
  const double x = rule([](double node) { return node; }), y = rule(f);
  const double xx = rule([&](double node) { return (node - x) * (node - x); });
  const double xy = rule([&](double node) { return (node - x) * (f(node) - y); });
  // Any line is free of bias; where the spectrum is a single point, its slope would be rounding only.
  const double slope = xx > 1e-24 * x * x ? xy / xx : 0.0;
  return {slope, y - slope * x};
}

/// Lanczos from the vectors [begin, end) that set(block, column, i) writes.
template <BlockOperator Operator, class Function, class Set>
std::vector<LanczosMeasure> measures_of(const Operator& a, Function&& f, std::size_t begin, std::size_t end,
                                        const LanczosOptions& options, Set&& set) {
  std::vector<LanczosMeasure> result;
  for (std::size_t first = begin; first < end; first += block_width) {
    Block start(static_cast<std::size_t>(a.size()) * block_width, 0.0);
    const std::size_t width = std::min(block_width, end - first);
    for (std::size_t c = 0; c < width; ++c) set(start, c, first + c);
    auto measures = lanczos_quadrature(a, std::move(start), f, options);
    std::move(measures.begin(), measures.begin() + static_cast<std::ptrdiff_t>(width),
              std::back_inserter(result));
  }
  return result;
}

inline std::size_t most_steps(std::span<const LanczosMeasure> measures) {
  std::size_t most = 0;
  for (const LanczosMeasure& measure : measures) most = std::max(most, measure.diagonal.size());
  return most;
}

inline double mean_half_width(std::span<const LanczosMeasure> measures) {
  double sum = 0;
  for (const LanczosMeasure& measure : measures) sum += measure.half_width();
  return sum / static_cast<double>(measures.size());
}

inline void check(const TraceOptions& options) {
  if (options.first_probes < 4)
    fail("stochastic_trace: first_probes is ", options.first_probes, ", needs at least 4");
  if (options.max_probes < options.first_probes)
    fail("stochastic_trace: max_probes is ", options.max_probes, ", below first_probes, ",
         options.first_probes);
  if (!(options.tolerance >= 0))
    fail("stochastic_trace: tolerance is ", options.tolerance, ", must be at least 0");
}

}  // namespace detail

/// Estimates tr f(A) of a positive semidefinite A whose trace is known. f as for lanczos_quadrature. The same
/// bits whatever the number of threads, as long as A's products have them. Costs three products for each
/// block of 8 directions and up to max_steps for each block of 8 vectors (deflation + 1 + probes of them);
/// memory of 8 max_steps + 2 deflation vectors. Nothing is drawn, and standard_error is 0, where Q spans the
/// whole space. Error for options that contradict themselves, a trace that is negative, or so small (below
/// 2^-480) or large (above 2^480) that squares are lost, and as lanczos_quadrature.
template <BlockOperator Operator, class Function>
TraceEstimate stochastic_trace(const Operator& a, Function&& f, double trace,
                               const TraceOptions& options = {}) {
  detail::check(options);
  if (!(trace == 0 || (trace >= 0x1p-480 && trace <= 0x1p480)))
    fail("stochastic_trace: a trace of ", trace, "; 0 or a number from 2^-480 to 2^480 was expected");
  const auto n = static_cast<std::size_t>(a.size());
  TraceEstimate estimate;
  estimate.quantile =
      statistics::student_quantile(options.confidence, static_cast<double>(options.first_probes - 1));
  const detail::Orthonormal q = detail::leading_directions(a, std::min(options.deflation, n), options.seed);
  const auto set_signs = [&](detail::Block& block, std::size_t c, std::uint64_t stream, double scale) {
    detail::fill_signs(block, c, options.seed, stream);
    std::vector<double> z = detail::column_of(block, c);
    q.remove_from(z);
    for (double& value : z) value *= scale;
    detail::set_column(block, c, z);
  };

  // A quarter of the tolerance is for the quadrature: half of that for Q, half for the probes. The line's
  // vector is as short as the directions beside it, so that they do not wait for it: a line needs few steps.
  const double share = options.tolerance / 8;
  const bool complete = q.size() == n;
  std::vector<LanczosMeasure> leading = detail::measures_of(
      a, f, 0, q.size() + (complete ? 0 : 1),
      {share / static_cast<double>(std::max<std::size_t>(1, q.size())), options.max_steps},
      [&](detail::Block& block, std::size_t c, std::size_t i) {
        if (i < q.size()) return detail::set_column(block, c, q[i]);
        set_signs(block, c, detail::pilot_stream, 1 / std::sqrt(static_cast<double>(n)));
      });
  estimate.steps = detail::most_steps(leading);
  const detail::Line line = complete ? detail::Line{} : detail::fitted_line(leading.back(), f);
  leading.resize(q.size());
  double rest = trace;  // tr P A P
  for (const LanczosMeasure& measure : leading) {
    estimate.value += measure.value();
    estimate.truncation += measure.half_width();
    rest -= measure.mean();
  }

  if (!complete) {
    std::vector<LanczosMeasure> probes;
    const auto draw_until = [&](std::size_t count) {
      const auto more = detail::measures_of(
          a, f, probes.size(), count, {share, options.max_steps},
          [&](detail::Block& block, std::size_t c, std::size_t i) { set_signs(block, c, i, 1); });
      probes.insert(probes.end(), more.begin(), more.end());
    };
    const auto sample = [&](const LanczosMeasure& m) {
      return m.value() - line.slope * m.mean() - line.constant * m.mass;
    };
    const auto mean = [&] {
      double sum = 0;
      for (const LanczosMeasure& measure : probes) sum += sample(measure);
      return sum / static_cast<double>(probes.size());
    };
    draw_until(options.first_probes);
    double square = 0;
    for (const double middle = mean(); const LanczosMeasure& measure : probes)
      square += (sample(measure) - middle) * (sample(measure) - middle);
    const double deviation = std::sqrt(square / static_cast<double>(options.first_probes - 1));
    const double truncation = std::max(share, detail::mean_half_width(probes)) + estimate.truncation;
    const double sampling = std::max(options.tolerance - truncation, options.tolerance / 2);
    const double needed = std::pow(estimate.quantile * deviation / sampling, 2);  // 0 / 0: no more
    if (needed > static_cast<double>(options.first_probes))
      draw_until(needed < static_cast<double>(options.max_probes)
                     ? static_cast<std::size_t>(std::ceil(needed))
                     : options.max_probes);
    estimate.probes = probes.size();
    estimate.steps = std::max(estimate.steps, detail::most_steps(probes));
    estimate.value += line.slope * rest + line.constant * static_cast<double>(n - q.size()) + mean();
    estimate.truncation += detail::mean_half_width(probes);
    estimate.standard_error = deviation / std::sqrt(static_cast<double>(probes.size()));
  }
  estimate.converged = estimate.error() <= options.tolerance;
  return estimate;
}

}  // namespace fedval::linalg
