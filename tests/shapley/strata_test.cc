// Designs that keep a mean for each player and stratum, against their definitions computed anew from the list
// of coalitions that were asked for.
#include <doctest/doctest.h>

#include <map>

#include "tests/shapley/games.hpp"
#include "tests/support/complaint.hpp"

using namespace fedval;
using namespace fedval::shapley;
using tests::complaint_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 457;

/// A table whose questions are kept, the two ends left out.
struct Asked {
  const TableGame* table;
  std::vector<Mask> coalitions;
  std::size_t ends = 2;

  double operator()(Mask coalition) {
    if (ends > 0) {
      --ends;
    } else {
      coalitions.push_back(coalition);
    }
    return (*table)(coalition);
  }
};

struct Mean {
  long double sum = 0;
  std::size_t count = 0;

  void add(double x) {
    sum += x;
    ++count;
  }
  double value() const { return count == 0 ? 0.0 : static_cast<double>(sum / count); }
};

bool has(Mask coalition, std::size_t player) { return (coalition >> player & 1) != 0; }
std::size_t size_of(Mask coalition) { return static_cast<std::size_t>(std::popcount(coalition)); }

const std::vector<Semivalue> symmetric_values{Semivalue::shapley(), Semivalue::banzhaf(),
                                              Semivalue::beta(2.5, 2.5)};

}  // namespace

TEST_CASE("complementary contributions are means of u = v(S) - v(N - S) over sizes") {
  CAPTURE(seed);
  random::Stream stream(seed);
  for (const std::size_t n : {2UL, 3UL, 6UL, 7UL})
    for (const Semivalue& semivalue : symmetric_values) {
      CAPTURE(n);
      const Mask all = (Mask{1} << n) - 1;
      const TableGame table = tests::skewed_game(stream, n);
      const Values sizes = semivalue.size_weights(n);
      Asked game{&table, {}};
      Sampler sampler(Complementary{}, n, {.seed = 3, .semivalue = semivalue});
      const std::uint64_t budget = tests::settled(Complementary{}, n) + 25;
      const Estimates found = sampler.run(game, units(budget));
      REQUIRE(game.coalitions.size() == 2 * budget);
      CHECK(found.evaluations == 2 * budget + 2);
      for (std::size_t i = 0; i < n; ++i) {
        std::map<std::size_t, Mean> means;  // by the size of the side with the player
        means[n].add(table(all) - table(0));
        for (std::size_t k = 0; k < game.coalitions.size(); k += 2) {
          const Mask s = game.coalitions[k], others = game.coalitions[k + 1];
          REQUIRE(others == (all ^ s));
          const Mask side = has(s, i) ? s : others;
          means[size_of(side)].add(table(side) - table(all ^ side));
        }
        double expected = 0;
        for (std::size_t j = 1; j <= n; ++j) {
          CHECK(means[j].count > 0);
          expected += sizes[j - 1] * means[j].value();
        }
        CHECK(found.players[i].value == doctest::Approx(expected).epsilon(1e-12));
      }
    }
}

TEST_CASE("SVARM is a mean with the player less a mean without") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  for (const std::size_t n : {2UL, 3UL, 5UL, 8UL})
    for (const Semivalue& semivalue : {Semivalue::shapley(), Semivalue::beta(4, 1)}) {
      CAPTURE(n);
      const TableGame table = tests::skewed_game(stream, n);
      Asked game{&table, {}};
      Sampler sampler(Svarm{}, n, {.seed = 4, .semivalue = semivalue});
      const std::uint64_t budget = n + 30;
      const Estimates found = sampler.run(game, units(budget));
      REQUIRE(game.coalitions.size() == 2 * budget);
      for (std::size_t i = 0; i < n; ++i) {
        Mean with, without;
        for (std::size_t unit = 0; unit < budget; ++unit) {
          if (unit < n && unit != i) continue;  // about another player alone
          const Mask first = game.coalitions[2 * unit], second = game.coalitions[2 * unit + 1];
          if (has(first, i)) with.add(table(first));
          if (!has(second, i)) without.add(table(second));
        }
        CHECK(with.count > 0);
        CHECK(without.count > 0);
        CHECK(found.players[i].value == doctest::Approx(with.value() - without.value()).epsilon(1e-12));
        CHECK(found.players[i].count == with.count + without.count);
      }
    }
}

