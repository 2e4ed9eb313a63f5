// Random numbers on LibTorch's devices, by LibTorch's own operations: the bits of the host.
//
// Philox runs in 64-bit integers, whose products wrap around as they should; the laws' additions, products
// and square roots are separate operations, each rounded once, as on the host.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>  // completes a type that Tensor.h leaves open and clang asks for
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "fedval/random/device.hpp"

namespace fedval::detail::torch {

inline constexpr std::int64_t low_word = 0xffffffff;

inline at::Tensor upper_word(const at::Tensor& product) {
  return product.bitwise_right_shift(32).bitwise_and_(low_word);
}

/// The words of `count` tiles from `first` on: [count, 128].
inline at::Tensor tile_words(const random::Sequence& sequence, std::uint64_t first, std::int64_t count,
                             at::Device device) {
  using at::Tensor;
  const auto integers = at::TensorOptions(device).dtype(at::kLong);
  const Tensor block = at::arange(count * 32, integers).add_(static_cast<std::int64_t>(32 * first));
  const auto word = [](std::uint64_t x, int part) {
    return static_cast<std::int64_t>(x >> (32 * part) & 0xffffffff);
  };
  Tensor c0 = block.bitwise_and(low_word);
  Tensor c1 = block.bitwise_right_shift(32).add_(std::int64_t{random::detail::words_of(sequence.law)} << 16);
  Tensor c2 = at::full_like(block, word(sequence.key.stream, 0));
  Tensor c3 = at::full_like(block, word(sequence.key.stream, 1));
  std::int64_t k0 = word(sequence.key.seed, 0), k1 = word(sequence.key.seed, 1);
  for (int round = 0; round < 10; ++round) {
    const Tensor a = c0.mul(std::int64_t{0xD2511F53}), b = c2.mul(std::int64_t{0xCD9E8D57});
    c0 = upper_word(b).bitwise_xor_(c1).bitwise_xor_(k0);
    c1 = b.bitwise_and(low_word);
    c2 = upper_word(a).bitwise_xor_(c3).bitwise_xor_(k1);
    c3 = a.bitwise_and(low_word);
    k0 = (k0 + 0x9E3779B9) & low_word;
    k1 = (k1 + 0xBB67AE85) & low_word;
  }
  // A tile is two halves; a half is word 0 of its sixteen blocks, then word 1, 2, 3.
  std::vector<Tensor> words;
  for (const Tensor& c : {c0, c1, c2, c3}) words.push_back(c.view({count, 2, 16}));
  return at::stack(words, 2).view({count, 128});
}

inline at::Tensor small_float(const at::Tensor& a, float b) {
  return a.to(at::kInt).bitwise_or_(0x4b000000).view(at::kFloat).sub(8388608.0F - b);
}

inline at::Tensor polynomial(const at::Tensor& x, std::initializer_list<float> coefficients) {
  const float* c = coefficients.begin();
  std::size_t power = coefficients.size() - 1;
  at::Tensor sum = x.mul(c[power]);
  while (power-- > 1) sum.add_(c[power]).mul_(x);
  return sum.add_(c[0]);
}

/// factor ln u; see random::detail::logarithm.
inline at::Tensor logarithm(const at::Tensor& high, const at::Tensor& low, float centre,
                            std::int64_t low_ones, float factor) {
  using at::Tensor;
  const Tensor near_one = high.gt(0xb504f3);
  const Tensor h = at::where(near_one, high.bitwise_xor(0xffffff), high);
  const Tensor l = at::where(near_one, low.bitwise_xor(low_ones), low);
  const Tensor whole = h.to(at::kFloat).mul_(65536.0F).add_(small_float(l, centre));
  constexpr std::int32_t root_half = 0x3f3504f3;
  const Tensor offset = whole.view(at::kInt).sub(root_half);
  const Tensor m = offset.bitwise_and(0x7fffff).add_(root_half).view(at::kFloat);
  const Tensor power = offset.bitwise_right_shift(23).sub_(40).to(at::kFloat);
  const Tensor exponent = at::where(near_one, at::zeros_like(power), power);
  const Tensor t = at::where(near_one, whole.mul(-0x1p-40F), m.sub(1.0F));
  const Tensor q = polynomial(t, {-0x1.00006cp-1F, 0x1.5558f8p-2F, -0x1.ff691cp-3F, 0x1.97b008p-3F,
                                  -0x1.61232ep-3F, 0x1.4b6d76p-3F, -0x1.9d255ep-4F});
  const Tensor log1p = t.add(t.mul(t).mul_(q));
  return log1p.mul(factor).add_(exponent.mul(factor * 0.693147181F));
}

inline at::Tensor gaussian(const at::Tensor& words) {
  using at::Tensor;
  const Tensor pairs = words.view({-1, 2, 16});
  const Tensor w = pairs.select(1, 0), v = pairs.select(1, 1);
  const Tensor low = w.bitwise_and(0xff).bitwise_left_shift(8).bitwise_or(v.bitwise_and(0xff));
  const Tensor radius = logarithm(w.bitwise_right_shift(8), low, 0.5F, 0xffff, -2.0F).sqrt_();
  const Tensor angle = v.bitwise_right_shift(8).bitwise_and_(0x3fffff);
  const Tensor x = small_float(angle.mul_(2).add_(1), -4194304.0F).mul_(0x1.921fb6p-23F);
  const Tensor xx = x.mul(x);
  const Tensor sine =
      x.add(x.mul(xx).mul_(polynomial(xx, {-0.166666552F, 0.00833217800F, -0.000195172994F})));
  const Tensor cosine = xx.mul(polynomial(xx, {-0.499998957F, 0.0416562930F, -0.00135977983F})).add_(1.0F);
  const Tensor signed_cosine = at::where(v.ge(std::int64_t{0x80000000}), cosine.neg(), cosine);
  const Tensor turned = v.bitwise_and(0x40000000).ne(0);
  return at::stack({radius.mul(at::where(turned, sine, signed_cosine)),
                    radius.mul(at::where(turned, signed_cosine, sine))},
                   1);
}

inline at::Tensor signs(const at::Tensor& bits) { return bits.to(at::kFloat).mul_(-2.0F).add_(1.0F); }

/// Entry (row, i) of the Sylvester-Hadamard matrix as a bit, for i from `first` on.
inline at::Tensor walsh_bits(std::uint64_t row, std::uint64_t first, std::int64_t count, at::Device device) {
  at::Tensor x = at::arange(count, at::TensorOptions(device).dtype(at::kLong))
                     .add_(static_cast<std::int64_t>(first))
                     .bitwise_and_(static_cast<std::int64_t>(row));
  for (const int half : {32, 16, 8, 4, 2, 1}) x = x.bitwise_xor(x.bitwise_right_shift(half));
  return x.bitwise_and_(1);
}

/// Numbers of the sequence from tile `first` on, flat.
inline at::Tensor tile_numbers(const random::Sequence& sequence, std::uint64_t first, std::int64_t count,
                               at::Device device) {
  const at::Tensor words = tile_words(sequence, first, count, device);
  switch (sequence.law) {
    case random::Law::uniform:
      return words.bitwise_right_shift(8).to(at::kFloat).mul_(0x1p-24F).flatten();
    case random::Law::gaussian:
      return gaussian(words).flatten();
    case random::Law::laplace: {
      const at::Tensor low = words.bitwise_and(0xfe).bitwise_left_shift(8);
      const at::Tensor magnitude = logarithm(words.bitwise_right_shift(8), low, 256.0F, 0xfe00, -1.0F);
      return magnitude.mul_(signs(words.bitwise_and(1))).flatten();
    }
    case random::Law::laplace_sign:
      return signs(words.bitwise_and(1)).flatten();
    default: {
      const at::Tensor places = at::arange(32, words.options());
      at::Tensor bits = words.unsqueeze(-1).bitwise_right_shift(places).bitwise_and_(1).flatten();
      if (sequence.walsh != 0)
        bits = bits.bitwise_xor(walsh_bits(sequence.walsh, 4096 * first, bits.numel(), device));
      return signs(bits);
    }
  }
}

/// Numbers [begin, begin + count) as floats; a bounded number of tiles at a time.
inline at::Tensor numbers(const random::Sequence& sequence, std::uint64_t begin, std::size_t count,
                          at::Device device) {
  const std::size_t length = random::detail::tile_numbers(sequence.law),
                    tiles = (std::size_t{1} << 22) / length;
  std::vector<at::Tensor> parts;
  for (std::size_t done = 0; done < count;) {
    const std::uint64_t tile = (begin + done) / length;
    const std::size_t skip = (begin + done) % length;
    const std::size_t part = std::min(tiles * length - skip, count - done);
    const auto used = static_cast<std::int64_t>((skip + part + length - 1) / length);
    parts.push_back(tile_numbers(sequence, tile, used, device)
                        .narrow(0, static_cast<std::int64_t>(skip), static_cast<std::int64_t>(part)));
    done += part;
  }
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

}  // namespace fedval::detail::torch
