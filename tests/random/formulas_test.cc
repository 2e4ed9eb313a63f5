// Each number against the formula that laws.hpp documents, in long double, from Philox one block at a time.
#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

#include "fedval/random/fill.hpp"
#include "fedval/random/philox.hpp"
#include "fedval/tensor/std.hpp"

using namespace fedval::random;

namespace {

constexpr long double pi = std::numbers::pi_v<long double>;

/// Two Gaussian numbers and their radius.
struct Pair {
  long double radius, first, second;
};

/// u = (40 bits + 1/2) / 2^40; an angle of 22 bits within a quadrant, centred too, so that none is a multiple
/// of a quarter turn.
Pair box_muller(std::uint32_t w, std::uint32_t v) {
  const long double u = (std::ldexp(static_cast<long double>(w), 8) + (v & 0xff) + 0.5L) * 0x1p-40L;
  const long double x = (((v >> 8 & 0x3fffff) + 0.5L) * 0x1p-22L - 0.5L) * (pi / 2);
  const std::array<long double, 4> angles{x, pi / 2 - x, pi - x, x - pi / 2};
  const long double radius = std::sqrt(-2 * std::log(u)), angle = angles[v >> 30];
  return {radius, radius * std::cos(angle), radius * std::sin(angle)};
}

/// Four units in the last place of the radius, 4.8e-7 of it: half of the logarithm's 5e-7 below, since a root
/// halves it, and roundings of 2^-24 = 0.6e-7 each: the root, x, its sine or cosine, and the last product.
long double gaussian_bound(const Pair& pair) { return 4 * 0x1p-23L * pair.radius; }

long double minus_log(std::uint32_t w) { return -std::log(((w >> 1) + 0.5L) * 0x1p-31L); }

/// u rounded to 2^-24 of itself moves ln u by as much, 1.7e-7 of it where u = sqrt(1/2); the polynomial is
/// right to 1.8e-7; and two more roundings of 0.6e-7.
constexpr long double laplace_bound = 5e-7L;

/// Word k of a tile: 32 blocks, of which each sixteen stand word by word.
std::uint32_t word(Law law, const Key& key, std::uint64_t tile, std::uint64_t k) {
  const std::uint64_t block = 32 * tile + k / 64 * 16 + k % 16;
  const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  const auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
  // A Laplace sign is the sign of the Laplace number at its place: it has that one's words.
  const Law source = law == Law::laplace_sign ? Law::laplace : law;
  const std::uint32_t tag = (static_cast<std::uint32_t>(source) + 1) << 16 | high(block);
  return philox({low(block), tag, low(key.stream), high(key.stream)},
                {low(key.seed), high(key.seed)})[k / 16 % 4];
}

/// The number and how far it may be off.
struct Number {
  long double value, bound = 0;
};

Number naive(Law law, const Key& key, std::uint64_t index) {
  const std::uint64_t tile = index / 128, k = index % 128;
  switch (law) {
    case Law::uniform:
      return {static_cast<long double>(word(law, key, tile, k) >> 8) * 0x1p-24L};
    case Law::gaussian: {
      const std::uint64_t first = k / 32 * 32 + k % 16;
      const Pair pair = box_muller(word(law, key, tile, first), word(law, key, tile, first + 16));
      return {k % 32 < 16 ? pair.first : pair.second, gaussian_bound(pair)};
    }
    case Law::laplace: {
      const std::uint32_t w = word(law, key, tile, k);
      const long double magnitude = minus_log(w);
      return {w % 2 == 0 ? magnitude : -magnitude, laplace_bound * magnitude};
    }
    case Law::laplace_sign:
      return {word(law, key, tile, k) % 2 == 0 ? 1.0L : -1.0L};
    default:
      return {(word(law, key, index / 4096, index % 4096 / 32) >> index % 32) % 2 == 0 ? 1.0L : -1.0L};
  }
}

/// A tile whose words are w where a Gaussian pair has its first word, and v where it has its second.
detail::TileWords pattern(std::uint32_t w, std::uint32_t v) {
  detail::TileWords words;
  for (std::size_t k = 0; k < words.size(); ++k) words[k] = k % 32 < 16 ? w : v;
  return words;
}

std::array<float, 4096> transformed(Law law, const detail::TileWords& words) {
  std::array<float, 4096> numbers{};
  detail::transform(law, words, numbers.data());
  return numbers;
}

/// At the ends, and where the logarithm turns from u to 1 - u: sqrt(1/2) is 0.b504f333 in base 16.
const std::vector<std::uint32_t> extremes{0,          1,          2,          3,          0xff,
                                          0x100,      0x101,      0x3fffffff, 0x40000000, 0x7fffffff,
                                          0x80000000, 0x80000001, 0xbfffffff, 0xc0000000, 0xb504f2ff,
                                          0xb504f300, 0xb504f333, 0xb504f334, 0xb504f3ff, 0xb504f400,
                                          0xb504f4ff, 0xfffffeff, 0xffffff00, 0xfffffffe, 0xffffffff};

}  // namespace

