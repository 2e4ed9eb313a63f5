// Steps in place: where f is asked, bit for bit; what a step leaves behind; and that exact restoring
// restores.
#include "fedval/zeroth_order/in_place.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <limits>

#include "fedval/tensor/std.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using namespace fedval::zeroth_order;
using tests::complaint_of;
using tests::Rounding;

namespace {

constexpr std::uint64_t seed = 3011;
constexpr double infinity = std::numeric_limits<double>::infinity();

template <class S>
constexpr double least = std::same_as<S, double> ? 0x1p-1074 : 2 * Rounding<S>::subnormal;
template <class S>
constexpr double largest = std::same_as<S, double>  ? std::numeric_limits<double>::max()
                           : std::same_as<S, float> ? 0x1.fffffep127
                           : std::same_as<S, Half>  ? 65504
                                                    : 0x1.fep127;

/// Entries of every kind: zeros of both signs, subnormal, tiny beside any step, huge, infinite, and ordinary.
template <class S>
std::vector<S> awkward(random::Stream& stream, std::size_t count) {
  const std::vector<double> special{0.0,       -0.0,       least<S>, -least<S>, 7 * least<S>, 1e-9,       1.0,
                                    -infinity, largest<S>, infinity, 1e30,      -1e30,        -largest<S>};
  std::vector<S> x;
  for (std::size_t i = 0; i < count; ++i) {
    const double ordinary = std::ldexp(stream.normal(), static_cast<int>(stream.below(50)) - 40);
    x.push_back(static_cast<S>(stream.below(2) == 0 ? special[stream.below(special.size())] : ordinary));
  }
  return x;
}

template <class S>
std::size_t differing(const std::vector<S>& a, const std::vector<S>& b) {
  REQUIRE(a.size() == b.size());
  std::size_t count = 0;
  for (std::size_t i = 0; i < a.size(); ++i)  // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): bits
    count += std::memcmp(&a[i], &b[i], sizeof(S)) != 0 ? 1U : 0U;
  return count;
}

std::vector<float> numbers_of(const Direction& direction, std::size_t d) {
  const auto& generated = std::get<Generated>(direction);
  std::vector<float> numbers(d);
  random::fill(generated.sequence, numbers, generated.begin);
  return numbers;
}

/// x + sum_i coefficients[i] numbers[i], summed in double in this order, rounded once.
template <class S>
std::vector<S> moved(const std::vector<S>& x, const std::vector<float>& coefficients,
                     const std::vector<std::vector<float>>& numbers) {
  std::vector<S> result;
  for (std::size_t e = 0; e < x.size(); ++e) {
    auto sum = static_cast<double>(x[e]);
    for (std::size_t i = 0; i < coefficients.size(); ++i)
      sum += static_cast<double>(coefficients[i]) * static_cast<double>(numbers[i][e]);
    result.push_back(static_cast<S>(sum));
  }
  return result;
}

/// Calls visit(options) for all laws, differences, numbers of directions, and radii from small to absurd.
template <class Visit>
void for_each_case(std::size_t d, Visit&& visit) {
  for (const Difference& difference : {forward, central, five_point, leave_one_out})
    for (const std::size_t m : {1UL, 2UL, 3UL, 5UL})
      for (const Directions& law : {gaussian(m), rademacher(m), sphere(m), l1_sphere(m), hadamard(m)})
        for (const double mu : {1e-3, 30.0, 1e20}) {
          if (difference.baseline == Baseline::others && m < 2) continue;
          if (law.name == "hadamard" && m > std::bit_ceil(d)) continue;
          CAPTURE(law.name);
          CAPTURE(difference.name);
          CAPTURE(m);
          CAPTURE(d);
          CAPTURE(mu);
          visit(InPlaceOptions{law, difference, Combination::plain, mu, 1e-2, seed, true});
        }
}

/// One exact step on x against what was written down above it: each point, slope, coefficient and the end.
template <class S>
void check_step(const InPlaceOptions& options, const std::vector<S>& start, random::Stream& stream) {
  const std::size_t d = start.size(), m = options.directions.count;
  const Draw draw = options.directions.draw(d, {seed, 0});
  std::vector<std::vector<S>> points;
  if (options.difference.asks_point()) points.push_back(start);
  std::vector<std::vector<float>> answers;
  for (std::size_t i = 0; i < m; ++i) {
    const std::vector<float> numbers = numbers_of(draw.probes[i], d);
    answers.push_back(numbers_of(draw.weighed()[i], d));
    for (const Node& node : options.difference.nodes) {
      const double step = node.offset * options.smoothing * std::get<Generated>(draw.probes[i]).factor;
      if (node.offset != 0) points.push_back(moved(start, {static_cast<float>(step)}, {numbers}));
    }
  }
  std::vector<S> x = start;
  std::vector<double> values;
  InPlace descent(options);
  const InPlaceStep step = descent(
      [&] {
        REQUIRE(values.size() < points.size());
        CHECK(differing(x, points[values.size()]) == 0);
        values.push_back(stream.normal());
        return values.back();
      },
      x);
  CHECK(values.size() == points.size());
  CHECK(step.queries == points.size());
  CHECK(step.record.step == 0);
  CHECK(descent.step() == 1);
  CHECK(step.value.has_value() == options.difference.asks_point());
  if (step.value) CHECK(*step.value == values.front());

  // Slopes by their definition: sums of at most m + 4 values, rounded in double; a coefficient in float.
  std::size_t next = options.difference.asks_point() ? 1 : 0;
  std::vector<long double> stencils(m, 0);
  long double sum = 0, magnitude = 0;
  for (std::size_t i = 0; i < m; ++i) {
    for (const Node& node : options.difference.nodes) {
      const double value = node.offset == 0 ? values.front() : values[next++];
      stencils[i] += static_cast<long double>(node.weight) * value;
      magnitude += std::abs(node.weight * value);
    }
    sum += stencils[i];
  }
  REQUIRE(step.slopes.size() == m);
  REQUIRE(step.record.coefficients.size() == m);
  for (std::size_t i = 0; i < m; ++i) {
    const auto others = static_cast<long double>(m - 1);
    const long double base =
        options.difference.baseline == Baseline::others ? (sum - stencils[i]) / others : 0;
    const auto slope = static_cast<double>((stencils[i] - base) / options.smoothing);
    CHECK(std::abs(step.slopes[i] - slope) <=
          tests::sum_bound(m + 6) * static_cast<double>(magnitude) / options.smoothing);
    const double coefficient = -options.rate * draw.scale / static_cast<double>(m) * step.slopes[i] *
                               std::get<Generated>(draw.weighed()[i]).factor;
    CHECK(std::abs(static_cast<double>(step.record.coefficients[i]) - coefficient) <=
          (0x1p-24 + 4 * 0x1p-53) * std::abs(coefficient) + 0x1p-150);
  }
  CHECK(differing(x, moved(start, step.record.coefficients, answers)) == 0);
}

template <class S>
void check_steps() {
  CAPTURE(seed);
  random::Stream stream(seed, sizeof(S));
  for (const std::size_t d : {1UL, 130UL, 2100UL}) {
    const std::vector<S> start = awkward<S>(stream, d);
    for_each_case(d, [&](const InPlaceOptions& options) { check_step(options, start, stream); });
  }
}

/// Fails at call number `bad` by a value or, where there is none, by an exception.
struct Failing {
  std::size_t& calls;
  std::size_t bad;
  std::optional<double> value;
  double operator()() const {
    if (calls++ != bad) return 1 + static_cast<double>(calls);
    if (!value) throw std::string("no electricity");
    return *value;
  }
};

/// Every call of a step fails once, in every way. after(x) sees what is left.
template <class S, class After>
void for_each_failure(const InPlaceOptions& options, const std::vector<S>& start, After&& after) {
  const std::size_t calls_of_step = options.difference.queries(options.directions.count);
  for (std::size_t bad = 0; bad < calls_of_step; ++bad)
    for (const std::optional<double>& value :
         {std::optional<double>(), std::optional(std::nan("")), std::optional(-infinity)}) {
      CAPTURE(bad);
      std::vector<S> x = start;
      InPlace descent(options);
      std::size_t calls = 0;
      bool threw = false;
      try {
        descent(Failing{calls, bad, value}, x);
      } catch (const Error&) {
        threw = value.has_value();
      } catch (const std::string& what) {
        threw = !value && what == "no electricity";
      }
      CHECK(threw);
      CHECK(calls == bad + 1);
      CHECK(descent.step() == 0);
      after(x);
    }
}

template <class S>
void check_failures() {
  CAPTURE(seed);
  random::Stream stream(seed, 16 + sizeof(S));
  const std::vector<S> start = awkward<S>(stream, 700);
  for_each_case(start.size(), [&](const InPlaceOptions& options) {
    for_each_failure(options, start, [&](const std::vector<S>& x) { CHECK(differing(x, start) == 0); });
  });
}

/// The points of a step, the last one its end; values by the number of the call.
template <class S>
std::vector<std::vector<S>> points_of(const InPlaceOptions& options, std::vector<S> x) {
  std::vector<std::vector<S>> points;
  InPlace descent(options);
  const auto f = [&] { return points.push_back(x), std::sin(static_cast<double>(points.size())); };
  descent(f, x);
  points.push_back(x);
  return points;
}

/// Without exact restoring: at most P passes, each of which rounds once to S a number of at most |x| + |step|
/// + |end|, and a few times in double; one more rounding is the exact walk's. (1 + 2^-6 is for the drift of
/// |x| itself.)
template <class S>
void check_drift() {
  CAPTURE(seed);
  random::Stream stream(seed, 32 + sizeof(S));
  const std::vector<double> start = tests::rounded<S>(tests::normals(stream, 700));
  std::vector<S> typed;
  for (const double value : start) typed.push_back(static_cast<S>(value));
  for_each_case(start.size(), [&](InPlaceOptions options) {
    if (options.smoothing > 1e3) return;
    options.exact_restore = false;
    const Draw draw = options.directions.draw(start.size(), {seed, 0});
    double step = 0, offset = 0;
    for (const Node& node : options.difference.nodes) offset = std::max(offset, std::abs(node.offset));
    for (const Direction& probe : draw.probes)
      for (const float z : numbers_of(probe, start.size()))
        step = std::max(step, std::abs(offset * options.smoothing * std::get<Generated>(probe).factor *
                                       static_cast<double>(z)));
    const double passes = static_cast<double>(options.difference.queries(options.directions.count)) + 1;
    const auto check_near = [&](const std::vector<S>& x, const std::vector<S>& expected) {
      double worst = 0;
      for (std::size_t e = 0; e < x.size(); ++e) {
        const auto goal = static_cast<double>(expected[e]);
        const double size = std::abs(start[e]) + step + std::abs(goal);
        const double bound =
            (passes + 1) * ((1 + 0x1p-6) * (Rounding<S>::relative + 0x1p-52) * size + Rounding<S>::subnormal);
        worst = std::max(worst, std::abs(static_cast<double>(x[e]) - goal) / bound);
      }
      CHECK(worst <= 1);
    };
    for_each_failure(options, typed, [&](const std::vector<S>& x) { check_near(x, typed); });
    const auto points = points_of(options, typed);
    options.exact_restore = true;
    const auto exact = points_of(options, typed);
    REQUIRE(points.size() == exact.size());
    for (std::size_t k = 0; k < points.size(); ++k) check_near(points[k], exact[k]);
  });
}

}  // namespace

