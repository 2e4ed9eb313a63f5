// Optimisers reach a stated gap within a stated number of queries: Rosenbrock's valley, a noisy quadratic of
// 1000 dimensions, logistic regression by mini-batches. The budgets are 1.5 times what the slowest of the
// seeds took when these tests were written; an estimate of a wrong scale, or a step with another memory,
// takes longer or never arrives.
#include <doctest/doctest.h>

#include "fedval/tensor/std.hpp"
#include "fedval/zeroth_order/minimise.hpp"
#include "fedval/zeroth_order/variance_reduced.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using namespace fedval::zeroth_order;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 3061;

/// Runs from `start` until truth(x) is at most `gap`, which the loop looks at for free every few steps.
template <class F, class Truth, class S>
void check_reaches(F&& f, Truth&& truth, const Values& start, const S& step, GradientOptions options,
                   double gap, std::size_t budget, int seeds = 3) {
  CAPTURE(S::name);
  CAPTURE(start.size());
  for (int run = 0; run < seeds; ++run) {
    options.seed = seed + static_cast<std::uint64_t>(run);
    CAPTURE(options.seed);
    Values x = start;
    S fresh = step;
    Stop stop{.queries = budget, .value = gap, .look_every = 10};
    stop.evaluate = [&] { return truth(x); };
    const auto found = minimise(f, x, fresh, options, stop);
    CAPTURE(found.queries);
    CAPTURE(found.best_value);
    CHECK(found.stopped_by == "value");
    CHECK(found.queries <= budget);
    CHECK(truth(x) <= gap);
  }
}

double rosenbrock(const Values& x) {
  double sum = 0;
  for (std::size_t i = 0; i + 1 < x.size(); ++i) {
    const double a = x[i + 1] - x[i] * x[i], b = 1 - x[i];
    sum += 100 * a * a + b * b;
  }
  return sum;
}

/// (-1.2, 1, -1.2, 1, ...), the classical start.
Values classical_start(std::size_t d) {
  Values x;
  for (std::size_t i = 0; i < d; ++i) x.push_back(i % 2 == 0 ? -1.2 : 1);
  return x;
}

/// f(x) = sum h_i x_i^2 / 2, h from 1 down to 1/100: condition 100; each call with noise of its sample.
struct NoisyQuadratic {
  Values h;
  double deviation;

  NoisyQuadratic(std::size_t d, double noise) : deviation(noise) {
    for (std::size_t i = 0; i < d; ++i)
      h.push_back(std::pow(100.0, -static_cast<double>(i) / static_cast<double>(d - 1)));
  }
  double truth(const Values& x) const {
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) sum += h[i] * x[i] * x[i] / 2;
    return sum;
  }
  double operator()(const Values& x, Sample sample) const {
    random::Stream noise(sample.number);
    return truth(x) + deviation * noise.normal();
  }
};

/// Logistic loss with a small ridge, of labels that a random vector gives by chance; and its minimum, by
/// gradient descent with known gradients.
class Logistic {
 public:
  static constexpr std::size_t rows = 400, columns = 20, batches = 20, batch = rows / batches;

  Logistic() {
    random::Stream stream(seed, 1);
    data_ = tests::normals(stream, rows * columns);
    const Values truth = tests::normals(stream, columns);
    for (std::size_t k = 0; k < rows; ++k) {
      const double z = product(truth, k);
      if (stream.uniform() < 1 / (1 + std::exp(z)))
        for (std::size_t i = 0; i < columns; ++i) data_[k * columns + i] *= -1;  // the other label
    }
    Values x(columns, 0.0);
    for (int t = 0; t < 3000; ++t) {  // the ridge alone shrinks the gap by 0.995 a step
      Values g = x;
      for (double& entry : g) entry *= ridge;
      for (std::size_t k = 0; k < rows; ++k) {
        const double weight = -1 / (1 + std::exp(product(x, k))) / rows;
        for (std::size_t i = 0; i < columns; ++i) g[i] += weight * data_[k * columns + i];
      }
      for (std::size_t i = 0; i < columns; ++i) x[i] -= 0.5 * g[i];
    }
    for (std::size_t k = 0; k < rows; ++k) least_ += loss(x, k) / rows;
  }

  double gap(const Values& x) const {
    double sum = 0;
    for (std::size_t k = 0; k < rows; ++k) sum += loss(x, k) / rows;
    return sum - least_;
  }
  /// A mini-batch that the sample draws.
  auto drawn() const {
    return [this](const Values& x, Sample sample) {
      random::Stream stream(sample.number);
      double sum = 0;
      for (std::size_t k = 0; k < batch; ++k) sum += loss(x, stream.below(rows));
      return sum / batch;
    };
  }
  /// Mini-batch number `sample` modulo their count, of those that the rows are cut into.
  auto numbered() const {
    return [this](const Values& x, Sample sample) {
      double sum = 0;
      for (std::size_t k = 0; k < batch; ++k) sum += loss(x, sample.number % batches * batch + k);
      return sum / batch;
    };
  }

 private:
  static constexpr double ridge = 0.01;

  double product(const Values& x, std::size_t row) const {
    double sum = 0;
    for (std::size_t i = 0; i < columns; ++i) sum += data_[row * columns + i] * x[i];
    return sum;
  }
  double loss(const Values& x, std::size_t row) const {
    double square = 0;
    for (const double v : x) square += v * v;
    return std::log1p(std::exp(-product(x, row))) + ridge / 2 * square;
  }

