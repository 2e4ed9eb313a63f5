#include "fedval/shapley/draws.hpp"

#include <doctest/doctest.h>

#include <map>
#include <numeric>

#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using namespace fedval::shapley;
using tests::complaint_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 463;

/// sum (count - expected)^2 / expected over `kinds` kinds that are all as likely.
template <class Counts>
double chi_square(const Counts& counts, std::size_t kinds, double draws) {
  const double expected = draws / static_cast<double>(kinds);
  double sum = (static_cast<double>(kinds) - static_cast<double>(counts.size())) * expected;  // never drawn
  for (const auto& [kind, count] : counts) sum += (count - expected) * (count - expected) / expected;
  return sum;
}

/// Mean of draws, in its standard errors from `expected`.
struct Deviation {
  double sum = 0, squares = 0, count = 0;
  void add(double x) {
    sum += x;
    squares += x * x;
    ++count;
  }
  double from(double expected) const {
    const double mean = sum / count;
    return std::abs(mean - expected) / std::sqrt((squares / count - mean * mean) / count);
  }
};

}  // namespace

TEST_CASE("chosen sets are uniform, and the pool may be used again") {
  CAPTURE(seed);
  constexpr std::size_t draws = 40000;
  for (const auto& [k, quantile] :
       std::map<std::size_t, double>{{1, 33.4}, {2, 44.8}, {3, 44.8}, {4, 33.4}}) {
    CAPTURE(k);
    std::map<Mask, double> counts;
    std::vector<std::uint32_t> pool{0, 1, 2, 3, 4};  // in whatever order the last choice left it
    Draws stream(seed, k);
    for (std::size_t each = 0; each < draws; ++each) {
      const Coalition chosen = stream.choose(k, pool);
      REQUIRE(chosen.size() == k);
      ++counts[chosen.mask()];
    }
    const std::size_t sets = k == 1 || k == 4 ? 5 : 10;
    CHECK(chi_square(counts, sets, draws) < quantile);
    std::sort(pool.begin(), pool.end());
    CHECK(pool == std::vector<std::uint32_t>{0, 1, 2, 3, 4});
  }
  std::vector<std::uint32_t> pool{3, 70, 9}, none;
  Draws stream(seed, 9);
  CHECK(stream.choose(0, pool) == Coalition());
  CHECK(stream.choose(3, pool) == Coalition({3, 9, 70}));
  CHECK(stream.choose(0, none) == Coalition());
}

TEST_CASE("coalitions of independent players, and picks by probability") {
  CAPTURE(seed);
  Draws stream(seed, 30);
  std::vector<Deviation> joins(3);
  Deviation both;
  for (int k = 0; k < 40000; ++k) {
    const Coalition chosen = stream.each_with(0.3, 3);
    for (std::size_t i = 0; i < 3; ++i) joins[i].add(chosen.contains(i) ? 1 : 0);
    both.add(chosen.contains(0) && chosen.contains(2) ? 1 : 0);
  }
  for (const Deviation& join : joins) CHECK(join.from(0.3) < 5);
  CHECK(both.from(0.09) < 5);
  CHECK(stream.each_with(0, 100) == Coalition());
  CHECK(stream.each_with(1, 100) == Coalition::everyone(100));

  const Values probabilities{0, 0.5, 0, 0.125, 0.375, 0};
  std::vector<Deviation> picked(6);
  for (int k = 0; k < 40000; ++k) {
    const std::size_t which = stream.pick(probabilities);
    for (std::size_t i = 0; i < 6; ++i) picked[i].add(which == i ? 1 : 0);
  }
  for (std::size_t i = 0; i < 6; ++i) {
    if (probabilities[i] == 0) CHECK(picked[i].sum == 0);
    if (probabilities[i] > 0) CHECK(picked[i].from(probabilities[i]) < 5);
  }
  // A sum that rounding left short of one never leads beyond the last possible one.
  for (int k = 0; k < 1000; ++k) CHECK(stream.pick(Values{0.1, 0.1, 0}) < 2);
}

TEST_CASE("the law of q: a constant for Banzhaf, uniform for Shapley, Beta(b, a) else") {
  CAPTURE(seed);
  Draws stream(seed, 40);
  CHECK(stream.joining_probability(Semivalue::banzhaf()) == 0.5);
  for (const auto& [a, b] : std::vector<std::pair<double, double>>{
           {1, 1}, {4, 1}, {1, 4}, {16, 1}, {0.5, 0.5}, {0.3, 2}, {3.3, 2.2}, {1, 0.05}}) {
    CAPTURE(a);
    CAPTURE(b);
    const Semivalue semivalue = Semivalue::beta(a, b);
    std::array<Deviation, 4> powers, mirrored;
    for (int k = 0; k < 30000; ++k) {
      const double q = stream.joining_probability(semivalue);
      REQUIRE((q >= 0 && q <= 1));
      for (std::size_t j = 0; j < 4; ++j) {
        powers[j].add(std::pow(q, static_cast<double>(j + 1)));
        mirrored[j].add(std::pow(1 - q, static_cast<double>(j + 1)));
      }
    }
    double moment = 1, other = 1;
    for (std::size_t j = 0; j < 4; ++j) {
      const auto k = static_cast<double>(j);
      moment *= (b + k) / (a + b + k);
      other *= (a + k) / (a + b + k);
      CHECK(powers[j].from(moment) < 5);
      CHECK(mirrored[j].from(other) < 5);
    }
  }
}

