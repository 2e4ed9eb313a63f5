// What an estimator refuses, what it does after a failure, and its state: saved, restored, and the same bits.
#include <limits>
#include <stdexcept>

#include "fedval/archive.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/threads.hpp"
#include "tests/zeroth_order/estimates.hpp"

using namespace fedval;
using namespace fedval::zeroth_order;
using tests::bits;
using tests::complaint_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 2083;
constexpr double no_number = std::numeric_limits<double>::quiet_NaN(),
                 infinity = std::numeric_limits<double>::infinity();

const Values at{0.3, -1, 2, 0.7};
const tests::Affine affine{{1, 2, -3, 4}, 0.5};

GradientOptions options_of(const Directions& directions, const Difference& difference) {
  return {.directions = directions, .difference = difference, .smoothing = 0.125, .seed = seed};
}

/// `affine`, but `value` at call number `when`, counted from 0.
auto bad_at(std::size_t when, double value, std::size_t& calls) {
  return [&calls, when, value](const Values& x) { return calls++ == when ? value : affine(x); };
}

}  // namespace

TEST_CASE("a value that is not finite is named by its direction and place, and the step is not counted") {
  struct Case {
    Difference difference;
    std::size_t when;
    const char* where;
  };
  for (const Case& each :
       {Case{forward, 0, "f(x)"}, Case{forward, 1, "direction 0: f(x + 0.125 u)"},
        Case{forward, 3, "direction 2: f(x + 0.125 u)"}, Case{central, 0, "direction 0: f(x + 0.125 u)"},
        Case{central, 3, "direction 1: f(x - 0.125 u)"}, Case{five_point, 10, "direction 2: f(x + 0.25 u)"},
        Case{five_point, 7, "direction 1: f(x - 0.25 u)"}, Case{one_point, 2, "direction 2: f(x + 0.125 u)"},
        Case{leave_one_out, 1, "direction 1: f(x + 0.125 u)"},
        Case{residual, 1, "direction 1: f(x + 0.125 u)"}, Case{residual, 5, "direction 2: f(x + 0.125 u)"}})
    for (const auto& [value, what] : std::initializer_list<std::pair<double, const char*>>{
             {no_number, "NaN"}, {infinity, "infinite"}, {-infinity, "-infinite"}}) {
      CAPTURE(each.difference.name);
      CAPTURE(each.when);
      const GradientOptions options = options_of(sphere(3), each.difference);
      const std::string expected = std::string("zeroth_order: ") + each.where + " is " + what;
      std::size_t calls = 0;
      Estimator estimator(options);
      const auto f = bad_at(each.when, value, calls);
      CHECK(complaint_of([&] { estimator(f, at); }) == expected);
      CHECK(estimator.step() == 0);
      // Asked again, it is as if nothing had been.
      CHECK(bits(estimator(affine, at).gradient) == bits(gradient(affine, at, options).gradient));
      CHECK(estimator.step() == 1);
      calls = 0;  // NOLINT(clang-analyzer-deadcode.DeadStores): f reads it
      const auto many = batched([&](std::span<const Values> points) {
        Values values;
        for (const Values& point : points) values.push_back(f(point));
        return values;
      });
      CHECK(complaint_of([&] { gradient(many, at, options); }) == expected);
    }
}

TEST_CASE("what a function throws goes through, and the step is not counted") {
  Estimator estimator(options_of(gaussian(2), residual));
  estimator(affine, at);
  Estimator undisturbed = estimator;
  CHECK_THROWS_AS(estimator([](const Values&) -> double { throw std::out_of_range("far"); }, at),
                  std::out_of_range);
  CHECK(estimator.step() == 1);
  CHECK(bits(estimator(affine, at).gradient) == bits(undisturbed(affine, at).gradient));
}

