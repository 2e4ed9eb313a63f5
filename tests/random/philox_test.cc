#include "fedval/random/philox.hpp"

#include <doctest/doctest.h>

using fedval::random::philox;

TEST_CASE("Philox 4x32-10 gives Random123's known answers") {
  using Block = std::array<std::uint32_t, 4>;
  constexpr std::uint32_t ones = 0xffffffff;
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({ones, ones, ones, ones}, {ones, ones}) ==
        Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a stream is keyed by seed and stream, and by nothing else") {
  fedval::random::Stream a(7, 3), b(7, 3), other_seed(8, 3), other_stream(7, 4);
  const auto first = a();
  CHECK(first == b());
  CHECK(first != other_seed());
  CHECK(first != other_stream());
  CHECK(a() != first);
}

TEST_CASE("below covers its range evenly and refuses an empty one") {
  // Chi-square with 9 degrees of freedom: 1e-6 upper quantile is 46.4.
  fedval::random::Stream stream(1);
  constexpr int draws = 100000;
  std::array<int, 10> count{};
  for (int i = 0; i < draws; ++i) ++count[stream.below(10)];
  double chi_square = 0;
  for (const int c : count) chi_square += (c - draws / 10.0) * (c - draws / 10.0) / (draws / 10.0);
  CHECK(chi_square < 46.4);
  CHECK_THROWS_AS(stream.below(0), fedval::Error);
}

TEST_CASE("normal draws have the moments of a standard Gaussian") {
  // Five standard errors: sd of the k-th sample moment is sqrt((m_2k - m_k^2)/n).
  fedval::random::Stream stream(2);
  constexpr int draws = 200000;
  double sum = 0, square = 0, fourth = 0;
  for (int i = 0; i < draws; ++i) {
    const double x = stream.normal();
    sum += x;
    square += x * x;
    fourth += x * x * x * x;
  }
  const double n = draws;
  CHECK(std::abs(sum / n) < 5 * std::sqrt(1 / n));
  CHECK(std::abs(square / n - 1) < 5 * std::sqrt(2 / n));
  CHECK(std::abs(fourth / n - 3) < 5 * std::sqrt(96 / n));
}

TEST_CASE("shuffle permutes") {
  fedval::random::Stream stream(3);
  std::array<int, 100> values;
  for (int i = 0; i < 100; ++i) values[static_cast<std::size_t>(i)] = i;
  stream.shuffle(std::span<int>(values));
  int moved = 0;
  std::array<bool, 100> seen{};
  for (int i = 0; i < 100; ++i) {
    const int value = values[static_cast<std::size_t>(i)];
    moved += value != i;
    seen[static_cast<std::size_t>(value)] = true;
  }
  CHECK(moved > 80);
  for (const bool s : seen) CHECK(s);
}
