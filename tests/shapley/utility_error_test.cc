// What a utility throws, and what is no value: named by its coalition, never skipped, and nothing is lost.
#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <limits>
#include <vector>

#include "fedval/shapley/game.hpp"
#include "fedval/shapley/memo.hpp"
#include "tests/shapley/games.hpp"

using namespace fedval;
using namespace fedval::shapley;

namespace {

constexpr std::uint64_t seed = 479;

}  // namespace

TEST_CASE("a utility that fails is named, and what was folded before it stays") {
  CAPTURE(seed);
  random::Stream stream(seed, 4);
  const std::size_t n = 4;
  const TableGame table = tests::skewed_game(stream, n);
  const auto message_of = [](const auto& action) -> std::string {
    try {
      action();
    } catch (const UtilityError& error) {
      CHECK(std::string(error.what()).find("utility of coalition " + error.coalition().text()) == 0);
      return error.what();
    }
    return "no utility error";
  };
  tests::for_each_design([&](const auto& design, const std::string& label) {
    CAPTURE(label);
    Sampler sampler(design, n, {.seed = 6}), whole(design, n, {.seed = 6});
    sampler.run(table, units(10));
    Mask last = 0;
    const auto throwing = [&](Mask s) {
      last = s;
      if (table(s) > 0) throw std::runtime_error("no such model");
      return 0.0;
    };
    const std::string message = message_of([&] { sampler.run(throwing, units(20)); });
    CHECK(message == "utility of coalition " + Coalition(last).text() + ": no such model");
    CHECK(tests::all_bits(sampler.estimates()) == tests::all_bits(whole.run(table, units(10))));
    CHECK(tests::all_bits(sampler.run(table, units(20))) == tests::all_bits(whole.run(table, units(20))));
  });
}

TEST_CASE("no value, an infinite one, and things thrown that are no exception, by every kind of game") {
  const std::size_t n = 3;
  const auto complaint = [&](auto&& game) -> std::string {
    try {
      Sampler(Permutation{}, n).run(game, units(50));
    } catch (const UtilityError& error) {
      CHECK(error.coalition() == Coalition({0, 2}));
      return error.what();
    } catch (...) {
      return "something else was thrown";
    }
    return "nothing was thrown";
  };
  const std::string bad = "utility of coalition {0, 2}: ";
  const auto by_mask = [&](auto&& action) { return [action](Mask s) { return s == 5 ? action() : 1.0; }; };
  const auto by_members = [&](auto&& action) {
    return [action](std::span<const std::size_t> members) {
      return members.size() == 2 && members[0] == 0 && members[1] == 2 ? action() : 1.0;
    };
  };
  const auto check = [&](const auto& action, const std::string& what) {
    CAPTURE(what);
    auto mask = by_mask(action);
    auto members = by_members(action);
    struct Batch {
      decltype(mask)* game;
      void batch(std::span<const Coalition> coalitions, std::span<double> out) {
        for (std::size_t k = 0; k < out.size(); ++k) out[k] = (*game)(coalitions[k].mask());
      }
    } batches{&mask};
    Memo memo, other;
    CHECK(complaint(mask) == bad + what);
    CHECK(complaint(members) == bad + what);
    CHECK(complaint(batches) == bad + what);
    CHECK(complaint(in_parallel(mask)) == bad + what);
    CHECK(complaint(remember(mask, memo)) == bad + what);
    CHECK(complaint(remember(batches, other)) == bad + what);
    CHECK(memo.find(Coalition({0, 2})) == nullptr);
  };
  check([]() -> double { throw std::runtime_error("disk full"); }, "disk full");
  check([]() -> double { throw std::logic_error(""); }, "");
  check([] { return std::numeric_limits<double>::infinity(); }, "is inf");
  check([] { return -std::numeric_limits<double>::infinity(); }, "is -inf");
  check([] { return std::numeric_limits<double>::quiet_NaN(); }, "is nan");
  check([]() -> double { throw 42; }, "something that is no std::exception");
}

TEST_CASE("the original exception is nested in the one that names the coalition") {
  const auto game = [](Mask s) -> double {
    if (s == 0) throw std::out_of_range("epoch 7");
    return 0;
  };
  try {
    Sampler(Permutation{}, 3).run(game, units(1));
    FAIL("nothing was thrown");
  } catch (const UtilityError& error) {
    CHECK(error.coalition() == Coalition());
    CHECK_THROWS_AS(std::rethrow_if_nested(error), std::out_of_range);
  }
}

TEST_CASE("a unit whose draws are refused leaves nothing behind, however often it is tried") {
  const auto known = [](const auto& sampler) {
    std::vector<double> numbers;
    for (const Estimate& player : sampler.estimates().players)
      numbers.insert(numbers.end(), {player.value, player.standard_error, player.low, player.high,
                                     static_cast<double>(player.count)});
    return numbers;
  };
  // An order that begins with players 0 and 1 has a marginal of 2.
  const auto jumps = [](Mask s) { return static_cast<double>(std::popcount(s)) + (s == 0b011 ? 1.0 : 0.0); };
  Sampler certified(Permutation{}, 3, {.seed = 9, .certificate = Certificate{0.05, -0.5, 1.5, 0.1}});
  CHECK_THROWS_AS(certified.run(jumps, units(1000)), Error);
  const std::uint64_t folded = certified.estimates().units;
  REQUIRE(folded > 0);
  REQUIRE(folded < 1000);
  CHECK(certified.tally().count() == folded);
  const std::vector<double> before = known(certified);
  for (int again = 0; again < 3; ++again) CHECK_THROWS_AS(certified.run(jumps, units(1000)), Error);
  CHECK(known(certified) == before);

  // v(S) - v(N - S) is beyond a double, v(N) - v({}) is not.
  const auto steep = [](Mask s) { return std::array{0.0, 1.5e308, -1.5e308, 1.0}[std::popcount(s)]; };
  Sampler strata(Complementary{}, 3);
  for (int again = 0; again < 3; ++again) CHECK_THROWS_AS(strata.run(steep, units(10)), Error);
  for (const Estimate& player : strata.estimates().players) CHECK(player.count == 0);
}

TEST_CASE("marginals beyond a double are no value: the run says so, or goes on, but is not satisfied") {
  const auto game = [](Mask s) { return (s & 1) != 0 ? 1.5e308 : -1.5e308; };
  try {
    const Estimates found = Sampler(Permutation{}, 3).run(game, standard_error_below(1) | units(100));
    CHECK(found.stopped_by == "100 units");
  } catch (const std::exception& error) {
    const std::string message = error.what();
    CHECK(message != "");
  }
}
