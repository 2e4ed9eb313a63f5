// The loop's rules: what stops it, what it counts, and what it leaves behind when something goes wrong.
#include "fedval/zeroth_order/minimise.hpp"

#include <doctest/doctest.h>

#include <thread>

#include "fedval/tensor/std.hpp"
#include "fedval/zeroth_order/variance_reduced.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using namespace fedval::zeroth_order;
using tests::complaint_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 3067;

double square(const Values& x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return sum;
}

/// ||x||^2, counted.
struct Counted {
  std::size_t& calls;
  double operator()(const Values& x) const { return ++calls, square(x); }
};

GradientOptions exact(std::size_t d, const Difference& difference = central) {
  return {.directions = orthogonal(d), .difference = difference, .smoothing = 1e-3, .seed = seed};
}

/// Descent on ||x||^2 from (3, 4), rate 0.1: exact gradients shrink x by 0.8 a step.
Minimum<Values> run(Values& x, const Stop& stop, std::size_t* calls = nullptr) {
  std::size_t own = 0;
  return minimise(Counted{calls != nullptr ? *calls : own}, x, Sgd({.rate = 0.1}), exact(2), stop);
}

}  // namespace

TEST_CASE("every rule stops the loop and names itself") {
  const auto check = [](const Stop& stop, const char* name, std::size_t iterations) {
    CAPTURE(name);
    Values x{3, 4};
    std::size_t calls = 0;
    const auto found = run(x, stop, &calls);
    CHECK(found.stopped_by == name);
    CHECK(found.iterations == iterations);
    CHECK(found.queries == calls);
    CHECK(found.value == square(x));  // with f itself as the look
    const double length = 5 * std::pow(0.8, static_cast<double>(iterations));
    // Slopes of a square by central differences are exact to f's rounding, 25 * 2^-52, over mu = 1e-3.
    CHECK(std::sqrt(square(x)) == doctest::Approx(length).epsilon(1e-9));
  };
  check({.iterations = 7}, "iterations", 7);
  check({.iterations = 0}, "iterations", 0);
  check({.queries = 4 * 6 + 1}, "queries", 6);  // four a step, and one to look at the end
  check({.queries = 4 * 6 + 4}, "queries", 6);
  check({.queries = 4}, "queries", 0);
  check({.queries = 1}, "queries", 0);
  check({.queries = 5 * 6 + 3, .look_every = 1}, "queries", 6);
  // 25 * 0.64^t <= 1 from t = 8 on, looked at every third step; 5 * 0.8^(t-1) * 2 <= 1 from t = 12 on.
  check({.value = 1, .look_every = 1}, "value", 8);
  check({.value = 1, .look_every = 3}, "value", 9);
  check({.gradient_norm = 1}, "gradient norm", 12);
  check({.iterations = 5, .value = 1, .look_every = 1}, "iterations", 5);
  Stop called{.callback = [](const Progress& progress) { return progress.iterations < 4; }};
  check(called, "callback", 4);
}

TEST_CASE("patience counts looks without a new least value; time is looked at after each step") {
  Values x{3, 4};
  int looks = 0;
  // Values 10, 9, ..., 5 and then never less.
  Stop stop{.patience = 4, .look_every = 2};
  stop.evaluate = [&] { return std::max(10.0 - looks++, 5.0); };
  const auto found = run(x, stop);
  CHECK(found.stopped_by == "patience");
  CHECK(looks == 6 + 4);
  CHECK(found.iterations == 20);
  CHECK(found.best_value == 5);
  Values y{3, 4};
  const auto slow = [](const Values& at) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return square(at);
  };
  const Stop timed{.time = std::chrono::milliseconds(30)};
  const auto late = minimise(slow, y, Sgd({.rate = 0.1}), exact(2), timed);
  CHECK(late.stopped_by == "time");
  CHECK(late.iterations >= 1);
  CHECK(late.iterations <= 4);  // eight milliseconds each at least
}

