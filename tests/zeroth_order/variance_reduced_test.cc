// ZO-SVRG: no bias over a finite sum, exact agreement with the snapshot where x is there, and noise that
// falls as x nears it.
#include "fedval/zeroth_order/variance_reduced.hpp"

#include <functional>
#include <stdexcept>

#include "tests/support/complaint.hpp"
#include "tests/zeroth_order/estimates.hpp"

using namespace fedval;
using namespace fedval::zeroth_order;
using tests::bits;
using tests::complaint_of;
using tests::Mean;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 2089;
constexpr std::size_t d = 4, components = 3;

/// The mean of three quadratics: f_s, s = 0, 1, 2.
struct Sum {
  std::vector<tests::Quadratic> parts;
  double operator()(const Values& x, Sample sample) const { return parts.at(sample.number)(x); }
  Values gradient(const Values& x) const {
    Values mean(d, 0.0);
    for (const tests::Quadratic& part : parts) axpy(1.0 / components, part.gradient(x), mean);
    return mean;
  }
};

Sum quadratics() {
  random::Stream stream(seed);
  Sum sum;
  for (std::size_t s = 0; s < components; ++s) sum.parts.push_back(tests::random_quadratic(stream, d));
  return sum;
}

VarianceReducedOptions options_of(const Directions& directions, const Directions& snapshot,
                                  std::size_t period, std::uint64_t with = seed) {
  VarianceReducedOptions options;
  options.estimate.directions = directions;
  options.estimate.smoothing = 0.25;
  options.estimate.seed = with;
  options.snapshot_directions = snapshot;
  options.components = components;
  options.period = period;
  return options;
}

Values moved(const Values& x, double distance) {
  Values result = x;
  for (std::size_t i = 0; i < d; ++i) result[i] += (i % 2 == 0 ? distance : -distance) / 2;
  return result;
}

/// Mean squared error of the estimate one step after the snapshot, `distance` away from it.
double squared_error(const Sum& f, double distance) {
  const Values x{0.3, -1, 2, 0.7}, y = moved(x, distance), exact = f.gradient(y);
  Mean mean;
  for (std::uint64_t run = 0; run < 2000; ++run) {
    VarianceReduced<Values> estimator(options_of(sphere(2), coordinates(d), 10, run));
    estimator(f, x);
    mean.add(tests::distance_squared(estimator(f, y).gradient, exact));
  }
  return mean.value();
}

}  // namespace

TEST_CASE("at the snapshot the estimate is the snapshot's, to the bit") {
  const Sum f = quadratics();
  const Values x{0.3, -1, 2, 0.7};
  for (const Difference& difference : {forward, central, five_point})
    for (const Directions& directions : {sphere(3), gaussian(2), orthogonal(4), hadamard(3)}) {
      CAPTURE(difference.name);
      CAPTURE(directions.name);
      VarianceReducedOptions options = options_of(directions, gaussian(7), 4);
      options.estimate.difference = difference;
      VarianceReduced<Values> estimator(options);
      const Gradient<Values> first = estimator(f, x);
      CHECK(first.slopes == Values(directions.count, 0.0));
      for (int step = 1; step < 4; ++step) {
        const Gradient<Values> again = estimator(f, x);
        CHECK(again.gradient == first.gradient);
        CHECK(again.slopes == Values(directions.count, 0.0));
      }
      CHECK(bits(estimator(f, x).gradient) != bits(first.gradient));  // a new snapshot, of other directions
    }
}

TEST_CASE("the snapshot's estimate is of all functions: exact along coordinates") {
  const Sum f = quadratics();
  const Values x{0.3, -1, 2, 0.7}, exact = f.gradient(x);
  VarianceReduced<Values> estimator(options_of(sphere(1), coordinates(d), 10));
  const Values g = estimator(f, x).gradient;
  // Values are within 100 or so, each off by their sums' roundings; a central slope is 4 of these off.
  for (std::size_t i = 0; i < d; ++i)
    CHECK(std::abs(g[i] - exact[i]) < 100 * 4 * tests::sum_bound(2 * d + 4));
}

TEST_CASE("no bias over the functions and the directions, away from the snapshot") {
  CAPTURE(seed);
  const Sum f = quadratics();
  const Values x{0.3, -1, 2, 0.7}, y = moved(x, 1.5), exact = f.gradient(y);
  for (const Difference& difference : {forward, central})
    for (const Directions& snapshot : {sphere(5), coordinates(d)}) {
      if (difference.name == "forward" && snapshot.name == "coordinates") continue;  // e_j has no -e_j
      CAPTURE(difference.name);
      CAPTURE(snapshot.name);
      std::vector<Mean> means(d);
      for (std::uint64_t run = 0; run < 4000; ++run) {
        VarianceReducedOptions options = options_of(sphere(2), snapshot, 10, run);
        options.estimate.difference = difference;
        VarianceReduced<Values> estimator(options);
        estimator(f, x);
        const Values g = estimator(f, y).gradient;
        for (std::size_t i = 0; i < d; ++i) means[i].add(g[i]);
      }
      for (std::size_t i = 0; i < d; ++i) tests::check_unbiased(means[i], exact[i]);
    }
}

TEST_CASE("the error falls with the square of the distance to the snapshot, down to nothing") {
  // The same directions and the same function at both points: D(x) - D(x~) is linear in x - x~ for quadratics
  // and central differences, so that a quarter of the distance has a sixteenth of the squared error, with the
  // same draws exactly. Other directions or another function at the snapshot would leave a floor.
  CAPTURE(seed);
  const Sum f = quadratics();
  const double far = squared_error(f, 1), near = squared_error(f, 0.25), close = squared_error(f, 1.0 / 64);
  CHECK(far > 0.1);
  CHECK(near == doctest::Approx(far / 16).epsilon(1e-6));
  CHECK(close == doctest::Approx(far / 4096).epsilon(1e-6));
}

