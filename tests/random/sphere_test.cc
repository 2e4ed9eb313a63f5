// Norms of sequences, the spheres, and Walsh rows.
#include <doctest/doctest.h>

#include <bit>
#include <cmath>

#include "fedval/random/fill.hpp"
#include "fedval/tensor/std.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval::random;
using fedval::BFloat16;
using fedval::Half;
using fedval::tests::naive_norm;
using fedval::tests::Rounding;
using fedval::tests::sum_bound;
using fedval::tests::Values;

namespace {

constexpr std::uint64_t seed = 1013;

template <class S = double>
Values drawn(const Sequence& sequence, std::size_t count) {
  std::vector<S> x(count);
  fill(sequence, x);
  Values values;
  for (const S& each : x) values.push_back(static_cast<double>(each));
  return values;
}

long double naive_l1(std::span<const double> a) {
  long double sum = 0;
  for (const double x : a) sum += std::abs(x);
  return sum;
}

/// The mean of draws whose variance is known, in its standard errors from what is expected.
struct Mean {
  double expected, variance, sum = 0, count = 0;
  void add(double x) {
    sum += x;
    ++count;
  }
  double off() const { return std::abs(sum / count - expected) / std::sqrt(variance / count); }
};

/// Moments of x_0, and of x_0 with the last coordinate, over many draws from a sphere: `absolute(k)` is
/// E |x_i|^k and `squares` is E x_i^2 x_j^2.
template <class Draw, class Absolute>
void check_moments(std::size_t d, Draw&& draw, Absolute&& absolute, double squares) {
  CAPTURE(d);
  std::vector<Mean> powers, each;
  for (int k = 1; k <= 4; ++k) {
    powers.push_back({absolute(k), absolute(2 * k) - absolute(k) * absolute(k)});
    each.push_back({absolute(2), absolute(4) - absolute(2) * absolute(2)});
  }
  Mean sign{0, absolute(2)}, cube{0, absolute(6)}, product{0, squares};
  each.resize(d, each[0]);
  Values x(d);
  for (std::uint64_t stream = 0; stream < 100000; ++stream) {
    draw(Key{seed, stream}, x);
    for (std::size_t k = 0; k < 4; ++k) powers[k].add(std::pow(std::abs(x[0]), k + 1));
    for (std::size_t i = 0; i < d; ++i) each[i].add(x[i] * x[i]);
    sign.add(x[0]);
    cube.add(x[0] * x[0] * x[0]);
    product.add(x[0] * x[d - 1]);
  }
  for (const Mean& mean : powers) CHECK(mean.off() < 5);
  for (const Mean& mean : each) CHECK(mean.off() < 5);
  CHECK(sign.off() < 5);
  CHECK(cube.off() < 5);
  CHECK(product.off() < 5);
}

}  // namespace

TEST_CASE("norms are the norms of what is filled") {
  for (const Sequence& sequence : {Sequence{Law::uniform, {seed, 1}}, Sequence{Law::gaussian, {seed, 2}},
                                   Sequence{Law::laplace, {seed, 3}}, Sequence{Law::laplace_sign, {seed, 4}},
                                   Sequence{Law::rademacher, {seed, 5}, 77}})
    for (const std::size_t count : {1UL, 2UL, 7UL, 127UL, 128UL, 129UL, 1023UL, 4097UL, 70001UL}) {
      CAPTURE(sequence.law);
      CAPTURE(count);
      const Values x = drawn(sequence, count);
      // Squares and magnitudes are exact doubles or rounded once; their sums are bounded in any order.
      CHECK(std::abs(norm(sequence, count) - naive_norm(x)) <= sum_bound(count + 1) * naive_norm(x));
      CHECK(std::abs(l1_norm(sequence, count) - naive_l1(x)) <= sum_bound(count) * naive_l1(x));
    }
  CHECK(norm({}, 0) == 0);
  CHECK(l1_norm({}, 0) == 0);
  for (const std::size_t count : {1UL, 3UL, 1000000UL}) {
    CHECK(l1_norm({Law::rademacher, {seed, 6}}, count) == static_cast<double>(count));
    CHECK(norm({Law::laplace_sign, {seed, 6}}, count) == std::sqrt(static_cast<double>(count)));
  }
}

TEST_CASE_TEMPLATE("points on the spheres have norm one, and the direction of what they are drawn from", S,
                   double, float, Half, BFloat16) {
  for (const std::size_t d : {1UL, 2UL, 3UL, 1000UL, 5000UL}) {
    CAPTURE(d);
    // An entry is rounded when it is filled, by 1/norm and when it is scaled: to 2u of itself plus what is
    // lost below the smallest normal number. The doubles' factor is right to sum_bound(d).
    const auto check = [&](const Values& z, long double length, const Values& x, long double norm) {
      const double relative = 2 * Rounding<S>::relative * (1 + Rounding<S>::relative) + sum_bound(d + 3);
      const double absolute = 2 * Rounding<S>::subnormal;
      CHECK(std::abs(norm - 1) <= relative + absolute * static_cast<double>(d));
      for (std::size_t i = 0; i < d; ++i)
        REQUIRE(std::abs(x[i] - z[i] / length) <= relative * std::abs(z[i] / length) + absolute);
    };
    for (std::uint64_t stream = 0; stream < 5; ++stream) {
      const Key key{seed, stream};
      std::vector<S> x(d), y(d);
      sphere(key, x);
      l1_sphere(key, y);
      Values on_sphere, on_l1;
      for (std::size_t i = 0; i < d; ++i) {
        on_sphere.push_back(static_cast<double>(x[i]));
        on_l1.push_back(static_cast<double>(y[i]));
      }
      const Values z = drawn({Law::gaussian, key}, d), e = drawn({Law::laplace, key}, d);
      check(z, naive_norm(z), on_sphere, naive_norm(on_sphere));
      check(e, naive_l1(e), on_l1, naive_l1(on_l1));
    }
  }
}