TEST_CASE("SVARM draws sizes by the published laws") {
  // Shapley: P(|A+| = k) ~ 1/k, k = 1 ... n, and P(|A-| = k) ~ 1/(n-k), k = 0 ... n - 1. Chi-square with 4
  // degrees of freedom: 1e-6 upper quantile 33.4.
  const std::size_t n = 5, budget = 30000;
  const TableGame table(Values(32, 1.0));
  Asked game{&table, {}};
  Sampler(Svarm{}, n, {.seed = seed}).run(game, units(n + budget));
  double harmonic = 0;
  for (std::size_t k = 1; k <= n; ++k) harmonic += 1 / static_cast<double>(k);
  std::vector<double> with(n + 1), without(n + 1);
  for (std::size_t unit = n; unit < n + budget; ++unit) {
    ++with[size_of(game.coalitions[2 * unit])];
    ++without[n - size_of(game.coalitions[2 * unit + 1])];
  }
  for (const std::vector<double>& counts : {with, without}) {
    double chi_square = 0;
    for (std::size_t k = 1; k <= n; ++k) {
      const double expected = budget / static_cast<double>(k) / harmonic;
      chi_square += (counts[k] - expected) * (counts[k] - expected) / expected;
    }
    CHECK(counts[0] == 0);
    CHECK(chi_square < 33.4);
  }
}

TEST_CASE("stratified SVARM is means by size, the outer sizes whole") {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  for (const std::size_t n : {2UL, 3UL, 4UL, 5UL, 8UL})
    for (const Semivalue& semivalue : {Semivalue::shapley(), Semivalue::beta(4, 1)}) {
      CAPTURE(n);
      const Mask all = (Mask{1} << n) - 1;
      const TableGame table = tests::skewed_game(stream, n);
      const Values sizes = semivalue.size_weights(n);
      Asked game{&table, {}};
      Sampler sampler(Svarm{.stratified = true}, n, {.seed = 5, .semivalue = semivalue});
      const std::uint64_t budget = tests::settled(Svarm{.stratified = true}, n) + (n < 4 ? 0 : 25);
      const Estimates found = sampler.run(game, units(budget));
      const std::set<Mask> different(game.coalitions.begin(), game.coalitions.end());
      for (std::size_t i = 0; i < n; ++i) {
        CHECK(different.contains(Mask{1} << i));
        CHECK(different.contains(all ^ Mask{1} << i));
        std::map<std::size_t, Mean> with, without;
        with[n].add(table(all));
        without[0].add(table(0));
        for (const Mask s : game.coalitions) (has(s, i) ? with : without)[size_of(s)].add(table(s));
        double expected = 0;
        for (std::size_t k = 0; k < n; ++k) {
          CHECK(with[k + 1].count > 0);
          CHECK(without[k].count > 0);
          expected += sizes[k] * (with[k + 1].value() - without[k].value());
        }
        CHECK(found.players[i].value == doctest::Approx(expected).epsilon(1e-12));
      }
      if (n < 4) {  // every coalition was evaluated
        const Values truth = shapley::semivalue(table, semivalue.weights(n));
        for (std::size_t i = 0; i < n; ++i) {
          CHECK(found.players[i].value == doctest::Approx(truth[i]).epsilon(1e-12));
          CHECK(found.players[i].standard_error == 0);
        }
      }
    }
}

