#include "fedval/shapley/exact.hpp"

#include <doctest/doctest.h>

#include <map>
#include <numeric>

#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"
#include "tests/support/threads.hpp"

using namespace fedval;
using namespace fedval::shapley;
using tests::bits;
using tests::complaint_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 401;

Values random_table(random::Stream& stream, std::size_t n) {
  Values table = tests::normals(stream, std::size_t{1} << n);
  table[0] = 0;
  return table;
}

/// The definition: the mean over coalitions without i, sizes weighted by w, of what i adds. Long double.
Values naive(const Values& table, const Values& w) {
  Values phi;
  for (std::size_t i = 0; i < w.size(); ++i) {
    long double sum = 0;
    for (std::size_t s = 0; s < table.size(); ++s)
      if ((s >> i & 1) == 0)
        sum += static_cast<long double>(w[static_cast<std::size_t>(std::popcount(s))]) *
               (static_cast<long double>(table[s | std::size_t{1} << i]) - table[s]);
    phi.push_back(static_cast<double>(sum));
  }
  return phi;
}

void check_equal(const Values& phi, const Values& expected, double tolerance) {
  REQUIRE(phi.size() == expected.size());
  for (std::size_t i = 0; i < phi.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(phi[i] - expected[i]) <= tolerance);
  }
}

}  // namespace

TEST_CASE("weights of semivalues sum to one over the coalitions without a player") {
  for (std::size_t n = 1; n <= 20; ++n) {
    for (const Values& w :
         {shapley_weights(n), banzhaf_weights(n), beta_weights(n, 16, 1), beta_weights(n, 1, 4)}) {
      long double sum = 0, binomial = 1;
      for (std::size_t k = 0; k < n; ++k) {
        sum += binomial * w[k];
        binomial = binomial * static_cast<long double>(n - 1 - k) / static_cast<long double>(k + 1);
      }
      CHECK(std::abs(static_cast<double>(sum) - 1) < 1e-12);
    }
    const Values shapley = shapley_weights(n), beta = beta_weights(n, 1, 1);
    for (std::size_t k = 0; k < n; ++k) CHECK(beta[k] == doctest::Approx(shapley[k]).epsilon(1e-12));
  }
  CHECK(complaint_of([] { beta_weights(3, 0, 1); }) ==
        "beta_weights: a is 0, b is 1, both must be finite and above 0");
}

TEST_CASE("folding is the definition, for every semivalue and every number of players") {
  CAPTURE(seed);
  random::Stream stream(seed);
  for (std::size_t n = 1; n <= 12; ++n) {
    CAPTURE(n);
    const Values table = random_table(stream, n);
    for (const Values& w : {shapley_weights(n), banzhaf_weights(n), beta_weights(n, 4, 1)})
      check_equal(semivalue(TableGame(table), w), naive(table, w), 2e-13);
  }
}

TEST_CASE("blocks, callables by mask and callables by members are one game") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  const std::size_t n = 16;  // more than a block
  const Values table = random_table(stream, n);
  const Values expected = naive(table, shapley_weights(n));
  check_equal(exact(TableGame(table), n), expected, 2e-13);
  const Values by_mask = exact([&](Mask s) { return table[s]; }, n);
  const Values by_members = exact(
      [&](std::span<const std::size_t> members) {
        Mask s = 0;
        for (const std::size_t i : members) s |= Mask{1} << i;
        return table[s];
      },
      n);
  CHECK(bits(by_mask) == bits(by_members));
  CHECK(bits(by_mask) == bits(exact(TableGame(table), n)));
}

TEST_CASE("the number of threads changes no bit") {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  const Values table = random_table(stream, 18);
  const auto run = [&](int threads) {
    const tests::Threads scope(threads);
    return bits(exact(TableGame(table), 18));
  };
  CHECK(run(1) == run(2));
  CHECK(run(1) == run(5));
}