TEST_CASE("a limit on queries is never passed, whatever asks them") {
  for (const Difference& difference : {forward, central, five_point, leave_one_out, one_point, residual})
    for (const std::size_t look_every : {0UL, 1UL, 3UL})
      for (std::size_t limit = 1; limit < 60; ++limit) {
        CAPTURE(difference.name);
        CAPTURE(look_every);
        CAPTURE(limit);
        Values x{3, 4};
        std::size_t calls = 0;
        const auto found = minimise(Counted{calls}, x, Sgd({.rate = 1e-9}), exact(2, difference),
                                    Stop{.queries = limit, .look_every = look_every});
        CHECK(found.queries == calls);
        CHECK(calls <= limit);
        CHECK(found.stopped_by == "queries");
        // One step more would not have gone in: with its looks, it and the first step's extra values.
        CHECK(calls + difference.queries(2) * 2 + 2 > limit);
      }
  Values x{3, 4};
  std::size_t calls = 0;
  VarianceReduced<Values> reduced({.estimate = exact(2), .snapshot_directions = sphere(3), .period = 2});
  Sgd sgd;
  for (std::size_t limit = 1; limit < 60; ++limit) {
    calls = 0;
    minimise(Counted{calls}, x, sgd, reduced, Stop{.queries = limit});
    CHECK(calls <= limit);
  }
}

TEST_CASE("callbacks see the truth") {
  Values x{3, 4};
  std::size_t calls = 0, seen = 0;
  Stop stop{.iterations = 10, .look_every = 3};
  double before = std::sqrt(square(x));
  stop.callback = [&](const Progress& progress) {
    ++seen;
    CHECK(progress.iterations == seen);
    CHECK(progress.queries == calls);
    CHECK(progress.value.has_value() == (seen % 3 == 0));
    if (progress.value) CHECK(*progress.value == square(x));
    CHECK(progress.gradient_norm == doctest::Approx(2 * before).epsilon(1e-9));
    CHECK(progress.smoothing == 1e-3);
    before = std::sqrt(square(x));
    return true;
  };
  run(x, stop, &calls);
  CHECK(seen == 10);
}

TEST_CASE("best is the least that was looked at, and its point; value is the end's") {
  Values x{3, 4};
  Stop stop{.iterations = 9, .look_every = 2};
  // Uphill after five steps.
  stop.schedule = [](std::size_t iteration) { return iteration < 5 ? 1.0 : -1.0; };
  std::vector<Values> points;
  stop.callback = [&](const Progress&) { return points.push_back(x), true; };
  const auto found = run(x, stop);
  REQUIRE(points.size() == 9);
  CHECK(found.best == points[5]);  // looks after steps 2, 4, 6, 8 and 9: the fifth was lower, but not seen
  CHECK(square(points[4]) < square(points[5]));
  CHECK(found.best_value == square(points[5]));
  CHECK(found.value == square(points[8]));
  CHECK(x == points[8]);
  Values y{3, 4};
  const auto none = run(y, {.iterations = 0});
  CHECK(none.best == Values{3, 4});
  CHECK(none.best_value == 25);
}

TEST_CASE("schedules multiply the rate, by the number of steps made; projections follow each step") {
  Values x{3, 4};
  std::vector<std::size_t> asked;
  Stop stop{.iterations = 3};
  stop.schedule = [&](std::size_t iteration) {
    return asked.push_back(iteration), iteration == 1 ? 2.0 : 1.0;
  };
  run(x, stop);
  CHECK(asked == std::vector<std::size_t>{0, 1, 2});
  CHECK(x[0] == doctest::Approx(3 * 0.8 * 0.6 * 0.8).epsilon(1e-9));
  // Nearest to (0, 0) in x_0 >= 1: (1, 0). f is asked around points of the set only.
  Values y{3, 4};
  Stop projected{.iterations = 100};
  projected.project = [](const MutableTensorView& at) {
    double first = 0;
    at.read(0, {&first, 1});
    first = std::max(first, 1.0);
    at.write(0, {&first, 1});
  };
  const auto inside = [](const Values& at) { return at[0] > 0.99 ? square(at) : std::nan(""); };
  minimise(inside, y, Sgd({.rate = 0.1}), exact(2), projected);
  CHECK(y[0] == 1);
  CHECK(std::abs(y[1]) < 1e-6);
}

TEST_CASE("whatever is thrown, x is the last iterate that was completed") {
  for (std::size_t bad = 1; bad <= 24; ++bad)
    for (const bool throws : {true, false}) {
      CAPTURE(bad);
      // Two directions of two queries and a look: five a step.
      Values x{3, 4};
      std::size_t calls = 0;
      std::vector<Values> completed{x};
      const auto f = [&](const Values& at) {
        ++calls;
        if (calls % 5 == 0) completed.push_back(x);  // the look after a step
        if (calls < bad) return square(at);
        if (throws) throw std::string("no electricity");
        return std::nan("");
      };
      const auto attempt = [&] {
        minimise(f, x, Sgd({.rate = 0.1}), exact(2), {.iterations = 100, .look_every = 1});
      };
      if (throws) {
        CHECK_THROWS_AS(attempt(), std::string);
      } else {
        const std::string complaint = complaint_of(attempt);
        if (bad % 5 == 0) CHECK(complaint == "zeroth_order: f(x) is NaN");
        if (bad % 5 == 4) CHECK(complaint == "zeroth_order: direction 1: f(x - 0.001 u) is NaN");
      }
      CHECK(calls == bad);
      CHECK(completed.size() == bad / 5 + 1);
      CHECK(x == completed.back());
    }
  Values x{3, 4}, last;
  Stop stop{.iterations = 9};
  stop.callback = [&](const Progress& progress) {
    last = x;
    if (progress.iterations == 2) fail("enough");
    return true;
  };
  CHECK(complaint_of([&] { run(x, stop); }) == "enough");
  CHECK(x == last);
  CHECK(x != Values{3, 4});
}

