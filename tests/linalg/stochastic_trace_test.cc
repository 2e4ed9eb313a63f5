#include "fedval/linalg/stochastic_trace.hpp"

#include <doctest/doctest.h>

#include <Eigen/Eigenvalues>

#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval::linalg;
using fedval::tests::complaint_of;
using Block = Eigen::Matrix<double, Eigen::Dynamic, block_width, Eigen::RowMajor>;

namespace {

constexpr std::uint64_t seed = 72;

struct Dense {
  Eigen::MatrixXd matrix;
  std::size_t size() const { return static_cast<std::size_t>(matrix.rows()); }
  void apply(std::span<const double> in, std::span<double> out) const {
    Eigen::Map<Block>(out.data(), matrix.rows(), block_width) =
        matrix * Eigen::Map<const Block>(in.data(), matrix.rows(), block_width);
  }
};

Eigen::MatrixXd covariance(fedval::random::Stream& stream, Eigen::Index n, double decay) {
  Eigen::MatrixXd g(n, n);
  for (double& value : g.reshaped()) value = stream.normal();
  for (Eigen::Index i = 0; i < n; ++i) g.row(i) *= std::pow(1.0 + static_cast<double>(i), -decay);
  Eigen::VectorXd v(n);
  for (int reflection = 0; reflection < 5; ++reflection) {
    for (double& value : v) value = stream.normal();
    v.normalize();
    g -= 2.0 * v * (v.transpose() * g).eval();
  }
  return g * g.transpose() / g.squaredNorm();
}

const auto root = [](double x) { return std::sqrt(x); };

double exact(const Eigen::MatrixXd& a) {
  return Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(a, Eigen::EigenvaluesOnly)
      .eigenvalues()
      .cwiseMax(0.0)
      .cwiseSqrt()
      .sum();
}

}  // namespace

TEST_CASE("a linear function has no error: its trace is known") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed);
  const Dense a{covariance(stream, 90, 0.5)};
  for (const std::size_t deflation : {0, 5, 20}) {
    CAPTURE(deflation);
    const TraceEstimate estimate = stochastic_trace(a, [](double x) { return 3 * x + 2; }, 1,
                                                    {.tolerance = 1e-9, .deflation = deflation});
    CHECK(estimate.value == doctest::Approx(3.0 + 2 * 90).epsilon(1e-12));
    CHECK(estimate.error() < 1e-9);
    CHECK(estimate.converged);
    CHECK(estimate.probes == 8);
  }
}

TEST_CASE("directions that span everything leave nothing to chance") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 1);
  for (const Eigen::Index n : {1, 2, 7, 30}) {
    CAPTURE(n);
    const Eigen::MatrixXd a = covariance(stream, n, 0.5);
    const TraceEstimate estimate = stochastic_trace(Dense{a}, root, 1, {.tolerance = 1e-6});
    CHECK(estimate.probes == 0);
    CHECK(estimate.standard_error == 0);
    CHECK(estimate.converged);
    CHECK(std::abs(estimate.value - exact(a)) < 2e-6);
  }
}

TEST_CASE("the mean over seeds is the trace: no bias") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 2);
  const Eigen::MatrixXd a = covariance(stream, 80, 1.0);
  const Dense operation{a};
  const double value = exact(a);
  for (const std::size_t deflation : {0, 8}) {
    CAPTURE(deflation);
    constexpr int seeds = 400;
    double sum = 0, square = 0, claimed = 0;
    for (std::uint64_t s = 0; s < seeds; ++s) {
      const TraceEstimate estimate = stochastic_trace(
          Dense{a}, root, 1,
          {.tolerance = 5e-3 * value, .first_probes = 4, .max_probes = 4, .deflation = deflation, .seed = s});
      sum += estimate.value - value;
      square += std::pow(estimate.value - value, 2);
      claimed += std::pow(estimate.standard_error, 2);
    }
    // Five standard deviations: one run in two million.
    CHECK(std::abs(sum / seeds) < 5 * std::sqrt(square / seeds / seeds));
    // The mean squared deviation is what standard_error^2 estimates; both are means over 400 seeds of terms
    // whose deviation is about twice their mean (skewed chi-squares), so their ratio is 1 +- 5 * 2 / 20
    // * 1.4.
    CHECK(square / claimed > 0.3);
    CHECK(square / claimed < 1.7);
  }
}

TEST_CASE("more probes until the tolerance, and an honest word when they run out") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 3);
  const Eigen::MatrixXd a = covariance(stream, 120, 0.3);
  const double value = exact(a);
  TraceOptions options{.tolerance = 0.02 * value, .max_probes = 5000, .deflation = 15, .seed = 1};
  const TraceEstimate loose = stochastic_trace(Dense{a}, root, 1, options);
  options.tolerance /= 4;
  const TraceEstimate tight = stochastic_trace(Dense{a}, root, 1, options);
  CHECK(loose.converged);
  CHECK(tight.converged);
  CHECK(loose.error() <= 0.02 * value);
  CHECK(tight.error() <= options.tolerance);
  CHECK(tight.probes > loose.probes);
  options.max_probes = 16;
  const TraceEstimate stopped = stochastic_trace(Dense{a}, root, 1, options);
  CHECK(stopped.probes == 16);
  CHECK_FALSE(stopped.converged);
  CHECK(stopped.error() > options.tolerance);
  options.max_steps = 2;
  const TraceEstimate coarse = stochastic_trace(Dense{a}, root, 1, options);
  CHECK(coarse.steps == 2);
  CHECK_FALSE(coarse.converged);
  CHECK(coarse.truncation > stopped.truncation);
  CHECK(std::abs(coarse.value - value) < coarse.error());
}

TEST_CASE("misuse is an error") {
  const Dense a{Eigen::MatrixXd::Identity(3, 3)};
  const auto complaint = [&](const TraceOptions& options) {
    return complaint_of([&] { stochastic_trace(a, root, 3, options); });
  };
  CHECK(complaint({.first_probes = 3}) == "stochastic_trace: first_probes is 3, needs at least 4");
  CHECK(complaint({.max_probes = 5}) == "stochastic_trace: max_probes is 5, below first_probes, 8");
  CHECK(complaint({.tolerance = -1}) == "stochastic_trace: tolerance is -1, must be at least 0");
  CHECK(complaint({.confidence = 1}) == "quantile: a confidence of 1, must be between 0 and 1");
  CHECK(complaint({.max_steps = 0}) == "lanczos_quadrature: max_steps is 0");
  // Squares of 1e-200 are no numbers: what was stated to be exact was 4 % off.
  for (const double trace : {std::nan(""), -3.0, 3e-200})
    CHECK(
        complaint_of([&] { stochastic_trace(a, root, trace); }).starts_with("stochastic_trace: a trace of "));
  // One that is small beside others is none of these.
  Eigen::MatrixXd mixed = 1e-160 * Eigen::MatrixXd::Identity(10, 10);
  mixed(0, 0) = 1;
  CHECK(stochastic_trace(Dense{mixed}, root, 1).value == doctest::Approx(1));
}
