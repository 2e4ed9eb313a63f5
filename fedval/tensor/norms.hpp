// Euclidean norms of n vectors, without their products in pairs: O(n D) where a Gram matrix takes O(n^2 D).
//
// One pass, in double whatever the scalar type, with the same bits for any number of threads. A vector whose
// squared norm would overflow or lose digits is first scaled by a power of two, which changes no digit.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "fedval/tensor/block_dot.hpp"
#include "fedval/tensor/check.hpp"
#include "fedval/tensor/gram.hpp"
#include "fedval/tensor/slices.hpp"

namespace fedval {

/// Norms of n vectors, with a power of two set aside for each so that none overflows.
class VectorNorms {
 public:
  /// From ||2^-exponents[i] x_i||; sizes are not checked.
  VectorNorms(std::vector<double> scaled, std::vector<int> exponents)
      : scaled_(std::move(scaled)), exponents_(std::move(exponents)) {}
  /// Those that a Gram matrix holds. O(n).
  explicit VectorNorms(const Gram& gram) {
    for (std::size_t i = 0; i < gram.size(); ++i) {
      scaled_.push_back(gram.scaled_norm(i));
      exponents_.push_back(gram.exponent(i));
    }
  }

  /// Number of vectors, n.
  std::size_t size() const { return scaled_.size(); }
  /// ||x_i||; infinite or zero where that is beyond a double.
  double norm(std::size_t i) const { return std::ldexp(scaled_[i], exponents_[i]); }
  /// ||2^-exponent(i) x_i||, always within a double's range.
  double scaled_norm(std::size_t i) const { return scaled_[i]; }
  /// The power of two set aside for vector i; 0 unless its squared norm would leave the range.
  int exponent(std::size_t i) const { return exponents_[i]; }

 private:
  std::vector<double> scaled_;
  std::vector<int> exponents_;
};

namespace detail {

/// w u / ||u|| as coefficient times 2^-exponent u.
struct DirectionShare {
  double coefficient;
  int exponent;
};

/// Of vector i. A further power of two is set aside where the quotient would leave a double's range.
inline DirectionShare share_of_direction(double weight, const VectorNorms& norms, std::size_t i) {
  const double norm = norms.scaled_norm(i);
  if (!(norm > 0)) return {0.0, norms.exponent(i)};
  const double quotient = weight / norm, size = std::abs(quotient);
  if (weight == 0 || (size > 0x1p-900 && size < 0x1p900)) return {quotient, norms.exponent(i)};
  const int power = std::ilogb(norm);
  return {weight / std::ldexp(norm, -power), norms.exponent(i) + power};
}

/// Entries of a vector that lie in the nearest cache while they are worked on.
inline constexpr std::size_t block_of_norms = 512;

/// body(entries) with entries [begin, begin + block.size()) of 2^-exponent x: as they lie where they are
/// floats or doubles side by side in this host's memory, else converted into `block`; the same numbers.
template <class Body>
void with_block(const TensorView& x, int exponent, std::size_t begin, std::span<double> block, Body&& body) {
  if (exponent == 0) {
    if (const auto* floats = x.contiguous<float>(begin, block.size()))
      return body(std::span(floats, block.size()));
    if (const auto* doubles = x.contiguous<double>(begin, block.size()))
      return body(std::span(doubles, block.size()));
  }
  x.read(begin, block);
  if (exponent != 0)
    for (double& value : block) value = std::ldexp(value, -exponent);
  body(std::span<const double>(block));
}

/// Fetches floats [begin, begin + count) of x towards the cache, if they lie side by side: the next of many
/// vectors begins elsewhere, where the processor does not look ahead by itself.
inline void prefetch_block(const TensorView& x, std::size_t begin, std::size_t count) {
  if (const auto* floats = x.contiguous<float>(begin, count))
    for (std::size_t k = 0; k < count; k += 16) __builtin_prefetch(floats + k);
}

/// Whether entries can be read by a host, this one or those that have a part of them each.
inline bool readable(const DeviceOperations* device) {
  return device == nullptr || device->sum_slices != nullptr;
}

/// Sums of `width` doubles over all entries of readable vectors of one size: add(vectors, begin, end, sum)
/// for each slice, whose sums are added in the order of the slices.
template <class Add>
std::vector<double> sum_slices(std::span<const TensorView> tensors, std::size_t width, const Add& add) {
  if (tensors.empty()) return std::vector<double>(width, 0.0);
  if (const DeviceOperations* device = tensors[0].device()) return device->sum_slices(tensors, width, add);
  const std::size_t size = tensors[0].size();
  return reduce_slices(size, width, tensors.size() * size,
                       [&](std::vector<double>& sum, std::size_t begin, std::size_t end, std::size_t) {
                         add(tensors, begin, end, sum);
                       });
}

/// ||2^-exponents[i] x_i||^2 of readable vectors, all of one size.
inline std::vector<double> scaled_squares(std::span<const TensorView> tensors,
                                          std::span<const int> exponents) {
  const auto add = [&](std::span<const TensorView> vectors, std::size_t begin, std::size_t end,
                       std::vector<double>& sum) {
    std::array<double, block_of_norms> block;
    for (; begin < end; begin += block.size()) {
      const std::span<double> entries(block.data(), std::min(block.size(), end - begin));
      for (std::size_t i = 0; i < vectors.size(); ++i) {
        if (i + 1 < vectors.size()) prefetch_block(vectors[i + 1], begin, entries.size());
        with_block(vectors[i], exponents[i], begin, entries,
                   [&](auto x) { sum[i] += block_dot(x.data(), x.data(), x.size()); });
      }
      release_behind(vectors, begin + entries.size(), begin + entries.size() == end);
    }
  };
  return sum_slices(tensors, tensors.size(), add);
}

}  // namespace detail

/// Norms of n tensors of equal size, each read as a flat row-major vector. O(n D) time, O(n) memory; from a
/// device come n numbers. Error when sizes differ or an entry is not finite, and for vectors on a device
/// whose squared norm is not within 2^-900 and 2^1000; `names` (for messages) may be empty.
inline VectorNorms norms(std::span<const TensorView> tensors, std::span<const std::string> names = {}) {
  const DeviceOperations* device = detail::common_device(tensors, names);
  std::vector<int> exponents(tensors.size(), 0);
  std::vector<double> squares(tensors.size());
  if (detail::readable(device)) {
    squares = detail::scaled_squares(tensors, exponents);
  } else {
    for (std::size_t i = 0; i < tensors.size(); ++i)
      device->gram(tensors.subspan(i, 1), std::span(squares).subspan(i, 1));
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (detail::safe_square(squares[i])) continue;
    exponents[i] = detail::scaling_exponent(tensors[i], detail::name_of(names, i));
    if (exponents[i] == 0) continue;
    squares[i] = detail::scaled_squares(tensors.subspan(i, 1), std::span(exponents).subspan(i, 1))[0];
  }
  for (double& square : squares) square = std::sqrt(square);
  return {std::move(squares), std::move(exponents)};
}

}  // namespace fedval