TEST_CASE("efficiency, symmetry, null player, additivity and relabelling, on random games") {
  CAPTURE(seed);
  random::Stream stream(seed, 3);
  for (int game = 0; game < 30; ++game) {
    const std::size_t n = 2 + stream.below(8);
    CAPTURE(n);
    Values v = random_table(stream, n);
    const Values other = random_table(stream, n);
    const Values phi = exact(TableGame(v), n), psi = exact(TableGame(other), n);
    CHECK(std::abs(std::accumulate(phi.begin(), phi.end(), 0.0) - v.back()) < 1e-12);
    Values sum = v, symmetric = v, null = v, relabelled = v;
    std::vector<std::size_t> label(n);
    std::iota(label.begin(), label.end(), std::size_t{0});
    stream.shuffle(std::span(label));
    for (std::size_t s = 0; s < v.size(); ++s) {
      sum[s] = 2 * v[s] + other[s];
      const std::size_t swapped = (s & ~std::size_t{3}) | (s & 1) << 1 | (s >> 1 & 1);
      symmetric[s] = v[s] + v[swapped];  // players 0 and 1 are alike
      null[s] = v[s & ~std::size_t{1}];  // player 0 adds nothing
      std::size_t to = 0;
      for (std::size_t i = 0; i < n; ++i) to |= (s >> i & 1) << label[i];
      relabelled[to] = v[s];
    }
    const Values added = exact(TableGame(sum), n), alike = exact(TableGame(symmetric), n),
                 renamed = exact(TableGame(relabelled), n);
    for (std::size_t i = 0; i < n; ++i) {
      CHECK(std::abs(added[i] - (2 * phi[i] + psi[i])) < 1e-12);
      CHECK(std::abs(renamed[label[i]] - phi[i]) < 1e-12);
    }
    CHECK(std::abs(alike[0] - alike[1]) < 1e-12);
    CHECK(std::abs(exact(TableGame(null), n)[0]) < 1e-12);
  }
}

TEST_CASE("games with a closed form") {
  constexpr double close = 1e-12;
  SUBCASE("unanimity: the members share alike") {
    const Mask carrier = 0b10110;
    const Values phi = exact([=](Mask s) { return (s & carrier) == carrier ? 1.0 : 0.0; }, 6);
    for (std::size_t i = 0; i < 6; ++i)
      CHECK(std::abs(phi[i] - ((carrier >> i & 1) != 0 ? 1.0 / 3 : 0.0)) < close);
  }
  SUBCASE("symmetric voting: 1/n each") {
    for (const double value : exact([](Mask s) { return std::popcount(s) > 3 ? 1.0 : 0.0; }, 7))
      CHECK(std::abs(value - 1.0 / 7) < close);
  }
  SUBCASE("asymmetric voting: the UN Security Council, 5 vetoes and 4 of 10 others") {
    const Values phi =
        exact([](Mask s) { return (s & 31) == 31 && std::popcount(s >> 5) >= 4 ? 1.0 : 0.0; }, 15);
    for (std::size_t i = 0; i < 15; ++i)
      CHECK(std::abs(phi[i] - (i < 5 ? 421.0 / 2145 : 4.0 / 2145)) < close);
  }
  SUBCASE("shoes and gloves: left ones are short") {
    // 1 left, 2 right: the left owner gets 2/3.
    const Values phi =
        exact([](Mask s) { return std::min(std::popcount(s & 1), std::popcount(s & 6)) * 1.0; }, 3);
    check_equal(phi, {2.0 / 3, 1.0 / 6, 1.0 / 6}, close);
  }
  SUBCASE("airport: each part of the runway is paid by those who need it") {
    const Values cost{1, 2, 4, 4, 7};
    const Values phi = exact(
        [&](Mask s) {
          double longest = 0;
          for (std::size_t i = 0; i < 5; ++i)
            if ((s >> i & 1) != 0) longest = std::max(longest, cost[i]);
          return longest;
        },
        5);
    const double a = 1.0 / 5, b = a + 1.0 / 4, c = b + 2.0 / 3;
    check_equal(phi, {a, b, c, c, c + 3}, close);
  }
  SUBCASE("miners: pairs carry a bar each") {
    const auto pairs = [](Mask s) {
      const int bars = std::popcount(s) / 2;
      return 1.0 * bars;
    };
    for (const double value : exact(pairs, 6)) CHECK(std::abs(value - 0.5) < close);
    for (const double value : exact(pairs, 7)) CHECK(std::abs(value - 3.0 / 7) < close);
  }
  SUBCASE("minimum spanning tree to a source at 0, on a line: who is further pays the stretch alone") {
    // Players at 1, 2, 3 each connect at cost = distance to the nearest connected: v(S) = the furthest
    // member's place, which is the airport game.
    const Values phi = exact([](Mask s) { return s == 0 ? 0.0 : static_cast<double>(std::bit_width(s)); }, 3);
    check_equal(phi, {1.0 / 3, 1.0 / 3 + 0.5, 1.0 / 3 + 0.5 + 1}, close);
  }
  SUBCASE("additive and quadratic games") {
    random::Stream stream(seed, 4);
    const std::size_t n = 9;
    const Values a = tests::normals(stream, n), q = tests::normals(stream, n * n);
    const Values phi = exact(
        [&](Mask s) {
          double value = 0;
          for (std::size_t i = 0; i < n; ++i) {
            if ((s >> i & 1) == 0) continue;
            value += a[i];
            for (std::size_t j = 0; j < i; ++j)
              if ((s >> j & 1) != 0) value += q[i * n + j];
          }
          return value;
        },
        n);
    Values expected = a;  // and half of every interaction
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < i; ++j) {
        expected[i] += q[i * n + j] / 2;
        expected[j] += q[i * n + j] / 2;
      }
    check_equal(phi, expected, 1e-11);
  }
}