TEST_CASE("no mean is empty after the circles, for any number of players") {
  const auto check = [](const auto& design, std::size_t n) {
    CAPTURE(n);
    const tests::AdditiveGame game(n);
    Sampler sampler(design, n, {.seed = n});
    sampler.run(game, units(tests::settled(design, n)));
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t k = 0; k < sampler.tally().strata(); ++k) {
        CAPTURE(i);
        CAPTURE(k);
        REQUIRE(sampler.tally().moments(i, k).count() > 0);
      }
  };
  for (std::size_t n = 2; n <= 24; ++n) {
    check(Complementary{}, n);
    check(Svarm{}, n);
    check(Svarm{.stratified = true}, n);
    check(Stratified{.pilot = 2}, n);
  }
  check(Complementary{}, 67);
  check(Svarm{.stratified = true}, 67);
}

TEST_CASE("after the circles sizes take turns") {
  for (const std::size_t n : {6UL, 9UL}) {
    CAPTURE(n);
    const TableGame table(Values(std::size_t{1} << n, 1.0));
    const auto drawn = [&](const auto& design, std::size_t rounds, std::size_t sizes, std::size_t a_unit) {
      Asked game{&table, {}};
      const std::uint64_t first = tests::settled(design, n);
      Sampler sampler(design, n);
      sampler.run(game, units(first));
      game.coalitions.clear();
      sampler.run(game, units(first + rounds * sizes));
      std::map<std::size_t, std::size_t> count;
      for (std::size_t k = 0; k < game.coalitions.size(); k += a_unit) ++count[size_of(game.coalitions[k])];
      return count;
    };
    const auto pairs = drawn(Complementary{}, 10, n / 2, 2);
    const auto inner = drawn(Svarm{.stratified = true}, 10, n - 3, 1);
    CHECK(pairs.size() == n / 2);
    CHECK(inner.size() == n - 3);
    for (const auto& [size, count] : pairs) CHECK((size >= 1 && size <= n / 2 && count == 10));
    for (const auto& [size, count] : inner) CHECK((size >= 2 && size + 2 <= n && count == 10));
  }
}

TEST_CASE("the pilot is even, and Neyman's allocation follows the other half's spread") {
  CAPTURE(seed);
  random::Stream stream(seed, 3);
  const std::size_t n = 5;
  const TableGame table = tests::skewed_game(stream, n);
  for (const std::size_t pilot : {2UL, 4UL})
    for (const Semivalue& semivalue : {Semivalue::shapley(), Semivalue::beta(4, 1)}) {
      CAPTURE(pilot);
      Sampler sampler(Stratified{.pilot = pilot}, n, {.seed = 6, .semivalue = semivalue, .batch = 7});
      tests::CountedGame game{&table};
      const std::uint64_t units_of_pilot = n * (2 + 2 * pilot * (n - 2));
      const Values sizes = semivalue.size_weights(n);
      // A batch that would go beyond the pilot ends with it.
      const Estimates found = sampler.run(game, units(units_of_pilot));
      REQUIRE(found.units == units_of_pilot);
      const StratifiedTally tally = sampler.tally();
      for (std::size_t half = 0; half < 2; ++half) {
        const Values& allocation = tally.allocation(half);
        REQUIRE(allocation.size() == n * n);
        double squares = 0, weights = 0, sum = 0;
        const auto variance = [&](std::size_t i, std::size_t k) {
          return tally.moments(i, 2 * k + 1 - half).variance();
        };
        for (std::size_t i = 0; i < n; ++i)
          for (std::size_t k = 0; k < n; ++k) {
            const bool inner = k > 0 && k + 1 < n;
            CHECK(tally.moments(i, 2 * k + half).count() == (inner ? pilot : 1));
            if (!inner) continue;
            squares += sizes[k] * variance(i, k);
            weights += sizes[k];
          }
        const double least = 0.1 * std::sqrt(squares / weights);
        Values expected(n * n, 0.0);
        for (std::size_t i = 0; i < n; ++i)
          for (std::size_t k = 1; k + 1 < n; ++k)
            sum += expected[i * n + k] = sizes[k] * std::max(std::sqrt(variance(i, k)), least);
        for (std::size_t cell = 0; cell < n * n; ++cell)
          CHECK(allocation[cell] == doctest::Approx(expected[cell] / sum).epsilon(1e-12));
      }
      // Draws follow it: expected numbers over 20,000 more units, half for each half.
      const std::uint64_t more = 20000;
      sampler.run(game, units(units_of_pilot + more));
      double chi_square = 0;
      for (std::size_t half = 0; half < 2; ++half)
        for (std::size_t i = 0; i < n; ++i)
          for (std::size_t k = 1; k + 1 < n; ++k) {
            const double expected = 0.5 * more * tally.allocation(half)[i * n + k];
            const double drawn =
                static_cast<double>(sampler.tally().moments(i, 2 * k + half).count() - pilot);
            chi_square += (drawn - expected) * (drawn - expected) / expected;
          }
      CHECK(chi_square < 80);  // 28 degrees of freedom: 1e-6 upper quantile 78.8
    }
}