TEST_CASE("both points of a step are asked with the same sample and displacements; counts are as stated") {
  struct Call {
    Values x;
    std::uint64_t sample;
  };
  const Sum f = quadratics();
  const Values x{0.3, -1, 2, 0.7}, y = moved(x, 1);
  for (const Difference& difference : {forward, central}) {
    VarianceReducedOptions options = options_of(sphere(3), sphere(5), 2);
    options.estimate.difference = difference;
    QueryBudget budget(1000);
    options.estimate.budget = &budget;
    std::vector<Call> calls;
    const auto record = [&](const Values& at, Sample sample) {
      calls.push_back({at, sample.number});
      return f(at, sample);
    };
    VarianceReduced<Values> estimator(options);
    const std::size_t each = difference.name == "forward" ? 4 : 6,
                      whole = difference.name == "forward" ? 6 : 10;
    std::size_t before = 0;
    for (int step = 0; step < 6; ++step) {
      calls.clear();
      const std::size_t stated = estimator.queries(), expected = 2 * each + (step % 2 == 0 ? 3 * whole : 0);
      const Gradient<Values> found = estimator(record, step % 2 == 0 ? x : y);
      CHECK(calls.size() == expected);
      CHECK(stated == expected);
      CHECK(found.queries == expected);
      CHECK(budget.used() - before == expected);
      before = budget.used();
      CHECK(estimator.step() == static_cast<std::uint64_t>(step) + 1);
      const std::size_t first = expected - 2 * each;
      for (std::size_t k = 0; k < first; ++k) CHECK(calls[k].sample == k / whole);
      for (std::size_t k = 0; k < each; ++k) {
        const Call &here = calls[first + k], &there = calls[first + each + k];
        CHECK(here.sample == calls[first].sample);
        CHECK(there.sample == here.sample);
        CHECK(here.sample < components);
        for (std::size_t i = 0; i < d; ++i)
          CHECK(here.x[i] - there.x[i] == doctest::Approx(step % 2 == 0 ? 0 : y[i] - x[i]).epsilon(1e-12));
      }
    }
  }
}

TEST_CASE("functions are drawn alike") {
  // Counts of 3000 steps over three functions: within 5 sqrt(3000 x 2/9) of 1000.
  const Sum f = quadratics();
  std::vector<double> counts(components, 0.0);
  VarianceReduced<Values> estimator(options_of(sphere(1), sphere(1), 1000000));
  const Values x{0.3, -1, 2, 0.7};
  for (int step = 0; step < 3001; ++step) {
    std::uint64_t last = 0;
    estimator(
        [&](const Values& at, Sample sample) {
          last = sample.number;
          return f(at, sample);
        },
        x);
    if (step > 0) ++counts.at(last);
  }
  for (const double count : counts) CHECK(std::abs(count - 1000) < 5 * std::sqrt(3000 * 2.0 / 9));
}

TEST_CASE("options that cannot be, and failures that leave no trace") {
  const auto complaint = [](auto&& change) {
    VarianceReducedOptions options = options_of(sphere(2), sphere(3), 2);
    change(options);
    return complaint_of([&] {
      VarianceReduced<Values> estimator(options);
      estimator(quadratics(), Values(d, 1.0));
    });
  };
  using Options = VarianceReducedOptions;
  CHECK(complaint([](Options&) {}) == "no error");
  CHECK(complaint([](Options& o) { o.estimate.difference = residual; }) ==
        "zeroth_order: variance reduction has no use for residual differences");
  CHECK(complaint([](Options& o) { o.components = 0; }) ==
        "zeroth_order: variance reduction over 0 functions");
  CHECK(complaint([](Options& o) { o.period = 0; }) == "zeroth_order: a snapshot every 0 steps");
  CHECK(complaint([](Options& o) { o.estimate.smoothing = 0; }) ==
        "zeroth_order: a smoothing radius of 0 is not positive");
  CHECK(complaint([](Options& o) { o.estimate.smoothing = -1; }) ==
        "zeroth_order: a smoothing radius of -1 is not positive");
  CHECK(complaint([](Options& o) {
          o.estimate.difference = leave_one_out;
          o.snapshot_directions = sphere(1);
        }) == "zeroth_order: leave-one-out needs at least 2 directions");
  using Function = std::function<double(const Values&, Sample)>;
  VarianceReduced<Values> estimator(options_of(sphere(2), sphere(3), 2)), undisturbed = estimator;
  const Sum f = quadratics();
  const Values x(d, 1.0);
  const Function undefined = [](const Values&, Sample) { return std::nan(""); };
  CHECK(complaint_of([&] { estimator(undefined, x); }) == "zeroth_order: direction 0: f(x + 0.25 u) is NaN");
  CHECK(estimator.step() == 0);
  CHECK(bits(estimator(f, x).gradient) == bits(undisturbed(f, x).gradient));
  // The snapshot that a failed step would have taken is not kept: the next call takes its own, where it is.
  estimator(f, x);
  undisturbed(f, x);
  const Values y = moved(x, 1);
  const Function throws = [](const Values&, Sample) -> double { throw std::out_of_range("far"); };
  CHECK_THROWS_AS(estimator(throws, y), std::out_of_range);
  CHECK(bits(estimator(f, y).gradient) == bits(undisturbed(f, y).gradient));
}
