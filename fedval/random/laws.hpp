// What 128 words of random bits become: uniform, Gaussian, Laplace or Rademacher numbers.
//
//   uniform      w / 2^32, cut to 24 bits: [0, 1)
//   Gaussian     Box-Muller: sqrt(-2 ln u) (cos a, sin a), u of 40 bits, a of 24
//   Laplace      sign times -ln u, u of 31 bits
//   Rademacher   -1 or +1, one bit each
//   Laplace sign the sign of the Laplace number at the same place
//
// The numbers are floats, and each comes from additions, products and square roots that are rounded one by
// one, so a number has the same bits on every processor and with any compiler options that keep to IEEE 754.
// Tails: a Gaussian reaches 7.54 (its law gives 4.8e-14 beyond), and P(|z| > t) is right to 1 % for t <= 7; a
// Laplace number reaches 22.2 (2.3e-10 beyond).
// Source: Box and Muller, "A note on the generation of random normal deviates", Ann. Math. Statist. 29, 1958.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "fedval/random/float_lanes.hpp"

namespace fedval::random {

/// What the numbers of a sequence are distributed as.
enum class Law : std::uint8_t {
  uniform,       ///< on [0, 1), multiples of 2^-24
  gaussian,      ///< standard normal
  laplace,       ///< of density exp(-|x|) / 2
  laplace_sign,  ///< -1 or +1: the sign of the Laplace number at the same place
  rademacher     ///< -1 or +1, one as likely as the other
};

namespace detail {

inline constexpr std::size_t tile_words = 128;
using TileWords = std::array<std::uint32_t, tile_words>;

/// Which words a law's numbers come from; a Laplace number and its sign share theirs. Never 0: Stream's.
constexpr std::uint32_t words_of(Law law) {
  return static_cast<std::uint32_t>(law == Law::laplace_sign ? Law::laplace : law) + 1;
}

/// Numbers that a tile's words become.
constexpr std::size_t tile_numbers(Law law) { return law == Law::rademacher ? 32 * tile_words : tile_words; }

template <class V>
[[gnu::always_inline]] inline V load(const void* from) {
  V value;
  std::memcpy(&value, from, sizeof(V));
  return value;
}

template <class V>
[[gnu::always_inline]] inline void store(void* to, const V& value) {
  std::memcpy(to, &value, sizeof(V));
}

/// Values that are worked on side by side: each operation takes some cycles to come, and the others fill
/// them.
template <class V>
using Set = V[2];

/// sums[k] = c[0] + x[k] (c[1] + x[k] (c[2] + ...)).
template <std::size_t n>
[[gnu::always_inline]] inline void polynomial(const Set<Floats>& x, const float (&c)[n], Set<Floats>& sums) {
  for (std::size_t k = 0; k < 2; ++k) sums[k] = times(x[k], Floats{} + c[n - 1]) + c[n - 2];
  for (std::size_t power = n - 2; power-- > 0;)
    for (std::size_t k = 0; k < 2; ++k) sums[k] = times(sums[k], x[k]) + c[power];
}

/// result = factor ln u (factor a power of two) for u = (2^16 high + low + centre) / 2^40, to about 2e-7 of
/// itself also where u is near 1; high of 24 bits, low of 16, of which those in `low_ones` may be set.
[[gnu::always_inline]] inline void logarithm(const Set<Ints>& high, const Set<Ints>& low, float centre,
                                             int low_ones, float factor, Set<Floats>& result) {
  Set<Floats> t, exponent, q;
  for (std::size_t k = 0; k < 2; ++k) {
    // u above sqrt(1/2) is taken as 1 - u, whose bits are the complement: nothing is lost to rounding at 1.
    const Ints near_one = high[k] > 0xb504f3;
    const Ints h = high[k] ^ (near_one & 0xffffff), l = low[k] ^ (near_one & low_ones);
    const Floats whole = to_floats(h) * 65536.0F + small_float(l, centre);  // an exact product
    // whole = 2^e m with m in [sqrt(1/2), sqrt(2)).
    constexpr std::int32_t root_half = 0x3f3504f3;
    const Ints offset = bits_as<Ints>(whole) - root_half;
    const Floats m = bits_as<Floats>((offset & 0x7fffff) + root_half);
    exponent[k] = choose(near_one, Floats{}, to_floats((offset >> 23) - 40));
    t[k] = choose(near_one, whole * -0x1p-40F, m - 1.0F);
  }
  // ln(1 + t) = t + t^2 Q(t), minimax to 1.8e-7
  constexpr float coefficients[] = {-0x1.00006cp-1F, 0x1.5558f8p-2F, -0x1.ff691cp-3F, 0x1.97b008p-3F,
                                    -0x1.61232ep-3F, 0x1.4b6d76p-3F, -0x1.9d255ep-4F};
  polynomial(t, coefficients, q);
  for (std::size_t k = 0; k < 2; ++k) {
    const Floats log1p = t[k] + times(times(t[k], t[k]), q[k]);
    result[k] = log1p * factor + times(exponent[k], Floats{} + factor * 0.693147181F);
  }
}

/// Word i and word i + 16 of each 32 make two numbers, in their places.
inline void gaussian(const TileWords& words, float* out) {
  // Each set is two vectors of words i; `at` says where vector v is.
  constexpr std::size_t vectors = 16 / float_lanes;
  const auto at = [](std::size_t v) { return v / vectors * 32 + v % vectors * float_lanes; };
  for (std::size_t first = 0; first < tile_words / 2 / float_lanes; first += 2) {
    Set<Uints> w, v;
    Set<Ints> high, low;
    Set<Floats> squared_radius, x, xx, sine, cosine;
    for (std::size_t k = 0; k < 2; ++k) {
      w[k] = load<Uints>(&words[at(first + k)]);
      v[k] = load<Uints>(&words[at(first + k) + 16]);
      high[k] = bits_as<Ints>(w[k] >> 8);
      low[k] = bits_as<Ints>((w[k] & 0xff) << 8 | (v[k] & 0xff));
    }
    logarithm(high, low, 0.5F, 0xffff, -2.0F, squared_radius);
    for (std::size_t k = 0; k < 2; ++k) {
      // v = quadrant (2 bits), angle within it (22 bits), 8 bits that the radius has used.
      const Ints angle = bits_as<Ints>(v[k] >> 8 & 0x3fffff);
      x[k] = small_float(angle << 1 | 1, -4194304.0F) * 0x1.921fb6p-23F;  // in (-pi/4, pi/4), never 0
      xx[k] = times(x[k], x[k]);
    }
    constexpr float s[] = {-0.166666552F, 0.00833217800F, -0.000195172994F};
    constexpr float c[] = {-0.499998957F, 0.0416562930F, -0.00135977983F};
    polynomial(xx, s, sine);
    polynomial(xx, c, cosine);
    for (std::size_t k = 0; k < 2; ++k) {
      const Floats radius = square_root(squared_radius[k]);
      const Floats sin = x[k] + times(times(x[k], xx[k]), sine[k]);
      const Floats cos = times(xx[k], cosine[k]) + 1.0F;
      const Floats signed_cos = bits_as<Floats>(bits_as<Uints>(cos) ^ (v[k] & 0x80000000));
      const Ints turned = bits_as<Ints>(v[k] << 1) >> 31;
      store(out + at(first + k), times(radius, choose(turned, sin, signed_cos)));
      store(out + at(first + k) + 16, times(radius, choose(turned, signed_cos, sin)));
    }
  }
}

inline void uniform(const TileWords& words, float* out) {
  for (std::size_t i = 0; i < tile_words; i += float_lanes)
    store(out + i, to_floats(bits_as<Ints>(load<Uints>(&words[i]) >> 8)) * 0x1p-24F);
}

inline void laplace(const TileWords& words, float* out) {
  for (std::size_t i = 0; i < tile_words; i += 2 * float_lanes) {
    Set<Uints> w;
    Set<Ints> high, low;
    Set<Floats> magnitude;
    for (std::size_t k = 0; k < 2; ++k) {
      w[k] = load<Uints>(&words[i + k * float_lanes]);
      high[k] = bits_as<Ints>(w[k] >> 8);
      low[k] = bits_as<Ints>((w[k] & 0xfe) << 8);
    }
    logarithm(high, low, 256.0F, 0xfe00, -1.0F, magnitude);
    for (std::size_t k = 0; k < 2; ++k) {
      store(out + i + k * float_lanes, bits_as<Floats>(bits_as<Uints>(magnitude[k]) ^ (w[k] << 31)));
    }
  }
}

inline void laplace_sign(const TileWords& words, float* out) {
  for (std::size_t i = 0; i < tile_words; i += float_lanes)
    store(out + i, load<Uints>(&words[i]) << 31 | 0x3f800000);
}

/// Bit b of a word is the sign of the word's number b: 0 for +1.
inline void rademacher(std::span<const std::uint32_t> words, float* out) {
  Uints shift;
  for (std::size_t lane = 0; lane < float_lanes; ++lane) shift[lane] = 31 - static_cast<std::uint32_t>(lane);
  for (const std::uint32_t word : words)
    for (std::uint32_t first = 0; first < 32; first += float_lanes, out += float_lanes)
      store(out, ((Uints{} + (word >> first)) << shift & 0x80000000) | 0x3f800000);
}

/// A tile's numbers; signs, which are many a word, only as far as word (last - 1) / 32.
inline void transform(Law law, const TileWords& words, float* out, std::size_t last = 32 * tile_words) {
  switch (law) {
    case Law::uniform:
      return uniform(words, out);
    case Law::gaussian:
      return gaussian(words, out);
    case Law::laplace:
      return laplace(words, out);
    case Law::laplace_sign:
      return laplace_sign(words, out);
    case Law::rademacher:
      return rademacher(std::span(words).first((last + 31) / 32), out);
  }
}

}  // namespace detail
}  // namespace fedval::random
