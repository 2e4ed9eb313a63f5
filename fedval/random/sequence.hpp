// An endless sequence of random numbers, each known by its place: number `index` of (law, seed, stream).
//
//   tile t    = philox(counter = (32 t, ..., 32 t + 31; law; stream), key = seed): 128 words
//   number i  = number i mod n of tile i / n;  n = 128, for Rademacher 4096
//
// So a number is the same for any number of threads, any order, any part that is asked for, and any tensor
// library.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "fedval/error.hpp"
#include "fedval/random/laws.hpp"
#include "fedval/random/philox_lanes.hpp"

namespace fedval::random {

/// Which numbers: sequences of another seed or another stream are independent.
struct Key {
  /// Philox's key.
  std::uint64_t seed = 0, stream = 0;  ///< upper half of Philox's counter

  /// Same seed and same stream.
  friend bool operator==(const Key&, const Key&) = default;
};

/// The numbers of one law and one key, of which there are 2^50. `walsh` is for Rademacher signs: the sign at
/// i is multiplied by entry (walsh, i) of the Sylvester-Hadamard matrix, (-1)^popcount(walsh & i).
struct Sequence {
  Law law = Law::gaussian;  ///< of every number
  Key key;                  ///< seed and stream
  std::uint64_t walsh = 0;  ///< row of that matrix; 0 changes no sign, and is the only one for other laws

  /// Same law, key and row: the same numbers.
  friend bool operator==(const Sequence&, const Sequence&) = default;
};

namespace detail {

/// The words of a tile. The second word of the counter counts on from the first in its lower half; its upper
/// half keeps the laws apart from each other, and from Stream and Draws.
inline void tile_of(const Sequence& sequence, std::uint64_t tile, TileWords& words) {
  const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  const auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
  const std::uint32_t law = words_of(sequence.law);
  const std::uint64_t block = 32 * tile;
  philox_sixteen<2>(
      {low(block), law << 16 | high(block), low(sequence.key.stream), high(sequence.key.stream)},
      {low(sequence.key.seed), high(sequence.key.seed)}, words.data());
  if (sequence.walsh == 0) return;
  std::uint32_t within = 0;  // the matrix's signs over a word's 32 numbers
  for (std::uint32_t bit = 0; bit < 32; ++bit)
    within |= static_cast<std::uint32_t>(std::popcount(sequence.walsh & bit) & 1) << bit;
  for (std::size_t k = 0; k < tile_words; ++k) {
    const std::uint64_t place = 32 * (tile_words * tile + k);
    words[k] ^= (std::popcount(sequence.walsh & place) & 1) != 0 ? ~within : within;
  }
}

inline void check(const Sequence& sequence, std::uint64_t begin, std::size_t count) {
  if (sequence.walsh != 0 && sequence.law != Law::rademacher)
    fail("random: a Walsh row is for Rademacher signs");
  constexpr std::uint64_t most = std::uint64_t{1} << 50;
  if (begin > most || count > most - begin)
    fail("random: a sequence has 2^50 numbers, not ", count, " from number ", begin);
}

/// Calls body(offset, numbers, n) for numbers [begin, begin + count), in order, at most a tile at a time; the
/// offset is from `begin`. body(offset) may return a place for a whole tile, to save a copy.
template <class Body>
void for_each_tile(const Sequence& sequence, std::uint64_t begin, std::size_t count, Body&& body) {
  const std::size_t length = tile_numbers(sequence.law);
  alignas(64) std::array<float, 32 * tile_words> numbers;
  alignas(64) TileWords words;
  for (std::size_t done = 0; done < count;) {
    const std::uint64_t tile = (begin + done) / length;
    const std::size_t skip = (begin + done) % length, n = std::min(length - skip, count - done);
    tile_of(sequence, tile, words);
    float* target = numbers.data();
    if constexpr (requires { body(done); })
      if (n == length) target = body(done);
    transform(sequence.law, words, target, skip + n);
    if constexpr (requires { body(done); }) {
      if (n < length) std::copy_n(numbers.data() + skip, n, body(done));
    } else {
      body(done, static_cast<const float*>(numbers.data() + skip), n);
    }
    done += n;
  }
}

}  // namespace detail
}  // namespace fedval::random