TEST_CASE("a schedule that gives no finite factor: x is the last iterate that was completed") {
  // A step that looks at nothing itself.
  struct Careless {
    void apply(const MutableTensorView& x, const TensorView& g, double factor) { axpy(-0.1 * factor, g, x); }
  };
  for (const double factor : {std::nan(""), 1 / 0.0, -1 / 0.0}) {
    CAPTURE(factor);
    Values x{3, 4}, last;
    Stop stop{.iterations = 9};
    stop.schedule = [=](std::size_t iteration) { return iteration == 2 ? factor : 1.0; };
    stop.callback = [&](const Progress&) { return last = x, true; };
    const auto f = [](const Values& at) { return square(at); };
    CHECK(complaint_of([&] {
            minimise(f, x, Careless(), exact(2), stop);
          }).starts_with("zeroth_order: step 2: the schedule gave "));
    CHECK(x == last);
  }
}

TEST_CASE("nothing that says when to stop is an error, before f is asked") {
  Values x{3, 4};
  std::size_t calls = 0;
  const auto complaint = [&](const Stop& stop) { return complaint_of([&] { run(x, stop, &calls); }); };
  const std::string expected = "zeroth_order: minimise: nothing says when to stop";
  CHECK(complaint({}) == expected);
  CHECK(complaint({.look_every = 5}) == expected);
  CHECK(complaint({.value = 1}) == expected);      // never looked at
  CHECK(complaint({.patience = 10}) == expected);  // never looked at
  CHECK(complaint({.retune_every = 5}) == expected);
  CHECK(calls == 0);
  CHECK(x == Values{3, 4});
}

TEST_CASE("retuning measures the radius on the way, for estimators that have one") {
  Values x{3, 4};
  std::size_t calls = 0;
  const auto noisy = [&](const Values& at, Sample sample) {
    random::Stream noise(sample.number);
    return ++calls, 100 + square(at) + 1e-3 * noise.normal();
  };
  GradientOptions options = exact(2, forward);
  options.common_random_numbers = false;
  std::vector<double> radii;
  Stop stop{.iterations = 12, .retune_every = 4};
  stop.callback = [&](const Progress& progress) {
    CHECK(progress.queries == calls);
    return radii.push_back(progress.smoothing), true;
  };
  const auto found = minimise(noisy, x, Sgd({.rate = 0.1}), options, stop);
  CHECK(found.queries == calls);
  REQUIRE(radii.size() == 12);
  for (std::size_t t = 0; t < 12; ++t) {
    CHECK(radii[t] == radii[t / 4 * 4]);
    // 2 sqrt(s / |f''|) = 0.045 for s = 1e-3 and f'' = 2, and noise and range leave a factor of 4.
    CHECK(radii[t] > 0.045 / 4);
    CHECK(radii[t] < 0.045 * 4);
  }
  VarianceReduced<Values> fixed({.estimate = exact(2)});
  Sgd sgd;
  CHECK(complaint_of([&] {
          minimise(Counted{calls}, x, sgd, fixed, Stop{.iterations = 1, .retune_every = 1});
        }) == "zeroth_order: this estimator's smoothing cannot be retuned");
}

TEST_CASE("the same seed gives the same bits, another seed others") {
  const auto end_of = [](std::uint64_t number) {
    Values x{3, 4, 5};
    const auto noisy = [](const Values& at, Sample sample) {
      random::Stream noise(sample.number);
      return square(at) * (1 + 0.1 * noise.normal());
    };
    minimise(noisy, x, Adam({.rate = 0.1}),
             {.directions = sphere(2), .smoothing = 0.1, .seed = number, .common_random_numbers = false},
             {.iterations = 20, .look_every = 5});
    return tests::bits(x);
  };
  CHECK(end_of(1) == end_of(1));
  CHECK(end_of(1) != end_of(2));
}
