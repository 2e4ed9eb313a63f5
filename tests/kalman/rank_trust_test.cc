#include "fedval/kalman/rank_trust.hpp"

#include <doctest/doctest.h>

#include <numeric>

#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using namespace fedval::kalman;
using tests::bits;
using tests::complaint_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 214;
constexpr double unit = 0x1p-53;

/// 1 for the smallest, ties shared, by counting.
std::vector<long double> naive_ranks(std::span<const double> values) {
  std::vector<long double> ranks;
  for (const double value : values) {
    long double rank = 0.5L;
    for (const double other : values) rank += other < value ? 1 : other == value ? 0.5L : 0;
    ranks.push_back(rank);
  }
  return ranks;
}

/// Pearson's correlation of the ranks; nothing where one side is constant.
std::optional<long double> naive_spearman(std::span<const double> x, std::span<const double> y) {
  const auto a = naive_ranks(x), b = naive_ranks(y);
  const long double mean = static_cast<long double>(x.size() + 1) / 2;
  long double xx = 0, yy = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += (a[i] - mean) * (a[i] - mean);
    yy += (b[i] - mean) * (b[i] - mean);
    xy += (a[i] - mean) * (b[i] - mean);
  }
  if (xx == 0 || yy == 0) return std::nullopt;
  return xy / std::sqrt(xx * yy);
}

/// Whole numbers below `bound`: with ties.
Values whole(random::Stream& stream, std::size_t n, std::uint64_t bound) {
  Values values(n);
  for (double& value : values) value = static_cast<double>(stream.below(bound));
  return values;
}

}  // namespace

TEST_CASE("centred ranks are shares of their range, of mean 0") {
  CHECK(centred_ranks(Values{}).empty());
  CHECK(centred_ranks(Values{7}) == Values{0});
  CHECK(centred_ranks(Values{3, 1, 2, 9}) == Values{.125, -.375, -.125, .375});
  CHECK(centred_ranks(Values{5, 5, 5}) == Values{0, 0, 0});
  CHECK(centred_ranks(Values{2, 0, 2, 4}) == Values{0, -.375, 0, .375});
  CAPTURE(seed);
  random::Stream stream(seed);
  for (std::size_t n = 1; n <= 60; ++n) {
    CAPTURE(n);
    const Values values = whole(stream, n, 1 + stream.below(2 * n)), ranks = centred_ranks(values);
    const auto naive = naive_ranks(values);
    const auto size = static_cast<double>(n);
    for (std::size_t i = 0; i < n; ++i) {
      const long double expected =
          (naive[i] - static_cast<long double>(n + 1) / 2) / static_cast<long double>(n);
      CHECK(std::abs(ranks[i] - static_cast<double>(expected)) <= unit);  // one division is rounded
      CHECK(std::abs(ranks[i]) < 0.5);
    }
    CHECK(std::abs(std::accumulate(ranks.begin(), ranks.end(), 0.0)) <= size * size * unit);
  }
}

TEST_CASE("centred ranks see the order alone, and its opposite is opposite to the last bit") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  for (std::size_t n = 2; n <= 40; ++n) {
    CAPTURE(n);
    const Values values = whole(stream, n, n);
    Values grown = values, opposite = values;
    for (double& value : grown) value = std::exp(value / 2) * 1e-9 - 3;
    for (double& value : opposite) value = -value;
    const Values ranks = centred_ranks(values), turned = centred_ranks(opposite);
    CHECK(bits(centred_ranks(grown)) == bits(ranks));
    for (std::size_t i = 0; i < n; ++i) CHECK(turned[i] == -ranks[i]);
  }
}

TEST_CASE("trust of an order that stays: rho (1 - (1 - beta)^t)") {
  // rho = 1 - 6 (1 + 1) / (5 * 24) for two neighbours exchanged.
  const Values state{1, 2, 3, 4, 5}, same{.1, .2, .3, .4, .9}, swapped{1, 3, 2, 4, 5}, opposed{9, 7, 5, 3, 1},
      constant(5, 2);
  for (const double beta : {0.1, 0.5, 1.0}) {
    CAPTURE(beta);
    RankTrust<4> trust;
    CHECK(trust.values() == std::array<double, 4>{});
    for (int t = 1; t <= 30; ++t) {
      CAPTURE(t);
      trust.observe(Trust::reference, beta, {same, swapped, opposed, constant}, state, {});
      const double share = 1 - std::pow(1 - beta, t), rounding = 4 * t * unit;
      CHECK(std::abs(trust.values()[0] - share) <= rounding);
      CHECK(std::abs(trust.values()[1] - .9 * share) <= rounding);
      CHECK(std::abs(trust.values()[2] + share) <= rounding);
      CHECK(trust.values()[3] == 0);
    }
  }
}

