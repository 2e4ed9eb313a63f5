#include "fedval/random/laws.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <numbers>

#include "fedval/random/fill.hpp"
#include "fedval/tensor/std.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using namespace fedval::random;
using tests::Values;

namespace {

constexpr std::array laws{Law::uniform, Law::gaussian, Law::laplace, Law::laplace_sign, Law::rademacher};
constexpr std::array continuous{Law::uniform, Law::gaussian, Law::laplace};
constexpr std::size_t draws = 1 << 20;
constexpr auto count = static_cast<double>(draws);
constexpr std::uint64_t seed = 977;

std::vector<float> numbers(Law law, const Key& key, std::size_t size = draws, std::uint64_t begin = 0) {
  std::vector<float> x(size);
  fill({law, key}, x, begin);
  return x;
}

/// E x^k.
double moment(Law law, int k) {
  const bool odd = k % 2 != 0;
  if (law == Law::uniform) return 1.0 / (k + 1);
  if (law == Law::laplace) return odd ? 0 : std::tgamma(k + 1);
  if (law != Law::gaussian) return odd ? 0 : 1;
  double product = odd ? 0 : 1;  // (k - 1)!!
  for (int factor = k - 1; factor > 1; factor -= 2) product *= factor;
  return product;
}

/// P(number < x).
double distribution(Law law, double x) {
  if (law == Law::uniform) return x;
  if (law == Law::gaussian) return std::erfc(-x / std::numbers::sqrt2) / 2;
  return x < 0 ? std::exp(x) / 2 : 1 - std::exp(-x) / 2;
}

/// x^power, less its mean and over its standard deviation.
Values standardised(Law law, const std::vector<float>& x, int power) {
  const double mean = moment(law, power), deviation = std::sqrt(moment(law, 2 * power) - mean * mean);
  Values z;
  for (const float each : x) z.push_back((std::pow(static_cast<double>(each), power) - mean) / deviation);
  return z;
}

/// sum a[i] b[i + lag] / sqrt(terms): of variance one where a and b are independent and standardised.
double correlation(const Values& a, const Values& b, std::size_t lag = 0) {
  double sum = 0;
  for (std::size_t i = 0; i + lag < b.size(); ++i) sum += a[i] * b[i + lag];
  return sum / std::sqrt(static_cast<double>(b.size() - lag));
}

}  // namespace

TEST_CASE("moments to order 8") {
  // Five standard errors: that of the mean of x^k is sqrt((m_2k - m_k^2) / n), which is 0 for squared signs.
  for (const Law law : laws)
    for (const Key key : {Key{seed, 0}, Key{seed, 1}, Key{seed << 32, 1UL << 63}}) {
      CAPTURE(law);
      CAPTURE(key.seed);
      CAPTURE(key.stream);
      std::array<double, 9> sums{};
      for (const float x : numbers(law, key)) {
        double power = 1;
        for (std::size_t k = 1; k <= 8; ++k) sums[k] += power *= x;
      }
      for (int k = 1; k <= 8; ++k) {
        CAPTURE(k);
        const double expected = moment(law, k), variance = moment(law, 2 * k) - expected * expected;
        CHECK(std::abs(sums[static_cast<std::size_t>(k)] / count - expected) <=
              5 * std::sqrt(variance / count));
      }
    }
}

TEST_CASE("chi-square over 64 bins that are all as likely; Kolmogorov and Smirnov's distance") {
  for (const Law law : continuous)
    for (const std::uint64_t stream : {0U, 1U}) {
      CAPTURE(law);
      CAPTURE(stream);
      std::vector<float> x = numbers(law, {seed, stream});
      std::sort(x.begin(), x.end());
      std::array<double, 64> bins{};
      double distance = 0;
      for (std::size_t i = 0; i < draws; ++i) {
        const double f = distribution(law, x[i]), rank = static_cast<double>(i);
        ++bins[std::min<std::size_t>(63, static_cast<std::size_t>(64 * f))];
        distance = std::max({distance, f - rank / count, (rank + 1) / count - f});
      }
      double chi_square = 0;
      for (const double bin : bins) chi_square += (bin - count / 64) * (bin - count / 64) / (count / 64);
      CHECK(chi_square < 131.4);  // upper quantile of 1e-6, 63 degrees of freedom
      // P(sqrt(n) distance > t) -> 2 exp(-2 t^2), which is 1e-6 at 2.694.
      CHECK(distance * std::sqrt(count) < 2.694);
    }
}

TEST_CASE("every bit of a word is as often set as not, and so is every bit of a uniform number") {
  // Five standard errors of a sum of n signs: 5 sqrt(n).
  const std::vector<float> signs = numbers(Law::rademacher, {seed, 5}), u = numbers(Law::uniform, {seed, 5});
  std::array<double, 32> in_word{};
  std::array<double, 24> in_number{};
  for (std::size_t i = 0; i < draws; ++i) {
    REQUIRE(std::abs(signs[i]) == 1);
    in_word[i % 32] += signs[i];
    const auto bits = static_cast<std::uint32_t>(u[i] * 0x1p24F);
    REQUIRE((u[i] < 1 && static_cast<float>(bits) == u[i] * 0x1p24F));
    for (std::size_t b = 0; b < 24; ++b) in_number[b] += (bits >> b & 1) != 0 ? 1 : -1;
  }
  for (const double sum : in_word) CHECK(std::abs(sum) < 5 * std::sqrt(count / 32));
  for (const double sum : in_number) CHECK(std::abs(sum) < 5 * std::sqrt(count));
}