TEST_CASE("points, radii and numbers of directions that cannot be") {
  const GradientOptions options = options_of(sphere(3), central);
  CHECK(complaint_of([&] { gradient(affine, Values{}, options); }) == "zeroth_order: x has no entries");
  CHECK(complaint_of([&] {
          gradient(affine, Values{0, 1, no_number, 0}, options);
        }) == "zeroth_order: x[2] is NaN");
  CHECK(complaint_of([&] {
          gradient(affine, Values{0, -infinity, 1, 0}, options);
        }) == "zeroth_order: x[1] is -infinite");
  for (const double radius : {0.0, -0.5, no_number, infinity, -infinity}) {
    CAPTURE(radius);
    GradientOptions wrong = options;
    wrong.smoothing = radius;
    CHECK(complaint_of([&] { Estimator{wrong}; }).starts_with("zeroth_order: a smoothing radius of "));
    Estimator estimator(options);
    CHECK(complaint_of([&] {
            estimator.set_smoothing(radius);
          }).starts_with("zeroth_order: a smoothing radius of "));
    CHECK(estimator(affine, at).smoothing == 0.125);
  }
  const auto complaint = [](const Directions& directions, std::size_t d) {
    return complaint_of([&] { gradient(affine, Values(d, 1.0), options_of(directions, central)); });
  };
  CHECK(complaint(orthogonal(4), 3) == "random: 4 orthogonal vectors in 3 dimensions");
  CHECK(complaint(orthogonal(4, Norms::chi), 3) == "random: 4 orthogonal vectors in 3 dimensions");
  CHECK(complaint(coordinates(4), 3) == "zeroth_order: 4 different coordinates of 3");
  CHECK(complaint(coordinates(4, Replacement::with), 3) == "no error");
  CHECK(complaint(hadamard(4), 3) == "no error");
  CHECK(complaint(hadamard(5), 3) == "zeroth_order: 5 different rows of a Hadamard matrix of 4");
  for (const auto& law : {gaussian, rademacher, sphere, l1_sphere, hadamard})
    CHECK(complaint_of([&] { law(0); }).ends_with(" directions: 0 of them"));
  CHECK(complaint_of([] { orthogonal(0); }) == "zeroth_order: orthogonal directions: 0 of them");
  CHECK(complaint_of([] { coordinates(0); }) == "zeroth_order: coordinate directions: 0 of them");
  const Directions liar{"liar", 3, sphere(2).draw};
  CHECK(complaint(liar, 4) == "zeroth_order: the liar law gave 2 directions of 3");
}

TEST_CASE("stencils that cannot be") {
  const auto complaint = [](const Difference& difference, std::size_t m) {
    return complaint_of([&] { Estimator{options_of(sphere(m), difference)}; });
  };
  CHECK(complaint(leave_one_out, 1) == "zeroth_order: leave-one-out needs at least 2 directions");
  CHECK(complaint(leave_one_out, 2) == "no error");
  CHECK(complaint({"twice", {{1, 1}, {1, -1}}}, 2) ==
        "zeroth_order: the twice difference has two nodes at 1");
  CHECK(complaint({"still", {{0, 1}}}, 2) ==
        "zeroth_order: the still difference asks nothing along a direction");
  CHECK(complaint({"empty", {}}, 2) == "zeroth_order: the empty difference asks nothing along a direction");
}

TEST_CASE(
    "leave-one-out near the largest double: slopes that are doubles, though the sum of values is none") {
  // f_k = 2^1023 (1 + k / 8), k = 0..3: less the mean of the others 2^1020 (k - (6 - k) / 3), over mu = 4.
  Values values, stencils;
  for (int k = 0; k < 4; ++k) values.push_back(std::ldexp(1 + k / 8.0, 1023));
  const Values found = slopes(leave_one_out, values, {}, 4, stencils);
  REQUIRE(found.size() == 4);
  for (std::size_t k = 0; k < 4; ++k)
    CHECK(std::ldexp(found[k], -1018) ==
          doctest::Approx((4 * static_cast<double>(k) - 6) / 3).epsilon(1e-15));
}

TEST_CASE("a new radius holds from the next step on") {
  Estimator estimator(options_of(sphere(2), central));
  estimator(affine, at);
  estimator.set_smoothing(0.5);
  CHECK(estimator(affine, at).smoothing == 0.5);
  CHECK(estimator.options().smoothing == 0.5);
}

