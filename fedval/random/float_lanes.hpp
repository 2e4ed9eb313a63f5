// Single precision in vector lanes, with the same bits on every processor.
//
// A compiler may fuse a product and a sum into one rounding, and whether it does depends on its options. Here
// a product is rounded before it is added to, always, so a number drawn on one machine is the number drawn on
// another.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#if defined(__AVX__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>  // a tenth of the other's lines
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace fedval::random::detail {

#if defined(__AVX512F__)
inline constexpr std::size_t float_lanes = 16;
#elif defined(__AVX2__)
inline constexpr std::size_t float_lanes = 8;
#else
inline constexpr std::size_t float_lanes = 4;
#endif

using Floats [[gnu::vector_size(4 * float_lanes)]] = float;
using Ints [[gnu::vector_size(4 * float_lanes)]] = std::int32_t;
using Uints [[gnu::vector_size(4 * float_lanes)]] = std::uint32_t;

/// a * b, rounded.
[[gnu::always_inline]] inline Floats times(const Floats& a, const Floats& b) {
  Floats product = a * b;
  // Nothing happens here, but the compiler must assume that something does.
#if defined(__AVX512F__)
  asm("" : "+v"(product));
#elif defined(__SSE2__)
  asm("" : "+x"(product));
#elif defined(__ARM_NEON)
  asm("" : "+w"(product));
#else
  asm("" : "+m"(product));
#endif
  return product;
}

/// Correctly rounded square roots.
[[gnu::always_inline]] inline Floats square_root(const Floats& a) {
#if defined(__AVX512F__)
  // The form with a mask, all set: g++ 12 warns of the plain one in its own header.
  return reinterpret_cast<Floats>(_mm512_maskz_sqrt_ps(0xffff, reinterpret_cast<__m512>(a)));
#elif defined(__AVX2__)
  return reinterpret_cast<Floats>(_mm256_sqrt_ps(reinterpret_cast<__m256>(a)));
#elif defined(__SSE2__)
  return reinterpret_cast<Floats>(_mm_sqrt_ps(reinterpret_cast<__m128>(a)));
#else
  Floats root = a;
  for (std::size_t lane = 0; lane < float_lanes; ++lane) root[lane] = std::sqrt(a[lane]);
  return root;
#endif
}

/// The bits of one kind of lanes read as the other.
template <class To, class From>
[[gnu::always_inline]] inline To bits_as(const From& from) {
  return reinterpret_cast<To>(from);
}

/// Exact for magnitudes up to 2^24.
[[gnu::always_inline]] inline Floats to_floats(const Ints& a) { return __builtin_convertvector(a, Floats); }

/// a + b, rounded once, for a in [0, 2^23) and b - 2^23 a float: the bits of a are those of 2^23 + a.
[[gnu::always_inline]] inline Floats small_float(const Ints& a, float b) {
  return bits_as<Floats>(a | 0x4b000000) - (8388608.0F - b);
}

/// Lanes of `a` where the mask is set (all ones), of `b` elsewhere.
template <class V>
[[gnu::always_inline]] inline V choose(const Ints& mask, const V& a, const V& b) {
  return bits_as<V>((mask & bits_as<Ints>(a)) | (~mask & bits_as<Ints>(b)));
}

}  // namespace fedval::random::detail
