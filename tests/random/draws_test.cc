#include "fedval/random/draws.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "fedval/random/philox.hpp"
#include "tests/support/complaint.hpp"

using namespace fedval::random;
using fedval::tests::complaint_of;

namespace {

constexpr std::uint64_t seed = 463;

/// Times that each kind was drawn.
template <class Kind>
using Counts = std::map<Kind, double>;

/// sum (count - expected)^2 / expected over `kinds` kinds that are all as likely.
template <class Kind>
double chi_square(const Counts<Kind>& counts, std::size_t kinds) {
  double draws = 0;
  for (const auto& kind : counts) draws += kind.second;
  const double expected = draws / static_cast<double>(kinds);
  double sum = (static_cast<double>(kinds) - static_cast<double>(counts.size())) * expected;  // never drawn
  for (const auto& kind : counts) sum += (kind.second - expected) * (kind.second - expected) / expected;
  return sum;
}

/// Upper quantiles of 1e-6 by degrees of freedom.
double limit(std::size_t degrees) {
  return std::map<std::size_t, double>{{1, 23.9},  {2, 27.6},  {3, 30.7},  {9, 44.8},
                                       {15, 56.5}, {19, 63.7}, {23, 70.6}, {63, 131.4}}
      .at(degrees);
}

/// Mean of draws of a known variance, in its standard errors from what is expected.
struct Mean {
  double expected, variance, sum = 0, count = 0;
  void add(double x) {
    sum += x;
    ++count;
  }
  double off() const { return std::abs(sum / count - expected) / std::sqrt(variance / count); }
};

/// Kolmogorov and Smirnov's sqrt(n) sup |F_n - F|, which exceeds 2.694 with probability 2 exp(-2 2.694^2) =
/// 1e-6.
double distance(std::vector<double> x, const std::function<double(double)>& distribution) {
  std::sort(x.begin(), x.end());
  const auto n = static_cast<double>(x.size());
  double most = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double f = distribution(x[i]), rank = static_cast<double>(i);
    most = std::max({most, f - rank / n, (rank + 1) / n - f});
  }
  return most * std::sqrt(n);
}

}  // namespace

TEST_CASE("words are Philox's, eight blocks' first halves and then their second ones") {
  for (const auto& [of_seed, stream] : std::vector<std::pair<std::uint64_t, std::uint64_t>>{
           {7, 3}, {0, 0}, {0x0123456789abcdef, 0xfedcba9876543210}}) {
    Draws draws(of_seed, stream);
    const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
    const auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
    for (std::uint32_t i = 0; i < 1000; ++i) {
      const std::uint32_t block = i / 32 * 8 + i % 16 / 2, within = i % 32 / 16 * 2 + i % 2;
      REQUIRE(draws.word() ==
              philox({block, 0x53484150, low(stream), high(stream)}, {low(of_seed), high(of_seed)})[within]);
    }
  }
}

TEST_CASE("stream t of a seed draws the same whatever was drawn before, and nothing else does") {
  const auto first = [](std::uint64_t of_seed, std::uint64_t stream) {
    Draws draws(of_seed, stream);
    std::vector<std::uint32_t> words;
    for (int k = 0; k < 100; ++k) words.push_back(draws.word());  // beyond a refill
    return words;
  };
  const std::vector<std::vector<std::uint32_t>> all{first(7, 3),
                                                    first(7, 4),
                                                    first(8, 3),
                                                    first(3, 7),
                                                    first(7 + (1UL << 32), 3),
                                                    first(7, 3 + (1UL << 32)),
                                                    first(0, 0)};
  for (std::size_t a = 0; a < all.size(); ++a)
    for (std::size_t b = 0; b < a; ++b) CHECK(all[a] != all[b]);
  CHECK(first(7, 3) == all[0]);
  std::vector<std::uint32_t> sorted = all[0];
  std::sort(sorted.begin(), sorted.end());
  CHECK(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end());  // no block comes twice
}

TEST_CASE("bounded draws have no bias, even where the bound is a large part of 2^32") {
  CAPTURE(seed);
  Draws stream(seed, 20);
  for (const std::uint32_t bound : {1U, 2U, 3U, 10U, 64U}) {
    CAPTURE(bound);
    Counts<std::uint32_t> counts;
    for (std::size_t k = 0; k < 60000; ++k) ++counts[stream.below(bound)];
    CHECK(counts.rbegin()->first == bound - 1);
    if (bound > 1) CHECK(chi_square(counts, bound) < limit(bound - 1));
  }
  // bound = 3 x 2^30: a product of one word alone gives each third residue twice. Residues modulo 3 tell.
  Counts<std::uint32_t> thirds, halves, parts;
  for (std::size_t k = 0; k < 60000; ++k) ++thirds[stream.below(3U << 30) % 3];
  CHECK(chi_square(thirds, 3) < limit(2));
  // 2^31 + 1: nearly every other word is refused. Ten parts of 2^31 + 1 differ by a millionth at most.
  for (std::size_t k = 0; k < 60000; ++k) {
    const std::uint32_t x = stream.below(0x80000001U);
    REQUIRE(x <= 0x80000000U);
    ++halves[x % 2];
    ++parts[static_cast<std::uint32_t>(std::uint64_t{x} * 10 / 0x80000001U)];
  }
  CHECK(chi_square(halves, 2) < limit(1));
  CHECK(chi_square(parts, 10) < limit(9));
}