TEST_CASE("an estimator that was saved goes on with the same bits") {
  random::Stream stream(seed);
  const tests::Quadratic f = tests::random_quadratic(stream, 4);
  for (const Difference& difference : {forward, central, five_point, one_point, leave_one_out, residual})
    for (const Directions& directions : {gaussian(3), sphere(3), orthogonal(3), hadamard(3), coordinates(3)})
      for (const int before : {0, 1, 5}) {
        const GradientOptions options = options_of(directions, difference);
        const std::string label = tests::label_of(options, 4);
        CAPTURE(label);
        Estimator left(options), right(options);
        Values x = at;
        const auto move = [&](Estimator& estimator, Values& point) {
          const Values g = estimator(f, point).gradient;
          axpy(-0.01, g, point);
          return bits(g);
        };
        for (int step = 0; step < before; ++step) move(left, x);
        restore(save(left), right);
        CHECK(right.step() == left.step());
        CHECK(right.queries() == left.queries());
        Values y = x;
        for (int step = 0; step < 3; ++step) CHECK(move(left, x) == move(right, y));
        CHECK(save(left) == save(right));
      }
}

TEST_CASE("a radius that was set on the way is saved, and so is none") {
  random::Stream stream(seed, 2);
  const tests::Quadratic f = tests::random_quadratic(stream, 4);
  for (const bool given : {true, false}) {
    CAPTURE(given);
    GradientOptions options = options_of(sphere(2), forward);
    if (!given) options.smoothing.reset();
    Estimator left(options), right(options);
    restore(save(left), right);
    CHECK(right.options().smoothing == options.smoothing);
    left.set_smoothing(0.3);
    restore(save(left), right);
    CHECK(right.options().smoothing == 0.3);
    CHECK(bits(left(f, at).gradient) == bits(right(f, at).gradient));
  }
  const std::string text = save(Estimator(options_of(sphere(2), forward)));
  const std::string field = "smoothing ";
  const std::size_t radius = text.find(field);
  REQUIRE(radius != std::string::npos);
  Estimator other(options_of(sphere(2), forward));
  CHECK(complaint_of([&] { restore(std::string(text).insert(radius + field.size(), "-"), other); }) ==
        "state of ZerothOrderEstimator: smoothing: not a radius");
  CHECK(other.options().smoothing == 0.125);
}

TEST_CASE("a state is refused by an estimator with other options, and when it is damaged") {
  Estimator estimator(options_of(sphere(3), residual));
  estimator(affine, at);
  const std::string text = save(estimator);
  const auto refused = [](const std::string& state, const GradientOptions& options) {
    Estimator other(options);
    const std::string complaint = complaint_of([&] { restore(state, other); });
    CHECK(other.step() == 0);
    return complaint != "no error";
  };
  CHECK(refused("", options_of(sphere(3), residual)));
  GradientOptions seeded = options_of(sphere(3), residual);
  seeded.seed = seed + 1;
  CHECK(refused(text, seeded));
  CHECK(refused(text, options_of(sphere(2), residual)));
  // As many values of the step before as directions, or none: else a slope would read beyond them.
  const std::size_t line = text.find("previous 3 ");
  REQUIRE(line != std::string::npos);
  const std::string head = text.substr(0, line);
  CHECK(refused(head + "previous 1 1p+0\n", options_of(sphere(3), residual)));
  CHECK(refused(head + "previous 4 1p+0 1p+0 1p+0 1p+0\n", options_of(sphere(3), residual)));
}

TEST_CASE("another law or another difference is another estimator: its state is refused") {
  Estimator estimator(options_of(sphere(3), residual));
  estimator(affine, at);
  const std::string text = save(estimator);
  for (const GradientOptions& options : {options_of(gaussian(3), residual), options_of(sphere(3), central)}) {
    Estimator other(options);
    CHECK(complaint_of([&] { restore(text, other); }).find("saved with another") != std::string::npos);
  }
}

TEST_CASE("an estimate has the same bits for any number of threads") {
  const std::size_t d = 100003;
  random::Stream stream(seed, 1);
  const Values x = tests::normals(stream, d), slope = tests::normals(stream, d);
  const auto f = [&](const Values& point) { return point[0] + point[d / 2] - 3 * point[d - 1]; };
  for (const Directions& directions :
       {gaussian(2), sphere(2), rademacher(2), l1_sphere(2), hadamard(2), orthogonal(2), coordinates(2)}) {
    CAPTURE(directions.name);
    const GradientOptions options = options_of(directions, forward);
    const tests::Threads one(1);
    const Values expected = gradient(f, x, options).gradient;
    for (const int threads : {2, 5}) {
      const tests::Threads scope(threads);
      CHECK(bits(gradient(f, x, options).gradient) == bits(expected));
    }
  }
}