TEST_CASE("allocation pays where the marginals of few strata spread") {
  // Coalitions of three alone vary, so half of the strata do. After a small pilot these get nearly twice the
  // draws that an even pilot of the same length gives them: a variance of 20 / 36 of it.
  CAPTURE(seed);
  random::Stream stream(seed, 4);
  const std::size_t n = 6;
  Values table(64);
  for (std::size_t s = 0; s < 64; ++s)
    table[s] = std::popcount(s) + (std::popcount(s) == 3 ? stream.normal() : 0.0);
  const TableGame game(table);
  const Values truth = exact(game, n);
  const std::size_t wide = 20, narrow = 4;
  const std::uint64_t budget = n * (2 + 2 * wide * (n - 2));
  double even = 0, allocated = 0;
  for (std::uint64_t r = 0; r < 100; ++r) {
    const auto error = [&](std::size_t pilot) {
      const Estimates found = Sampler(Stratified{.pilot = pilot}, n, {.seed = r}).run(game, units(budget));
      double sum = 0;
      for (std::size_t i = 0; i < n; ++i) sum += std::pow(found.players[i].value - truth[i], 2);
      return sum;
    };
    even += error(wide);
    allocated += error(narrow);
  }
  CAPTURE(even);
  CAPTURE(allocated);
  CHECK(allocated < 0.75 * even);
}

TEST_CASE("where nothing spreads the allocation is even over players, and values are exact") {
  const std::size_t n = 5;
  const tests::AdditiveGame game(n);
  Sampler sampler(Stratified{.pilot = 2}, n);
  const Estimates found = sampler.run(game, units(tests::settled(Stratified{.pilot = 2}, n) + 50));
  for (std::size_t i = 0; i < n; ++i) {
    CHECK(found.players[i].value == doctest::Approx(game.worth[i]).epsilon(1e-13));
    CHECK(found.players[i].standard_error == 0);
    for (std::size_t k = 1; k + 1 < n; ++k)
      CHECK(sampler.tally().allocation(0)[i * n + k] == doctest::Approx(1.0 / 15).epsilon(1e-13));
  }
}

TEST_CASE("what cannot be estimated is refused") {
  CHECK(complaint_of([] { Sampler(Complementary{}, 4, {.semivalue = Semivalue::beta(4, 1)}); }) ==
        "complementary contributions: a coalition and its complement must weigh alike, and those of the "
        "Beta(4, 1) value do not");
  CHECK(complaint_of([] { Sampler(Complementary{}, 4, {.semivalue = Semivalue::banzhaf()}); }) == "no error");
  CHECK(complaint_of([] { Sampler(Stratified{.pilot = 1}, 4); }) ==
        "stratified sampling: a pilot of 1 draws shows no spread; at least 2");
}
