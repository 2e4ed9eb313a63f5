// How functions are asked: one by one or many at a time, with samples, within a budget, and counted.
#include <cmath>
#include <set>

#include "tests/support/complaint.hpp"
#include "tests/zeroth_order/estimates.hpp"

using namespace fedval;
using namespace fedval::zeroth_order;
using tests::bits;
using tests::complaint_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 2081;
constexpr std::size_t d = 4;

const Values at{0.3, -1, 2, 0.7};

/// Anything but symmetric, so that each difference and direction gives another value.
double curved(const Values& x) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += std::sin(static_cast<double>(i + 1) * x[i]) + x[i] * x[0];
  return sum;
}

/// `curved` with noise that the sample says.
double noisy(const Values& x, Sample sample) { return curved(x) + random::Stream(sample.number).normal(); }

std::vector<Difference> differences() {
  return {forward, central, five_point, one_point, leave_one_out, residual};
}

std::vector<Directions> laws(std::size_t m) {
  static const Values guide{1, 2, 3, 4};
  const std::vector<TensorView> guides{guide};
  return {gaussian(m),
          rademacher(m),
          sphere(m),
          l1_sphere(m),
          coordinates(m),
          coordinates(m, Replacement::with),
          orthogonal(m),
          orthogonal(m, Norms::chi),
          hadamard(m),
          guided(m, guides),
          guided(m, guides, {.alpha = 0.5, .unbiased = true})};
}

GradientOptions options_of(const Directions& directions, const Difference& difference) {
  return {.directions = directions, .difference = difference, .smoothing = 0.1, .seed = seed};
}

/// f(x) asked at x, 2 nodes or 4 or 1 along each of m directions, and m more before a first residual.
std::size_t expected_queries(const Difference& difference, std::size_t m, bool first) {
  if (difference.name == "forward") return m + 1;
  if (difference.name == "central") return 2 * m;
  if (difference.name == "five-point") return 4 * m;
  if (difference.name == "residual") return first ? 2 * m : m;
  return m;
}

}  // namespace

TEST_CASE("as many calls as are stated, for every law and difference") {
  for (const std::size_t m : {2UL, 4UL})
    for (const Difference& difference : differences())
      for (const Directions& directions : laws(m))
        for (const Combination combination :
             {Combination::plain, Combination::shrink, Combination::least_squares}) {
          GradientOptions options = options_of(directions, difference);
          options.combination = combination;
          const std::string label = tests::label_of(options, d);
          CAPTURE(label);
          QueryBudget budget(100);
          options.budget = &budget;
          std::size_t calls = 0;
          const auto counted = [&](const Values& x) {
            ++calls;
            return curved(x);
          };
          Estimator estimator(options);
          for (const bool first : {true, false}) {
            calls = 0;
            const std::size_t before = budget.used(), stated = estimator.queries(),
                              expected = expected_queries(difference, m, first);
            const auto found = estimator(counted, at);
            CHECK(calls == expected);
            CHECK(stated == expected);
            CHECK(found.queries == expected);
            CHECK(budget.used() - before == expected);
            CHECK(found.slopes.size() == m);
            CHECK(found.smoothing == 0.1);
            CHECK(found.value.has_value() == (difference.name == "forward"));
            if (found.value) CHECK(*found.value == curved(at));
          }
        }
}

TEST_CASE("a stencil of one's own that compares with the step before, f(x) and all") {
  // ([f(x_t + mu u_t) - f(x_t)] - [f(x_{t-1} + mu u_{t-1}) - f(x_{t-1})]) / mu: at its first step too.
  const Difference own{"own", {{0, -1}, {1, 1}}, Baseline::previous, 1};
  std::size_t calls = 0;
  const auto counted = [&](const Values& x) {
    ++calls;
    return curved(x);
  };
  Estimator estimator(options_of(sphere(2), own));
  const std::size_t stated = estimator.queries();
  const auto found = estimator(counted, at);
  CHECK(calls == stated);
  CHECK(found.slopes.size() == 2);
  for (const double slope : found.slopes) CHECK(std::abs(slope) < 100);
  Estimator constant(options_of(sphere(2), own));
  CHECK(constant([](const Values&) { return 7.0; }, at).slopes == Values{0, 0});
}

TEST_CASE("batched functions give the bits of one by one, whatever the size of a batch") {
  for (const Difference& difference : differences())
    for (const bool common : {true, false})
      for (const std::size_t m : {2UL, 4UL}) {
        GradientOptions options = options_of(gaussian(m), difference);
        options.common_random_numbers = common;
        CAPTURE(difference.name);
        Estimator one(options);
        const Values first = one(noisy, at).gradient, second = one(noisy, at).gradient;
        const Values plain = gradient(curved, at, options).gradient;
        for (const std::size_t batch : {0UL, 1UL, 2UL, 3UL, 5UL, 7UL, 64UL, 1000UL}) {
          CAPTURE(batch);
          options.batch = batch;
          std::size_t largest = 0, asked = 0;
          const auto many = [&](std::span<const Values> points, std::span<const Sample> samples) {
            REQUIRE(points.size() == samples.size());
            largest = std::max(largest, points.size());
            asked += points.size();
            Values values;
            for (std::size_t k = 0; k < points.size(); ++k) values.push_back(noisy(points[k], samples[k]));
            return values;
          };
          Estimator estimator(options);
          CHECK(bits(estimator(batched(many), at).gradient) == bits(first));
          CHECK(bits(estimator(batched(many), at).gradient) == bits(second));
          CHECK(largest <= std::max(batch, std::size_t{1}));
          CHECK(largest == std::clamp<std::size_t>(batch, 1, expected_queries(difference, m, false)));
          CHECK(asked == expected_queries(difference, m, true) + expected_queries(difference, m, false));
          const auto without = batched([](std::span<const Values> points) {
            Values values;
            for (const Values& point : points) values.push_back(curved(point));
            return values;
          });
          CHECK(bits(gradient(without, at, options).gradient) == bits(plain));
        }
      }
}