TEST_CASE("exact steps: every point is x + o mu u rounded once, and the end x + the record's coefficients") {
  check_steps<double>();
  check_steps<float>();
  check_steps<Half>();
  check_steps<BFloat16>();
}

TEST_CASE("pieces longer than what is worked on together") {
  random::Stream stream(seed, 3);
  const std::vector<float> start = awkward<float>(stream, 70 * 2048 + 5);
  for (const Directions& law : {gaussian(2), rademacher(2)})
    check_step({law, central, Combination::plain, 1e-3, 1e-2, seed, true}, start, stream);
}

TEST_CASE("a step of coefficients zero leaves every bit, the sign of a zero too") {
  CAPTURE(seed);
  random::Stream stream(seed, 4);
  const auto check = [&]<class S>(S) {
    const std::vector<S> start = awkward<S>(stream, 700);
    for_each_case(start.size(), [&](InPlaceOptions options) {
      std::vector<S> x = start;
      InPlace flat(options);
      for (int t = 0; t < 2; ++t) flat([] { return 0.5; }, x);
      CHECK(differing(x, start) == 0);
      options.rate = 1e-100;  // no float is as small
      InPlace slow(options);
      slow([&] { return stream.normal(); }, x);
      CHECK(differing(x, start) == 0);
    });
  };
  check(double{});
  check(float{});
  check(Half{});
  check(BFloat16{});
}

TEST_CASE("exact restoring: whatever f does wrong, and at whatever call, every bit comes back") {
  check_failures<double>();
  check_failures<float>();
  check_failures<Half>();
  check_failures<BFloat16>();
}

TEST_CASE("NaNs come back with their payloads") {
  std::vector<float> x{std::bit_cast<float>(0x7fc12345U), 1, std::bit_cast<float>(0xffc00007U)};
  const std::vector<float> start = x;
  InPlace descent({.smoothing = 0.5, .exact_restore = true});
  CHECK(complaint_of([&] { descent([&] { return static_cast<double>(x[0]); }, x); }) ==
        "zeroth_order: direction 0: f(x + 0.5 u) is NaN");
  CHECK(differing(x, start) == 0);
}

TEST_CASE("without exact restoring: the exact points and ends, and back where f fails, to rounding") {
  check_drift<double>();
  check_drift<float>();
  check_drift<Half>();
  check_drift<BFloat16>();
}
