// Whether the errors that estimates state are the errors they make.
#include <doctest/doctest.h>

#include "fedval/shapley/estimate.hpp"
#include "tests/shapley/games.hpp"

using namespace fedval;
using namespace fedval::shapley;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 431;
constexpr std::size_t runs = 800;

struct Honesty {
  double square = 0;    ///< mean of ((value - truth) / standard error)^2
  double expected = 0;  ///< of Student's t with the degrees of freedom that the interval shows
  double covered = 0;   ///< share of intervals that hold the truth
};

template <class Design>
Honesty honesty_of(const Design& design, const TableGame& game, std::uint64_t budget, double confidence) {
  const std::size_t n = game.players();
  const Values truth = exact(game, n);
  Honesty result;
  for (std::size_t r = 0; r < runs; ++r) {
    Sampler sampler(design, n, {.seed = seed * 1000 + r, .confidence = confidence});
    const Estimates found = sampler.run(game, units(budget));
    const auto summaries = sampler.tally().summaries();
    for (std::size_t i = 0; i < n; ++i) {
      const Estimate& player = found.players[i];
      REQUIRE(player.standard_error > 0);
      const double t = (player.value - truth[i]) / player.standard_error,
                   weight = 1 / static_cast<double>(runs * n);
      result.square += weight * t * t;
      result.expected += weight * summaries[i].degrees / (summaries[i].degrees - 2);
      result.covered += player.low <= truth[i] && truth[i] <= player.high ? weight : 0;
    }
  }
  return result;
}

}  // namespace

TEST_CASE("the error of a value is as large as its standard error says, and intervals cover as they say") {
  CAPTURE(seed);
  // t^2 has variance 2 + o(1), and players of one run may err together: the mean over runs has a standard
  // deviation of sqrt(2 / runs) = .05 at most, and that of a coverage of .95 sqrt(.95 x .05 / runs) = .0077.
  // Five of each for 15 designs leave 1e-5; a few hundredths more are for draws that are not normal and for
  // strata whose first draws are parts of one circle.
  const double five = 5 * std::sqrt(2.0 / runs), five_covered = 5 * std::sqrt(0.95 * 0.05 / runs);
  random::Stream stream(seed);
  const std::size_t n = 4;
  const TableGame game = tests::normal_game(stream, n);
  tests::for_each_design([&](const auto& design, const std::string& label) {
    if (label == "truncated" || label.starts_with("grid")) return;  // biased: not their standard error's part
    CAPTURE(label);
    const bool pilot_of_two = label == "stratified";
    const std::uint64_t budget = label.ends_with("KernelSHAP") ? 320
                                 : pilot_of_two                ? tests::settled(design, n) + 200
                                                               : 150;
    const Honesty found = honesty_of(design, game, budget, 0.95);
    CAPTURE(found.square);
    CAPTURE(found.expected);
    CAPTURE(found.covered);
    CHECK(found.covered > 0.95 - five_covered - 0.01);
    CHECK(found.covered < 0.95 + five_covered + 0.01);
    if (pilot_of_two) return;  // one degree of freedom in places: t^2 has no mean
    CHECK(found.square < found.expected * (1 + five) + 0.08);
    CHECK(found.square > found.expected * (1 - five) - 0.08);
  });
  const Honesty found = honesty_of(Stratified{.pilot = 10}, game, 400, 0.95);
  CAPTURE(found.square);
  CAPTURE(found.expected);
  CHECK(std::abs(found.square - found.expected) < found.expected * five + 0.08);
}

TEST_CASE("an interval of another confidence covers at that confidence") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  const TableGame game = tests::normal_game(stream, 4);
  for (const double confidence : {0.5, 0.8}) {
    const double five = 5 * std::sqrt(confidence * (1 - confidence) / runs);
    CAPTURE(confidence);
    CHECK(std::abs(honesty_of(Permutation{}, game, 100, confidence).covered - confidence) < five);
    CHECK(std::abs(honesty_of(Svarm{}, game, 100, confidence).covered - confidence) < five + 0.01);
  }
}

TEST_CASE("few draws widen the interval: Student's t, not the normal law") {
  // Three permutations of a game whose marginals are normal: 1.96 standard errors would cover 81 %, what
  // t with two degrees of freedom says covers 95 %.
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  double covered = 0;
  for (std::size_t r = 0; r < runs; ++r) {
    const TableGame game = tests::normal_game(stream, 6);
    const Values truth = exact(game, 6);
    const Estimates found = Sampler(Permutation{}, 6, {.seed = r}).run(game, units(3));
    const Estimate& player = found.players[r % 6];
    covered += player.low <= truth[r % 6] && truth[r % 6] <= player.high ? 1.0 / runs : 0;
  }
  CAPTURE(covered);
  CHECK(covered > 0.89);
  CHECK(covered < 0.99);
}

TEST_CASE("nothing is known before the first draw, and no error is claimed") {
  tests::for_each_design([&](const auto& design, const std::string& label) {
    for (std::size_t n = 1; n <= 5; ++n) {
      CAPTURE(label);
      CAPTURE(n);
      for (const Estimate& player : Sampler(design, n).estimates().players)
        CHECK((player.value == 0 && std::isinf(player.standard_error) && std::isinf(player.low) &&
               std::isinf(player.high) && player.count == 0));
    }
  });
}

TEST_CASE("a stratum that will be known is not known before it was evaluated") {
  // All strata of these have a single coalition, and none has one more: as soon as a player's interval is a
  // point it must be the truth, and before that it must not be one.
  CAPTURE(seed);
  random::Stream stream(seed, 3);
  const auto check = [&](const auto& design, std::size_t n) {
    const TableGame game = tests::skewed_game(stream, n);
    const Values truth = exact(game, n);
    Sampler sampler(design, n);
    for (std::uint64_t unit = 0; unit <= 6; ++unit) {
      if (unit > 0) sampler.run(game, units(unit));
      const Estimates found = sampler.estimates();
      for (std::size_t i = 0; i < n; ++i) {
        CAPTURE(n);
        CAPTURE(unit);
        CAPTURE(i);
        CHECK(found.players[i].low <= truth[i] + 1e-12);
        CHECK(found.players[i].high >= truth[i] - 1e-12);
        if (unit == 6) CHECK(found.players[i].standard_error == 0);
      }
    }
  };
  check(Stratified{.pilot = 2}, 2);
  check(Svarm{.stratified = true}, 2);
  check(Svarm{.stratified = true}, 3);
}