TEST_CASE("wide bounds are drawn without bias too, and narrow ones as below draws them") {
  CAPTURE(seed);
  Draws narrow(seed, 21), wide(seed, 21);
  for (const std::uint32_t bound : {1U, 2U, 7U, 0x80000001U, 0xffffffffU})
    for (int k = 0; k < 1000; ++k) REQUIRE(wide.below_wide(bound) == narrow.below(bound));
  CHECK(wide.word() == narrow.word());
  // The least bounds, one whose words are all taken, and 3 x 2^62, where a remainder of 64 bits alone would
  // give the lowest third twice.
  for (const std::uint64_t bound : {1UL << 32, (1UL << 32) + 1, 1UL << 40, (1UL << 63) + 1, 3UL << 62}) {
    CAPTURE(bound);
    Counts<std::uint64_t> ninths, residues;
    for (int k = 0; k < 60000; ++k) {
      const std::uint64_t x = wide.below_wide(bound);
      REQUIRE(x < bound);
      ++ninths[x / (bound / 9 + 1)];
      ++residues[x % 64];
    }
    CHECK(ninths.size() == 9);
    CHECK(chi_square(ninths, 9) < limit(9));  // of 8 degrees of freedom
    CHECK(chi_square(residues, 64) < limit(63));
  }
}

TEST_CASE("orders are uniform over all 24 of four, from one stream and from the first draw of many") {
  CAPTURE(seed);
  using Order = std::array<std::uint32_t, 4>;
  Counts<Order> one, many;
  Draws stream(seed, 0);
  for (std::size_t k = 0; k < 48000; ++k) {
    Order order{};
    stream.permutation(order);
    ++one[order];
    Draws(seed, k).permutation(order);  // what it held before does not matter
    ++many[order];
  }
  for (const auto& counts : {one, many}) {
    CHECK(counts.size() == 24);
    CHECK(chi_square(counts, 24) < limit(23));
    for (const auto& drawn : counts) {
      Order sorted = drawn.first;
      std::sort(sorted.begin(), sorted.end());
      CHECK(sorted == Order{0, 1, 2, 3});
    }
  }
  std::vector<std::uint32_t> none, single{9}, large(10007);
  stream.permutation(none);
  stream.permutation(single);
  CHECK(single[0] == 0);
  stream.permutation(large);
  std::sort(large.begin(), large.end());
  std::vector<std::uint32_t> all(large.size());
  std::iota(all.begin(), all.end(), 0U);
  CHECK(large == all);
}

TEST_CASE("choices without replacement: all sequences are as likely") {
  CAPTURE(seed);
  using Chosen = std::vector<std::uint64_t>;
  Draws stream(seed, 22);
  Counts<Chosen> singles, pairs, orders;
  for (int k = 0; k < 48000; ++k) {
    ++singles[stream.without_replacement(1, 3)];
    ++pairs[stream.without_replacement(2, 5)];
    ++orders[stream.without_replacement(4, 4)];
  }
  CHECK(chi_square(singles, 3) < limit(2));
  CHECK(chi_square(pairs, 20) < limit(19));
  CHECK(chi_square(orders, 24) < limit(23));
  CHECK(pairs.size() == 20);
  CHECK(orders.size() == 24);
  for (const auto* counts : {&singles, &pairs, &orders})
    for (const auto& drawn : *counts) {
      Chosen sorted = drawn.first;
      std::sort(sorted.begin(), sorted.end());
      CHECK(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end());
      CHECK(sorted.back() < (counts == &singles ? 3U : counts == &pairs ? 5U : 4U));
    }
  CHECK(stream.without_replacement(0, 0).empty());
  CHECK(stream.without_replacement(0, 5).empty());
  CHECK(complaint_of([&] { stream.without_replacement(3, 2); }) == "random: 3 different ones of 2");
}