TEST_CASE("q is a probability for tiny parameters too, where both gammas are below any double") {
  CAPTURE(seed);
  for (const double a : {0.05, 0.01, 0.001}) {
    CAPTURE(a);
    const Semivalue semivalue = Semivalue::beta(a, a);
    Draws stream(seed, 50);
    Deviation mean;
    std::size_t bad = 0;
    for (int k = 0; k < 20000; ++k) {
      const double q = stream.joining_probability(semivalue);
      bad += q >= 0 && q <= 1 ? 0 : 1;
      if (q >= 0 && q <= 1) mean.add(q);
    }
    CHECK(bad == 0);
    CHECK(mean.from(0.5) < 5);
  }
}

TEST_CASE("size weights are C(n-1, k) w_k and sum to one") {
  const std::vector<Semivalue> values{Semivalue::shapley(), Semivalue::banzhaf(), Semivalue::beta(4, 1),
                                      Semivalue::beta(1, 16), Semivalue::beta(0.5, 0.5)};
  for (const Semivalue& semivalue : values) {
    const std::string text = semivalue.text();
    CAPTURE(text);
    for (std::size_t n = 1; n <= 20; ++n) {
      CAPTURE(n);
      const Values sizes = semivalue.size_weights(n), weights = semivalue.weights(n);
      REQUIRE(sizes.size() == n);
      double binomial = 1;
      for (std::size_t k = 0; k < n; ++k) {
        CHECK(sizes[k] == doctest::Approx(binomial * weights[k]).epsilon(1e-12));
        binomial = binomial * static_cast<double>(n - 1 - k) / static_cast<double>(k + 1);
      }
    }
    for (const std::size_t n : {1UL, 2UL, 21UL, 64UL, 100UL, 333UL, 1000UL}) {
      CAPTURE(n);
      const Values sizes = semivalue.size_weights(n);
      CHECK(std::accumulate(sizes.begin(), sizes.end(), 0.0) == doctest::Approx(1).epsilon(1e-10));
      for (const double p : sizes) CHECK(p >= 0);
    }
    CHECK(semivalue.size_weights(0).empty());
  }
  // Beta(2, 1) by hand: w_k = B(k + 1, n + 1 - k) / B(2, 1) = 2 k! (n - k)! / (n + 1)!, so
  // p_k = C(n-1, k) w_k = 2 (n - k) / (n (n + 1)).
  const Values sizes = Semivalue::beta(2, 1).size_weights(4);
  for (std::size_t k = 0; k < 4; ++k)
    CHECK(sizes[k] == doctest::Approx(static_cast<double>(4 - k) / 10).epsilon(1e-13));
}

TEST_CASE("Beta's weights have all digits, however large or small a and b") {
  const auto log_beta = [](long double x, long double y) {
    return std::lgamma(x) + std::lgamma(y) - std::lgamma(x + y);
  };
  for (const double a : {0.01, 0.7, 4.0, 30.0})
    for (const double b : {0.02, 1.0, 2.5, 16.0})
      for (const std::size_t n : {1UL, 2UL, 7UL, 200UL}) {
        CAPTURE(a);
        CAPTURE(b);
        CAPTURE(n);
        const Values sizes = Semivalue::beta(a, b).size_weights(n), weights = beta_weights(n, a, b);
        for (std::size_t i = 0; i < n; ++i) {
          const auto k = static_cast<long double>(i), m = static_cast<long double>(n);
          const long double log_weight = log_beta(k + b, m - 1 - k + a) - log_beta(a, b);
          const long double log_size = log_weight - std::log(m) - log_beta(k + 1, m - k);
          CHECK(std::abs(weights[i] / std::exp(log_weight) - 1) < 1e-12L);
          CHECK(std::abs(sizes[i] / std::exp(log_size) - 1) < 1e-12L);
        }
      }

  for (const double a : {1e-300, 1e-9, 1.0, 1e6, 1e13, 1e300})
    for (const double b : {1e-300, 2.0, 1e13, 1e300})
      for (const std::size_t n : {2UL, 5UL, 3000UL}) {
        CAPTURE(a);
        CAPTURE(b);
        CAPTURE(n);
        const Values sizes = Semivalue::beta(a, b).size_weights(n);
        CHECK(std::accumulate(sizes.begin(), sizes.end(), 0.0) == doctest::Approx(1).epsilon(1e-13));
        // The mean size of the coalition that a player joins is (n - 1) E[q], q of Beta(b, a).
        double mean = 0;
        for (std::size_t k = 0; k < n; ++k) mean += static_cast<double>(k) * sizes[k];
        CHECK(mean == doctest::Approx(static_cast<double>(n - 1) / (1 + a / b)).epsilon(1e-11));
      }
}

TEST_CASE("semivalues say what they are, and refuse parameters that are none") {
  CHECK(Semivalue::shapley().text() == "Shapley");
  CHECK(Semivalue::beta(1, 1).is_shapley());
  CHECK(Semivalue::beta(1, 1) == Semivalue::shapley());
  CHECK(Semivalue::banzhaf().text() == "Banzhaf");
  CHECK(Semivalue::beta(4, 1).text() == "Beta(4, 1)");
  CHECK_FALSE(Semivalue::beta(4, 1).symmetric());
  CHECK(Semivalue::beta(3, 3).symmetric());
  CHECK(Semivalue::banzhaf().symmetric());
  const double infinite = std::numeric_limits<double>::infinity();
  for (const auto& [a, b] : std::vector<std::pair<double, double>>{{0, 1},
                                                                   {1, 0},
                                                                   {-1, 2},
                                                                   {2, -1},
                                                                   {std::nan(""), 1},
                                                                   {1, std::nan("")},
                                                                   {infinite, 1},
                                                                   {1, infinite}}) {
    CAPTURE(a);
    CAPTURE(b);
    CHECK(complaint_of([a = a, b = b] { Semivalue::beta(a, b); }).starts_with("beta_weights: a is "));
  }
}