TEST_CASE("numbers anywhere in any sequence are what the formulas say") {
  constexpr std::uint64_t seed = 983;
  CAPTURE(seed);
  Stream stream(seed);
  for (const Law law : {Law::uniform, Law::gaussian, Law::laplace, Law::laplace_sign, Law::rademacher})
    for (int each = 0; each < 300; ++each) {
      const Key key{stream(), stream()};
      const std::size_t count = 1 + stream.below(300);
      // As often among the first numbers as among the last of 2^50.
      const std::uint64_t begin = stream.below(((1UL << 50) - count + 1) >> stream.below(50));
      std::vector<float> numbers(count);
      fill({law, key}, numbers, begin);
      CAPTURE(law);
      CAPTURE(begin);
      for (std::size_t i = 0; i < count; ++i) {
        const Number expected = naive(law, key, begin + i);
        CAPTURE(i);
        REQUIRE(std::abs(numbers[i] - expected.value) <= expected.bound);
      }
    }
}

TEST_CASE("the logarithm and the circle hold where the bits are at their ends") {
  std::size_t pairs = 0;
  for (const std::uint32_t w : extremes)
    for (const std::uint32_t v : extremes) {
      CAPTURE(w);
      CAPTURE(v);
      const Pair pair = box_muller(w, v);
      const auto z = transformed(Law::gaussian, pattern(w, v));
      for (std::size_t i = 0; i < 128; ++i)
        REQUIRE(std::abs(z[i] - (i % 32 < 16 ? pair.first : pair.second)) <= gaussian_bound(pair));
      ++pairs;
    }
  CHECK(pairs == extremes.size() * extremes.size());
  for (const std::uint32_t w : extremes) {
    CAPTURE(w);
    const auto words = pattern(w, w);
    const float e = transformed(Law::laplace, words)[77];
    CHECK(std::abs(std::abs(e) - minus_log(w)) <= laplace_bound * minus_log(w));
    CHECK(std::signbit(e) == (w % 2 != 0));
    CHECK(transformed(Law::laplace_sign, words)[77] == (w % 2 == 0 ? 1 : -1));
    CHECK(transformed(Law::uniform, words)[77] == static_cast<float>(w >> 8) * 0x1p-24F);
    const auto signs = transformed(Law::rademacher, words);
    for (std::size_t i = 0; i < signs.size(); ++i) REQUIRE(signs[i] == ((w >> i % 32) % 2 == 0 ? 1 : -1));
  }
}