TEST_CASE("no players, one player, an empty coalition of another value") {
  CHECK(exact([](Mask) { return 1.0; }, 0).empty());
  CHECK(exact([](Mask s) { return s == 1 ? 5.0 : 2.0; }, 1) == Values{3});
}

TEST_CASE("a utility that throws or gives NaN stops with the coalition named") {
  std::size_t asked = 0;
  const auto failing = [&](Mask s) {
    ++asked;
    if (s == 0b101) throw std::runtime_error("no such model");
    return 1.0;
  };
  try {
    exact(failing, 4);
    FAIL("nothing was thrown");
  } catch (const UtilityError& error) {
    CHECK(std::string(error.what()) == "utility of coalition {0, 2}: no such model");
    CHECK(error.coalition() == Coalition(0b101));
    CHECK_THROWS_AS(std::rethrow_if_nested(error), std::runtime_error);
  }
  CHECK(asked == 6);  // nothing after it was asked
  CHECK_THROWS_AS(exact([](Mask s) { return s == 3 ? std::nan("") : 0.0; }, 3), UtilityError);
  CHECK(complaint_of([] { TableGame(Values(3)); }) == "TableGame: 3 values are not 2^n");
  CHECK(complaint_of([] { TableGame(Values{0, std::nan("")}); }) == "TableGame: value of {0} is nan");
  CHECK(complaint_of([] { exact([](Mask) { return 0.0; }, 41); }) ==
        "semivalue: 41 players have 2^41 coalitions; sample instead");
}

TEST_CASE("progress rises to 1, and can stop the work") {
  Values seen;
  exact([](Mask) { return 0.0; }, 16,
        [&](double share) {
          seen.push_back(share);
          return true;
        });
  CHECK(std::is_sorted(seen.begin(), seen.end()));
  CHECK(seen.back() == 1);
  std::size_t asked = 0;
  CHECK_THROWS_AS(exact(
                      [&](Mask) {
                        ++asked;
                        return 0.0;
                      },
                      16, [](double) { return false; }),
                  Cancelled);
  CHECK(asked == 1);
}