TEST_CASE("values of a batch may be any numbers, but as many as points") {
  const GradientOptions options = options_of(sphere(3), central);
  const auto floats =
      batched([](std::span<const Values> points) { return std::vector<float>(points.size(), 2.0F); });
  CHECK(gradient(floats, at, options).gradient == Values(d, 0.0));
  const auto of = [](std::size_t count) {
    return batched([count](std::span<const Values>) { return Values(count, 1.0); });
  };
  CHECK(complaint_of([&] { gradient(of(5), at, options); }) ==
        "zeroth_order: the function gave 5 values for 6 points");
  CHECK(complaint_of([&] { gradient(of(0), at, options); }) ==
        "zeroth_order: the function gave 0 values for 6 points");
}

TEST_CASE("common random numbers: one sample for all points of an estimate, or a new one for each") {
  for (const Difference& difference : differences())
    for (const bool common : {true, false}) {
      CAPTURE(difference.name);
      CAPTURE(common);
      GradientOptions options = options_of(sphere(4), difference);
      options.common_random_numbers = common;
      Estimator estimator(options);
      std::set<std::uint64_t> ever;
      for (int step = 0; step < 3; ++step) {
        std::vector<std::uint64_t> numbers;
        estimator(
            [&](const Values& x, Sample sample) {
              numbers.push_back(sample.number);
              return curved(x);
            },
            at);
        const std::set<std::uint64_t> different(numbers.begin(), numbers.end());
        const bool two_estimates = difference.name == "residual" && step == 0;
        CHECK(different.size() == (common ? (two_estimates ? 2 : 1) : numbers.size()));
        for (const std::uint64_t number : different) CHECK(ever.insert(number).second);
      }
    }
  // So noise that the sample alone decides cancels from a difference, to the rounding of f's sum.
  const GradientOptions options = options_of(sphere(4), central);
  const Values with = gradient(noisy, at, options).gradient, without = gradient(curved, at, options).gradient;
  for (std::size_t i = 0; i < d; ++i) CHECK(with[i] == doctest::Approx(without[i]).epsilon(1e-11));
}

TEST_CASE("a budget that is short is left as it is, and nothing is asked") {
  QueryBudget budget(13);
  GradientOptions options = options_of(sphere(2), central);
  options.budget = &budget;
  std::size_t calls = 0;
  const auto f = [&](const Values& x) {
    ++calls;
    return curved(x);
  };
  Estimator estimator(options);
  for (int step = 0; step < 3; ++step) estimator(f, at);
  CHECK(budget.used() == 12);
  CHECK(budget.left() == 1);
  CHECK(complaint_of([&] { estimator(f, at); }) == "zeroth_order: 4 queries are needed, 1 of 13 are left");
  CHECK(calls == 12);
  CHECK(budget.left() == 1);
  CHECK(estimator.step() == 3);
  options.directions = sphere(1);  // another estimator shares what is left, to the last
  options.difference = one_point;
  gradient(f, at, options);
  CHECK(budget.left() == 0);
  CHECK(complaint_of([&] { gradient(f, at, options); }) ==
        "zeroth_order: 1 queries are needed, 0 of 13 are left");
  QueryBudget first(3);
  GradientOptions compared = options_of(sphere(2), residual);
  compared.budget = &first;
  CHECK(complaint_of([&] { gradient(f, at, compared); }) ==
        "zeroth_order: 4 queries are needed, 3 of 3 are left");
}

TEST_CASE("the default radius follows the scalar type, the order, x and the direction's entries") {
  const auto radius = [](const auto& x, const Directions& directions, const Difference& difference) {
    GradientOptions options{.directions = directions, .difference = difference};
    return gradient([](const auto&) { return 1.0; }, x, options).smoothing;
  };
  const double eps = 0x1p-52;
  const Values small(16, 0.5), large(16, -3);
  CHECK(radius(small, gaussian(2), forward) == doctest::Approx(std::sqrt(eps)));
  CHECK(radius(small, gaussian(2), central) == doctest::Approx(std::cbrt(eps)));
  CHECK(radius(small, gaussian(2), five_point) == doctest::Approx(std::pow(eps, 0.2)));
  CHECK(radius(small, gaussian(2), leave_one_out) == doctest::Approx(std::sqrt(eps)));
  CHECK(radius(large, gaussian(2), central) == doctest::Approx(3 * std::cbrt(eps)));
  CHECK(radius(small, sphere(2), central) == doctest::Approx(4 * std::cbrt(eps)));
  CHECK(radius(small, hadamard(2), central) == doctest::Approx(std::cbrt(eps)));
  CHECK(radius(std::vector<float>(16, 0.5F), gaussian(2), central) == doctest::Approx(std::cbrt(0x1p-23)));
  for (const Difference& difference : {one_point, residual})
    CHECK(complaint_of([&] { radius(small, gaussian(2), difference); }) ==
          "zeroth_order: a " + difference.name + " difference needs a smoothing radius");
}
