// Counter-based random numbers: Philox 4x32-10.
//
//   block = philox(counter, key): ten rounds of two 32 x 32 -> 64 bit products, a bijection of the counter.
//
// A number depends on (seed, stream, index) and on nothing else, so draws are the same whatever the order or
// the number of threads that ask for them.
// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <span>
#include <utility>

#include "fedval/error.hpp"

namespace fedval::random {

/// The bijection itself: 128-bit counter, 64-bit key, 128 random bits. O(1).
constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                              std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

/// A sequence of draws keyed by (seed, stream). Streams of one seed are independent of each other. Satisfies
/// std::uniform_random_bit_generator; prefer the members, whose results do not depend on the standard
/// library.
class Stream {
 public:
  /// What a call returns.
  using result_type = std::uint64_t;

  /// At the first draw of the stream.
  explicit constexpr Stream(std::uint64_t seed, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  /// Least value of a call, 0.
  static constexpr result_type min() { return 0; }
  /// Largest value of a call, 2^64 - 1.
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }

  /// 64 random bits.
  constexpr result_type operator()() {
    const std::uint64_t block = index_ / 2;
    const auto words =
        philox({low(block), high(block), low(stream_), high(stream_)}, {low(seed_), high(seed_)});
    const std::size_t half = 2 * (index_++ % 2);
    return (std::uint64_t{words[half + 1]} << 32) | words[half];
  }

  /// Uniform in [0, 1), a multiple of 2^-53.
  constexpr double uniform() { return static_cast<double>((*this)() >> 11) * 0x1p-53; }

  /// Uniform in [low, high).
  constexpr double uniform(double low, double high) { return low + (high - low) * uniform(); }

  /// Uniform in {0, ..., bound - 1}, without modulo bias. Throws Error when bound is 0.
  constexpr std::uint64_t below(std::uint64_t bound) {
    if (bound == 0) fail("random: below(0) has no value to draw");
    const std::uint64_t reject = (0 - bound) % bound;  // 2^64 mod bound values would be drawn too often
    std::uint64_t bits = (*this)();
    while (bits < reject) bits = (*this)();
    return bits % bound;
  }

  /// Standard Gaussian by Box-Muller; tails reach 8.5 (53-bit uniforms).
  double normal() {
    const double radius = std::sqrt(-2.0 * std::log1p(-uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * uniform());
  }

  /// Uniform random permutation in place (Fisher-Yates). O(n).
  template <class T>
  void shuffle(std::span<T> values) {
    for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[below(i)]);
  }

 private:
  static constexpr std::uint32_t low(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
  static constexpr std::uint32_t high(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }

  std::uint64_t seed_, stream_, index_ = 0;
};

}  // namespace fedval::random
