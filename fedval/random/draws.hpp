// Random integers, orders and choices, keyed by (seed, stream): draw t of a stream is the same whatever came
// before it elsewhere, on any thread, and after a restart.
//
// Words of 32 bits from Philox; bounded integers without bias by multiplication (Lemire, "Fast random integer
// generation in an interval", ACM TOMACS 29(1), 2019).
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <numbers>
#include <span>
#include <utility>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/random/philox_lanes.hpp"

namespace fedval::random {

/// One draw after the other, 2^34 words before they repeat. Faster than Stream, and of its own numbers.
class Draws {
 public:
  /// At the first draw. Other seeds and other streams give independent draws.
  Draws(std::uint64_t seed, std::uint64_t stream) : seed_(seed), stream_(stream) {}

  /// 32 random bits.
  std::uint32_t word() {
    if (next_ == words_.size()) refill();
    return words_[next_++];
  }

  /// Uniform in [0, 1), a multiple of 2^-53.
  double uniform() {
    const std::uint64_t high = word() >> 5, low = word() >> 6;
    return static_cast<double>(high << 26 | low) * 0x1p-53;
  }

  /// Standard Gaussian by Box-Muller; reaches 8.5.
  double normal() {
    const double radius = std::sqrt(-2 * std::log1p(-uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }

  /// Uniform in {0, ..., bound - 1}; bound > 0.
  std::uint32_t below(std::uint32_t bound) {
    std::uint64_t product = std::uint64_t{word()} * bound;
    if (static_cast<std::uint32_t>(product) < bound) [[unlikely]] {
      const std::uint32_t reject = (0 - bound) % bound;
      while (static_cast<std::uint32_t>(product) < reject) product = std::uint64_t{word()} * bound;
    }
    return static_cast<std::uint32_t>(product >> 32);
  }

  /// The same for bounds of more than 32 bits; takes what the other takes where the bound has fewer.
  std::uint64_t below_wide(std::uint64_t bound) {
    if (bound <= std::numeric_limits<std::uint32_t>::max()) return below(static_cast<std::uint32_t>(bound));
    const std::uint64_t reject = (0 - bound) % bound;  // 2^64 mod bound values would be drawn too often
    for (;;) {
      const std::uint64_t low = word(), bits = std::uint64_t{word()} << 32 | low;
      if (bits >= reject) return bits % bound;
    }
  }

  /// 0, ..., n - 1 in random order, all orders as likely. O(n).
  void permutation(std::span<std::uint32_t> order) {
    const auto n = static_cast<std::uint32_t>(order.size());
    for (std::uint32_t i = 0; i < n; ++i) {
      const std::uint32_t j = below(i + 1);  // inside-out shuffle: no array to fill first
      order[i] = order[j];
      order[j] = i;
    }
  }

  /// `count` different ones of 0, ..., population - 1, all sequences as likely. O(count log count), whatever
  /// the population. Error when there are not as many.
  std::vector<std::uint64_t> without_replacement(std::size_t count, std::uint64_t population) {
    if (count > population) fail("random: ", count, " different ones of ", population);
    std::vector<std::uint64_t> chosen;
    std::map<std::uint64_t, std::uint64_t> moved;  // the places of a shuffled array that are not their own
    const auto at = [&](std::uint64_t place) {
      const auto found = moved.find(place);
      return found == moved.end() ? place : found->second;
    };
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t j = i + below_wide(population - i);
      chosen.push_back(at(j));
      moved[j] = at(i);
    }
    return chosen;
  }

  /// The logarithm of a Gamma(shape, 1): a gamma of a small shape may be below any double. Marsaglia and
  /// Tsang, "A simple method for generating gamma variables", ACM TOMS 26(3), 2000; a shape below one by the
  /// power of a uniform.
  double log_gamma(double shape) {
    if (shape < 1) return log_gamma(shape + 1) + std::log1p(-uniform()) / shape;
    const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
    for (;;) {
      const double z = normal(), v = 1 + c * z;
      if (v <= 0) continue;
      const double cube = v * v * v;
      if (std::log1p(-uniform()) < z * z / 2 + d - d * cube + d * std::log(cube)) return std::log(d * cube);
    }
  }

 private:
  void refill() {
    // The second word of the counter keeps these apart from Stream and from the laws' sequences.
    philox_sixteen(
        {block_, 0x53484150, static_cast<std::uint32_t>(stream_), static_cast<std::uint32_t>(stream_ >> 32)},
        {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)}, drawn_.data());
    // Eight blocks' first two words, then their last two, and so on: the order that runs were recorded with.
    for (std::size_t i = 0; i < words_.size(); ++i) {
      const std::size_t word = i / 16 % 2 * 2 + i % 2, block = i / 32 * 8 + i % 16 / 2;
      words_[i] = drawn_[16 * word + block];
    }
    block_ += 16;
    next_ = 0;
  }

  std::uint64_t seed_, stream_;
  std::uint32_t block_ = 0;
  std::array<std::uint32_t, 64> words_, drawn_;
  std::size_t next_ = 64;
};

}  // namespace fedval::random