TEST_CASE("the law of a coordinate on the sphere") {
  // x_i^2 is Beta(1/2, (d-1)/2): E x_i^2 = 1/d, E x_i^4 = 3/(d(d+2)), E x_i^2 x_j^2 = 1/(d(d+2)).
  CAPTURE(seed);
  for (const std::size_t dimension : {2UL, 3UL, 7UL}) {
    const auto d = static_cast<double>(dimension);
    const auto absolute = [&](int k) {
      return std::exp(std::lgamma((k + 1) / 2.0) + std::lgamma(d / 2) - std::lgamma(0.5) -
                      std::lgamma((d + k) / 2));
    };
    REQUIRE(absolute(2) == doctest::Approx(1 / d));
    REQUIRE(absolute(4) == doctest::Approx(3 / (d * (d + 2))));
    check_moments(
        dimension, [](const Key& key, Values& x) { sphere(key, x); }, absolute, 1 / (d * (d + 2)));
  }
}

TEST_CASE("the law of a coordinate on the l1 sphere") {
  // |x_i| is Beta(1, d-1): E |x_i| = 1/d, E x_i^2 = 2/(d(d+1)), E x_i^2 x_j^2 = 4/(d(d+1)(d+2)(d+3)).
  CAPTURE(seed);
  for (const std::size_t dimension : {2UL, 3UL, 7UL}) {
    const auto d = static_cast<double>(dimension);
    const auto absolute = [&](int k) { return std::tgamma(k + 1) * std::tgamma(d) / std::tgamma(d + k); };
    REQUIRE(absolute(1) == doctest::Approx(1 / d));
    REQUIRE(absolute(2) == doctest::Approx(2 / (d * (d + 1))));
    check_moments(
        dimension, [](const Key& key, Values& x) { l1_sphere(key, x); }, absolute,
        4 / (d * (d + 1) * (d + 2) * (d + 3)));
  }
}

TEST_CASE("spheres of one dimension are -1 and 1, whatever is drawn") {
  // Stream 9145826 of seed 0 begins with the angle next to zero: a sine of zero would leave no direction.
  std::size_t off = 0;
  double sum = 0;
  std::array<double, 1> x{};
  constexpr std::uint64_t streams = 1 << 17;
  for (std::uint64_t stream = 0; stream < streams; ++stream) {
    sphere({seed, stream}, x);
    off += std::abs(std::abs(x[0]) - 1) <= 0x1p-52 ? 0 : 1;
    sum += x[0];
  }
  CHECK(off == 0);
  CHECK(std::abs(sum) < 5 * std::sqrt(static_cast<double>(streams)));
  sphere({0, 9145826}, x);
  CHECK(std::abs(std::abs(x[0]) - 1) <= 0x1p-52);
}

TEST_CASE("Walsh rows of one key are signs whose products are the Sylvester-Hadamard matrix") {
  // Entry (a, i) is (-1)^popcount(a & i); rows of 2^k entries are orthogonal, exactly.
  const auto row = [](std::uint64_t walsh, std::size_t count, std::uint64_t begin = 0) {
    std::vector<float> x(count);
    fill({Law::rademacher, {seed, 9}, walsh}, x, begin);
    return x;
  };
  Stream stream(seed);
  for (const std::uint64_t begin : {0UL, 4000UL, (1UL << 40) - 100, (1UL << 50) - 9000}) {
    const std::vector<float> plain = row(0, 9000, begin);
    for (int each = 0; each < 60; ++each) {
      const std::uint64_t walsh = stream() >> stream.below(64);
      CAPTURE(walsh);
      CAPTURE(begin);
      const std::vector<float> signs = row(walsh, 9000, begin);
      for (std::uint64_t i = 0; i < signs.size(); ++i)
        REQUIRE(signs[i] == (std::popcount(walsh & (begin + i)) % 2 == 0 ? plain[i] : -plain[i]));
    }
  }
  for (const std::size_t n : {1UL, 2UL, 32UL, 64UL, 256UL})
    for (std::uint64_t a = 0; a < n; ++a)
      for (std::uint64_t b = 0; b <= a; ++b) {
        const std::vector<float> x = row(a, n), y = row(b, n);
        float product = 0;
        for (std::size_t i = 0; i < n; ++i) product += x[i] * y[i];
        REQUIRE(product == (a == b ? static_cast<float>(n) : 0));
      }
}