  Values data_;
  double least_ = 0;
};

}  // namespace

TEST_CASE("Rosenbrock's valley in 2 dimensions, from 24.2 to 0.001") {
  const Values start = classical_start(2);
  const GradientOptions exact{.directions = orthogonal(2)}, random{.directions = sphere(2)};
  const auto check = [&](const auto& step, const GradientOptions& options, std::size_t budget) {
    check_reaches(rosenbrock, rosenbrock, start, step, options, 1e-3, budget);
  };
  check(Sgd({.rate = 1e-3}), exact, 39300);
  check(Sgd({.rate = 1e-3, .momentum = 0.9}), exact, 3420);
  check(Sgd({.rate = 1e-3, .momentum = 0.9, .nesterov = true}), exact, 3660);
  check(Sgd({.rate = 5e-4, .momentum = 0.9}), random, 8340);
  check(Adam({.rate = 0.02}), random, 14640);
  check(AdaMm({.rate = 0.05}), random, 9540);
}

TEST_CASE("Rosenbrock's valley in 10 dimensions, from 1927 to 0.001") {
  // Past the local minimum near (-1, 1, ..., 1), of 3.99, where too cautious a descent ends.
  const Values start = classical_start(10);
  const GradientOptions options{.directions = orthogonal(10)};
  const auto check = [&](const auto& step, std::size_t budget) {
    check_reaches(rosenbrock, rosenbrock, start, step, options, 1e-3, budget);
  };
  check(Sgd({.rate = 5e-4, .momentum = 0.9}), 36600);
  check(Adam({.rate = 0.01, .beta2 = 0.99}), 39300);
  check(AdaMm({.rate = 0.05}), 84600);
}

TEST_CASE("a noisy quadratic in 1000 dimensions, condition 100, to a twentieth of the start") {
  random::Stream stream(seed, 2);
  const Values start = tests::normals(stream, 1000);
  const auto check = [&](const NoisyQuadratic& f, const auto& step, const GradientOptions& options,
                         std::size_t budget) {
    const auto truth = [&](const Values& x) { return f.truth(x); };
    check_reaches(f, truth, start, step, options, f.truth(start) / 20, budget, 1);
  };
  SUBCASE("noise that is the same at both ends of a difference, half of f at the goal") {
    const NoisyQuadratic f(1000, 2);
    const GradientOptions options{.directions = sphere(16), .smoothing = 1e-2};
    check(f, Sgd({.rate = 2e-3, .momentum = 0.9}), options, 23040);
    check(f, Sign(1e-2), options, 38880);
    check(f, Adam({.rate = 1e-2}), options, 56160);
    check(f, AdaMm({.rate = 2e-2}), options, 15840);
  }
  SUBCASE("noise of every call, and a radius that outweighs it") {
    const NoisyQuadratic f(1000, 0.1);
    const GradientOptions options{.directions = sphere(16), .smoothing = 1.0, .common_random_numbers = false};
    check(f, Sgd({.rate = 1e-3, .momentum = 0.9}), options, 46080);
    check(f, Adam({.rate = 1e-2}), options, 64320);
    check(f, AdaMm({.rate = 1e-2}), options, 33600);
  }
}

TEST_CASE("logistic regression by mini-batches, from a gap near 0.4 to 0.01") {
  const Logistic problem;
  const auto check = [&](const auto& step, std::size_t budget) {
    check_reaches(
        problem.drawn(), [&](const Values& x) { return problem.gap(x); }, Values(Logistic::columns, 0.0),
        step, {.directions = sphere(4), .smoothing = 1e-3}, 0.01, budget);
  };
  check(Sgd({.rate = 0.1}), 8760);
  check(Sgd({.rate = 0.01, .momentum = 0.9}), 8880);
  check(Sign(0.005), 14760);
  check(Adam({.rate = 0.02}), 8880);
  check(AdaMm({.rate = 0.02, .beta2 = 0.9}), 8160);
}

TEST_CASE("variance reduction beats plain descent at equal queries, at any of its rates") {
  // Plain descent stalls where its mini-batches disagree, at a gap near its rate; differences of two points
  // that come together disagree less and less.
  const Logistic problem;
  constexpr std::size_t budget = 40000;
  for (std::uint64_t run = 0; run < 2; ++run) {
    const GradientOptions options{.directions = orthogonal(10), .smoothing = 1e-3, .seed = seed + run};
    const auto gap_of = [&](double rate, auto estimator) {
      Values x(Logistic::columns, 0.0);
      Sgd step({.rate = rate});
      Stop stop{.queries = budget};
      stop.evaluate = [&] { return problem.gap(x); };
      return minimise(problem.numbered(), x, step, estimator, stop).value;
    };
    double plain = 1;
    for (const double rate : {0.01, 0.03, 0.1, 0.3})
      plain = std::min(plain, gap_of(rate, Estimator(options)));
    const double reduced = gap_of(0.3, VarianceReduced<Values>({.estimate = options,
                                                                .snapshot_directions = orthogonal(20),
                                                                .components = Logistic::batches,
                                                                .period = 20}));
    CAPTURE(plain);
    CAPTURE(reduced);
    CHECK(reduced < plain / 30);
  }
}