TEST_CASE("reference trust asks the state, cross trust the other sensors and the independent order") {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  for (const Trust kind : {Trust::reference, Trust::cross})
    for (int world = 0; world < 20; ++world) {
      CAPTURE(world);
      RankTrust<3> trust;
      std::array<long double, 3> expected{};
      const double beta = stream.uniform(0.05, 1);
      for (int round = 0; round < 12; ++round) {
        CAPTURE(round);
        const std::size_t n = 2 + stream.below(9);
        // Few values: ties are many, and constants, which have no order, some.
        std::array<Values, 3> readings;
        for (Values& z : readings)
          if (stream.below(4) != 0) z = whole(stream, n, 1 + stream.below(n));
        const Values state = whole(stream, n, n), independent = whole(stream, n, 1 + stream.below(n));
        trust.observe(kind, beta, {readings[0], readings[1], readings[2]}, state, independent);
        for (std::size_t m = 0; m < 3; ++m) {
          if (readings[m].empty()) continue;
          long double sum = 0;
          int witnesses = 0;
          const auto hear = [&](const Values& other) {
            if (other.empty()) return;
            if (const auto rho = naive_spearman(readings[m], other)) {
              sum += *rho;
              ++witnesses;
            }
          };
          if (kind == Trust::reference) hear(state);
          if (kind == Trust::cross) {
            hear(readings[(m + 1) % 3]);
            hear(readings[(m + 2) % 3]);
            hear(independent);
          }
          const long double rho = witnesses == 0 ? 0 : sum / witnesses;
          expected[m] = (1 - static_cast<long double>(beta)) * expected[m] + beta * rho;
        }
        // A correlation of n ranks is off by some 4 n u, and rounds do not add up to more than the mean's.
        for (std::size_t m = 0; m < 3; ++m) {
          CHECK(std::abs(trust.values()[m] - static_cast<double>(expected[m])) <= (4 * 10 + 4 * 12) * unit);
          CHECK(std::abs(trust.values()[m]) <= 1 + 40 * unit);
        }
      }
    }
}

TEST_CASE("a sensor that sees nothing keeps its trust, and nobody hears it") {
  const Values order{1, 2, 3, 4}, opposed{4, 3, 2, 1}, unseen;
  RankTrust<3> trust;
  trust.observe(Trust::cross, 0.5, {order, order, opposed}, {}, order);
  const auto before = trust.values();
  CHECK(before == std::array{1 / 6., 1 / 6., -.5});
  trust.observe(Trust::cross, 0.5, {order, order, unseen}, {}, order);
  CHECK(trust.values() == std::array{1 / 12. + .5, 1 / 12. + .5, -.5});
  trust.observe(Trust::reference, 0.5, {unseen, unseen, unseen}, order, {});
  CHECK(trust.values()[2] == -.5);
}

TEST_CASE("two opposed sensors are refused alike, whatever their widths") {
  const Values a{.19, .2, .21, .22}, b{8, 6, 2, -40}, even(4, 0.0);
  RankTrust<2> trust;
  for (int t = 0; t < 100; ++t) trust.observe(Trust::cross, 0.2, {a, b}, a, even);
  CHECK(bits(trust.values()[0]) == bits(trust.values()[1]));
  CHECK(std::abs(trust.values()[0] + 1) < 1e-8);  // 0.8^100 = 2e-10
}

TEST_CASE("readings of another length, or not finite, are refused") {
  RankTrust<2> trust;
  const Values three{1, 2, 3}, two{1, 2}, bad{1, std::nan(""), 3};
  CHECK(complaint_of([&] {
          trust.observe(Trust::reference, 0.1, {three, three}, two, {});
        }) == "correlation: 3 values against 2");
  CHECK(complaint_of([&] {
          trust.observe(Trust::cross, 0.1, {three, bad}, {}, three);
        }) == "correlation: pair 1 is not finite");
  CHECK(complaint_of([&] { centred_ranks(bad); }) == "correlation: pair 1 is not finite");
}