TEST_CASE("each number of a tile comes from its own words") {
  // One word among zeros: the numbers that it changes are the ones it belongs to.
  const auto zeros = pattern(0, 0);
  for (std::size_t k = 0; k < zeros.size(); ++k) {
    auto words = zeros;
    words[k] = 0x9e3779b9;
    for (const Law law : {Law::uniform, Law::gaussian, Law::laplace, Law::laplace_sign, Law::rademacher}) {
      const auto before = transformed(law, zeros), after = transformed(law, words);
      for (std::size_t i = 0; i < detail::tile_numbers(law); ++i) {
        const bool own = law == Law::rademacher ? i / 32 == k && (0x9e3779b9U >> i % 32) % 2 == 1
                         : law == Law::gaussian ? i / 32 == k / 32 && i % 16 == k % 16
                                                : i == k;
        REQUIRE((before[i] != after[i]) == own);
      }
    }
  }
}

TEST_CASE("the Gaussian is symmetric bit by bit, and never zero") {
  // The complement of the angle's bits is the mirrored angle; the quadrant's sign bit mirrors the cosine.
  Stream stream(991);
  for (int each = 0; each < 2000; ++each) {
    const auto w = static_cast<std::uint32_t>(stream()),
               v = static_cast<std::uint32_t>(stream()) & 0xbfffffff;
    const auto z = transformed(Law::gaussian, pattern(w, v));
    const auto mirrored = transformed(Law::gaussian, pattern(w, v ^ 0x3fffff00));
    const auto turned = transformed(Law::gaussian, pattern(w, v | 0x40000000));
    const auto negative = transformed(Law::gaussian, pattern(w, v ^ 0x80000000));
    CAPTURE(w);
    CAPTURE(v);
    REQUIRE(mirrored[0] == z[0]);
    REQUIRE(mirrored[16] == -z[16]);
    REQUIRE(turned[0] == z[16]);
    REQUIRE(turned[16] == z[0]);
    REQUIRE(negative[0] == -z[0]);
    REQUIRE(negative[16] == z[16]);
  }
  for (const std::uint32_t v : {0x1fffff00U, 0x20000000U})
    CHECK(transformed(Law::gaussian, pattern(0, v))[16] != 0);
}

TEST_CASE("the tails reach as far as the header says, and hold the mass it says") {
  const double farthest = std::sqrt(82 * std::numbers::ln2);  // u = 2^-41
  const float z = transformed(Law::gaussian, pattern(0, 0x20000000))[0];
  CHECK(std::abs(z - farthest) < 4 * 0x1p-23 * farthest);
  CHECK(std::round(farthest * 100) == 754);
  CHECK(std::erfc(farthest / std::numbers::sqrt2) == doctest::Approx(4.8e-14).epsilon(0.05 / 4.8));
  const float e = transformed(Law::laplace, pattern(0, 0))[0];
  CHECK(e == doctest::Approx(32 * std::numbers::ln2).epsilon(4e-7));
  CHECK(std::exp(-32 * std::numbers::ln2) == doctest::Approx(2.3e-10).epsilon(0.05 / 2.3));

  // P(|z| > t) as drawn, from the values that u and the angle take: u < exp(-t^2 / (2 cos^2 a)) holds for
  // round(2^40 exp(...)) of the 2^40 values. Each angle is as likely as its sine's, and in a quadrant they
  // are symmetric.
  constexpr std::size_t angles = 1 << 21;
  std::vector<double> inverse_squares;
  for (std::size_t k = 0; k < angles; ++k) {
    const double x = (static_cast<double>(k) + 0.5) * std::numbers::pi * 0x1p-23;
    inverse_squares.push_back(1 / (std::cos(x) * std::cos(x)));
    inverse_squares.push_back(1 / (std::sin(x) * std::sin(x)));
  }
  for (const double t : {0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 5.5, 6.0, 6.5, 7.0}) {
    CAPTURE(t);
    double values = 0;
    for (const double inverse : inverse_squares)
      values += std::round(0x1p40 * std::exp(-t * t / 2 * inverse));
    const double drawn = values * 0x1p-40 / (2 * angles);
    CHECK(drawn == doctest::Approx(std::erfc(t / std::numbers::sqrt2)).epsilon(0.01));
  }
}
