#include "fedval/random/philox_lanes.hpp"

#include <doctest/doctest.h>

#include "fedval/random/philox.hpp"

using namespace fedval::random;

namespace {

using Counter = std::array<std::uint32_t, 4>;
using Key = std::array<std::uint32_t, 2>;

using Blocks = std::array<std::uint32_t, 64>;

/// Word 0 of sixteen blocks, then word 1, 2, 3, one block at a time.
Blocks one_by_one(const Counter& counter, const Key& key) {
  Blocks words{};
  for (std::uint32_t lane = 0; lane < 16; ++lane) {
    const Counter block = philox({counter[0] + lane, counter[1], counter[2], counter[3]}, key);
    for (std::size_t word = 0; word < 4; ++word) words[16 * word + lane] = block[word];
  }
  return words;
}

Blocks sixteen(const Counter& counter, const Key& key) {
  Blocks words{};
  philox_sixteen(counter, key, words.data());
  return words;
}

}  // namespace

TEST_CASE("sixteen blocks at a time are the same words as one after the other") {
  constexpr std::uint64_t seed = 521;
  CAPTURE(seed);
  Stream stream(seed);
  const auto word = [&] { return static_cast<std::uint32_t>(stream()); };
  for (int each = 0; each < 5000; ++each) {
    const Counter counter{word() & ~std::uint32_t{15}, word(), word(), word()};
    const Key key{word(), word()};
    REQUIRE(sixteen(counter, key) == one_by_one(counter, key));
  }
}

TEST_CASE("counters and keys at the ends of their words") {
  constexpr std::uint32_t ones = 0xffffffff;
  for (const std::uint32_t first : {0U, 1U, 5U, 0x7ffffff0U, 0x80000000U, ones - 15})
    for (const std::uint32_t other : {0U, 1U, 0x80000000U, ones})
      for (const std::uint32_t key : {0U, 1U, 0x9E3779B9U, ones}) {
        const Counter counter{first, other, other, other};
        REQUIRE(sixteen(counter, {key, key}) == one_by_one(counter, {key, key}));
      }
}

TEST_CASE("Random123's known answers, from their lanes") {
  // Counters that are all zero, and pi's digits, of which the first ends in lane 0.
  const auto word = [](const Blocks& words, std::size_t lane) {
    return Counter{words[lane], words[16 + lane], words[32 + lane], words[48 + lane]};
  };
  CHECK(word(sixteen({0, 0, 0, 0}, {0, 0}), 0) == Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  for (std::uint32_t lane = 0; lane < 16; ++lane)
    CHECK(word(sixteen({0x243f6a88 - lane, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
               lane) == Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
  const std::uint32_t ones = 0xffffffff;
  CHECK(word(sixteen({ones - 15, ones, ones, ones}, {ones, ones}), 15) ==
        Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
}
