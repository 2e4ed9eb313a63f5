// Philox 4x32-10 for sixteen counters at a time, one a vector lane.
//
// A lane is 64 bits wide and holds a 32-bit word in its lower half; what stands above it is never read, since
// the products take the lower halves only. Same bits as philox(), on any processor.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__AVX__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>  // a tenth of the other's lines
#endif

namespace fedval::random {

namespace detail {

#if defined(__AVX512F__)
inline constexpr std::size_t philox_lanes = 8;
#elif defined(__AVX2__)
inline constexpr std::size_t philox_lanes = 4;
#else
inline constexpr std::size_t philox_lanes = 2;
#endif
using Words [[gnu::vector_size(philox_lanes * sizeof(std::uint64_t))]] = std::uint64_t;

/// The products of the lanes' lower halves with `factor`.
[[gnu::always_inline]] inline Words multiply(const Words& a, std::uint32_t factor) {
#if defined(__AVX512F__)
  // The form with a mask, all set: g++ 12 warns of the plain one in its own header.
  return reinterpret_cast<Words>(
      _mm512_maskz_mul_epu32(0xff, reinterpret_cast<__m512i>(a), _mm512_set1_epi64(factor)));
#elif defined(__AVX2__)
  return reinterpret_cast<Words>(_mm256_mul_epu32(reinterpret_cast<__m256i>(a), _mm256_set1_epi64x(factor)));
#elif defined(__SSE2__)
  return reinterpret_cast<Words>(_mm_mul_epu32(reinterpret_cast<__m128i>(a), _mm_set1_epi64x(factor)));
#else
  return (a & 0xffffffff) * factor;
#endif
}

/// The lanes' upper halves, moved to the lower ones: a shuffle, as shifts would wait for the multiplier's
/// port.
[[gnu::always_inline]] inline Words upper(const Words& a) {
#if defined(__AVX512F__)
  return reinterpret_cast<Words>(
      _mm512_maskz_shuffle_epi32(0xffff, reinterpret_cast<__m512i>(a), _MM_PERM_DDBB));
#elif defined(__AVX2__)
  return reinterpret_cast<Words>(_mm256_shuffle_epi32(reinterpret_cast<__m256i>(a), 0xf5));
#elif defined(__SSE2__)
  return reinterpret_cast<Words>(_mm_shuffle_epi32(reinterpret_cast<__m128i>(a), 0xf5));
#else
  return a >> 32;
#endif
}

/// The ten rounds of several vectors of blocks, side by side: each product takes five cycles to come, and the
/// other vectors fill them. c[v] holds vector v's counters, then its words.
template <std::size_t vectors>
[[gnu::always_inline]] inline void philox_rounds(Words (&c)[vectors][4], std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    for (Words(&block)[4] : c) {
      const Words a = multiply(block[0], 0xD2511F53), b = multiply(block[2], 0xCD9E8D57);
      block[0] = upper(b) ^ block[1] ^ key[0];
      block[1] = b;
      block[2] = upper(a) ^ block[3] ^ key[1];
      block[3] = a;
    }
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
}

/// 0, step, 2 step, ...
[[gnu::always_inline]] inline Words steps(std::uint64_t step) {
  Words result;
  for (std::size_t lane = 0; lane < philox_lanes; ++lane) result[lane] = step * lane;
  return result;
}

}  // namespace detail

/// The blocks of `counter`, `counter` + 1, ... (in its first word, which must not overflow), sixteen at a
/// time `sixteens` times, as 64 words each at `out`: word 0 of the sixteen blocks, then word 1 of all, word
/// 2, word 3.
template <std::size_t sixteens = 1>
void philox_sixteen(const std::array<std::uint32_t, 4>& counter, const std::array<std::uint32_t, 2>& key,
                    std::uint32_t* out) {
  using namespace detail;
  // As many vectors at once as there are registers for: pairs of the even blocks and the odd ones, which one
  // shift puts in order.
  constexpr std::size_t pairs = philox_lanes == 8 ? sixteens : 1;
  for (std::uint32_t first = 0; first < 16 * sixteens; first += 2 * philox_lanes * pairs) {
    Words c[2 * pairs][4];
    for (std::uint32_t pair = 0; pair < pairs; ++pair) {
      c[2 * pair][0] = steps(2) + (counter[0] + first + 2 * philox_lanes * pair);
      c[2 * pair + 1][0] = c[2 * pair][0] + 1;
    }
    for (Words(&block)[4] : c)
      for (std::size_t word = 1; word < 4; ++word) block[word] = Words{} + counter[word];
    philox_rounds(c, key);
    for (std::size_t pair = 0; pair < pairs; ++pair) {
      const std::size_t block = first + 2 * philox_lanes * pair;
      for (std::size_t word = 0; word < 4; ++word) {
        const Words both = (c[2 * pair][word] & 0xffffffff) | c[2 * pair + 1][word] << 32;
        std::memcpy(out + block / 16 * 64 + 16 * word + block % 16, &both, sizeof(both));
      }
    }
  }
}

}  // namespace fedval::random