TEST_CASE("choices from a population that no array could hold, and of all of one") {
  CAPTURE(seed);
  Draws stream(seed, 23);
  for (const std::uint64_t population : {1UL << 40, ~0UL}) {
    std::vector<std::uint64_t> chosen = stream.without_replacement(60000, population);
    Counts<std::uint64_t> parts, early;
    for (std::size_t k = 0; k < chosen.size(); ++k) {
      REQUIRE(chosen[k] < population);
      ++parts[chosen[k] / (population / 16 + 1)];
      if (k < 10000) ++early[chosen[k] / (population / 16 + 1)];
    }
    CHECK(chi_square(parts, 16) < limit(15));
    CHECK(chi_square(early, 16) < limit(15));
    std::sort(chosen.begin(), chosen.end());
    CHECK(std::adjacent_find(chosen.begin(), chosen.end()) == chosen.end());
  }
  std::vector<std::uint64_t> all = stream.without_replacement(5000, 5000);
  std::sort(all.begin(), all.end());
  for (std::size_t k = 0; k < all.size(); ++k) REQUIRE(all[k] == k);
}

TEST_CASE("uniform draws and normal draws have their law") {
  CAPTURE(seed);
  Draws stream(seed, 30);
  constexpr std::size_t draws = 200000;
  std::vector<double> u(draws), z(draws);
  std::array<Mean, 3> powers{Mean{1.0 / 2, 1.0 / 12}, Mean{1.0 / 3, 1.0 / 5 - 1.0 / 9},
                             Mean{1.0 / 4, 1.0 / 7 - 1.0 / 16}};
  for (double& each : u) {
    each = stream.uniform();
    REQUIRE((each >= 0 && each < 1));
    REQUIRE(each * 0x1p53 == std::round(each * 0x1p53));
    for (std::size_t k = 0; k < 3; ++k) powers[k].add(std::pow(each, k + 1));
  }
  for (const Mean& mean : powers) CHECK(mean.off() < 5);
  CHECK(distance(u, [](double x) { return x; }) < 2.694);

  std::array<Mean, 4> moments{Mean{0, 1}, Mean{1, 2}, Mean{0, 15}, Mean{3, 96}};
  Mean serial{0, 1};
  for (std::size_t i = 0; i < draws; ++i) {
    z[i] = stream.normal();
    for (std::size_t k = 0; k < 4; ++k) moments[k].add(std::pow(z[i], k + 1));
    if (i > 0) serial.add(z[i] * z[i - 1]);
  }
  for (const Mean& mean : moments) CHECK(mean.off() < 5);
  CHECK(serial.off() < 5);
  CHECK(distance(z, [](double x) { return std::erfc(-x / std::numbers::sqrt2) / 2; }) < 2.694);
}

TEST_CASE("gammas have their law, by their logarithms") {
  CAPTURE(seed);
  Draws stream(seed, 40);
  constexpr std::size_t draws = 100000;
  const auto drawn = [&](double shape) {
    std::vector<double> x(draws);
    for (double& each : x) each = stream.log_gamma(shape);
    return x;
  };
  // P(x < exp(y)) where it is elementary.
  CHECK(distance(drawn(0.5), [](double y) { return std::erf(std::exp(y / 2)); }) < 2.694);
  CHECK(distance(drawn(1), [](double y) { return -std::expm1(-std::exp(y)); }) < 2.694);
  CHECK(distance(drawn(2), [](double y) { return 1 - (1 + std::exp(y)) * std::exp(-std::exp(y)); }) < 2.694);
  CHECK(distance(drawn(1.5), [](double y) {
          const double x = std::exp(y);
          return std::erf(std::sqrt(x)) - 2 * std::sqrt(x / std::numbers::pi) * std::exp(-x);
        }) < 2.694);
  CHECK(distance(drawn(10), [](double y) {
          double term = 1, sum = 1;
          for (int k = 1; k < 10; ++k) sum += term *= std::exp(y) / k;
          return 1 - sum * std::exp(-std::exp(y));
        }) < 2.694);
  // P(x < exp(y)) = exp(s y) (1 + O(s)) for a small shape s and y < 0: hardly any such x is a double.
  CHECK(distance(drawn(1e-6), [](double y) { return std::exp(1e-6 * std::min(y, 0.0)); }) < 2.694);
  // E log x = digamma(shape), Var = trigamma(shape): log(s) - 1/(2s) and 1/s + 1/(2s^2) to 1e-13 for 1e6.
  for (const auto& [shape, mean, variance] : {std::array{0.5, -1.963510026021423, 4.934802200544679},
                                              {1.0, -0.577215664901533, 1.644934066848226},
                                              {3.0, 0.922784335098467, 0.394934066848226},
                                              {1e6, 13.81551005796414, 1.0000005e-6}}) {
    Mean log{mean, variance};
    for (const double y : drawn(shape)) log.add(y);
    CHECK(log.off() < 5);
  }
}