TEST_CASE("the tails have the mass they should have") {
  // Five standard errors, sqrt(n p (1 - p)).
  const std::vector<float> z = numbers(Law::gaussian, {seed, 3}), e = numbers(Law::laplace, {seed, 3});
  const auto check = [](const std::vector<float>& x, double beyond, double p) {
    CAPTURE(beyond);
    const auto far = std::count_if(x.begin(), x.end(), [&](float each) { return std::abs(each) > beyond; });
    CHECK(std::abs(static_cast<double>(far) - count * p) < 5 * std::sqrt(count * p * (1 - p)));
  };
  for (const double t : {0.01, 1.0, 2.0, 3.0, 4.0}) check(z, t, std::erfc(t / std::numbers::sqrt2));
  for (const double t : {0.01, 1.0, 3.0, 6.0, 9.0}) check(e, t, std::exp(-t));
}

TEST_CASE("numbers of one sequence are not correlated, nor are their squares") {
  // The sum of n products of independent standardised numbers, over sqrt(n), has variance one: five of it.
  // The lags are those at which numbers share a word, a block, a half or a tile.
  for (const Law law : laws)
    for (const int power : {1, 2}) {
      if (moment(law, 4) == 1 && power == 2) continue;  // squares of signs
      CAPTURE(law);
      CAPTURE(power);
      const Values z = standardised(law, numbers(law, {seed, 7}), power);
      for (const std::size_t lag : std::initializer_list<std::size_t>{
               1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 32, 33, 48, 64, 127, 128, 129, 512, 4095, 4096, 4097}) {
        CAPTURE(lag);
        CHECK(std::abs(correlation(z, z, lag)) < 5);
      }
    }
}

TEST_CASE("sequences of other seeds, other streams and other laws are not correlated") {
  // As above. Keys that differ in one bit, in the upper word only, or in what is seed and what is stream.
  const std::vector<Key> keys{{seed, 7}, {seed ^ 1, 7},          {seed, 6}, {seed, 7 + (1UL << 32)},
                              {7, seed}, {seed + (1UL << 32), 7}};
  for (const Law law : laws)
    for (const int power : {1, 2}) {
      if (moment(law, 4) == 1 && power == 2) continue;
      std::vector<Values> all;
      for (const Key& key : keys) all.push_back(standardised(law, numbers(law, key), power));
      for (std::size_t a = 0; a < keys.size(); ++a)
        for (std::size_t b = 0; b < a; ++b) {
          CAPTURE(law);
          CAPTURE(power);
          CAPTURE(a);
          CAPTURE(b);
          CHECK(std::abs(correlation(all[a], all[b])) < 5);
          CHECK(std::abs(correlation(all[a], all[b], 1)) < 5);
        }
    }
  for (const Law a : laws)
    for (const Law b : laws) {
      if (a >= b || (a == Law::laplace && b == Law::laplace_sign)) continue;  // which share their words
      CAPTURE(a);
      CAPTURE(b);
      const Values x = standardised(a, numbers(a, keys[0]), 1), y = standardised(b, numbers(b, keys[0]), 1);
      CHECK(std::abs(correlation(x, y)) < 5);
    }
}

TEST_CASE("a Laplace sign is the sign of the Laplace number at its place") {
  for (const Key key : {Key{seed, 11}, Key{~0UL, ~0UL}}) {
    const std::vector<float> e = numbers(Law::laplace, key, 10000),
                             s = numbers(Law::laplace_sign, key, 10000);
    std::size_t different = 0;
    for (std::size_t i = 0; i < e.size(); ++i) different += s[i] == std::copysign(1.0F, e[i]) ? 0 : 1;
    CHECK(different == 0);
  }
}

TEST_CASE("the bits are the same on every processor, with every compiler and at every optimisation") {
  // Fowler, Noll and Vo's hash of the bits of numbers [2^33 - 50000, 2^33 + 50000). These hashes are what g++
  // gives at -O0 (SSE2), -O2 -march=native (AVX-512) and -O3 -mavx2 -mfma, and clang++ at -O2 with
  // -ffp-contract=fast and without; a LibTorch tensor on a device is held against the host elsewhere.
  const std::map<Law, std::uint64_t> golden{{Law::uniform, 0x9b445903edda7a1b},
                                            {Law::gaussian, 0xfdd9ea238be020f2},
                                            {Law::laplace, 0x7be0ebcf2088ad81},
                                            {Law::laplace_sign, 0xdfc5c4ac76568ca5},
                                            {Law::rademacher, 0xfea3a56d4a1f6fa5}};
  for (const Law law : laws) {
    CAPTURE(law);
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const float x : numbers(law, {0x0123456789abcdef, 0xfedcba9876543210}, 100000, (1UL << 33) - 50000))
      for (int byte = 0; byte < 4; ++byte) {
        hash ^= std::bit_cast<std::uint32_t>(x) >> (8 * byte) & 0xff;
        hash *= 0x100000001b3;
      }
    CHECK(hash == golden.at(law));
  }
}
