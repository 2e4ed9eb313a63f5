// Magnitudes as integers, and a tensor's entries where they lie: what a search for the largest magnitudes
// reads by.
//
//   The bits of |x|, taken as an integer (its key), are in the order of |x|, for float and for double: no
//   comparison of floating-point numbers is needed. The keys of infinity and of NaN are the largest.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "fedval/tensor/device.hpp"

namespace fedval::detail {

template <class S>
using Key = std::conditional_t<std::same_as<S, float>, std::int32_t, std::int64_t>;

template <class S>
inline Key<S> key_of(S value) {
  return std::bit_cast<Key<S>>(value) & std::numeric_limits<Key<S>>::max();
}

template <class S>
inline constexpr Key<S> infinity_key = std::bit_cast<Key<S>>(std::numeric_limits<S>::infinity());

/// So many entries, at most, are looked at while they lie in the nearest cache.
inline constexpr std::size_t block_width = 1024;

/// The entries of a tensor as floats or doubles: where they lie if they are of that type and side by side,
/// else converted a few at a time. A tensor on a device is read once, in one transfer.
template <class S>
class Entries {
 public:
  explicit Entries(const TensorView& tensor) : tensor_(tensor) {
    std::size_t end = 0;
    for (const Piece& piece : tensor.pieces()) ends_.push_back(end += piece.size);
    if (tensor.device() == nullptr) return;
    transferred_.resize(tensor.size());
    tensor.read(0, transferred_);
  }

  std::size_t size() const { return tensor_.size(); }
  const TensorView& tensor() const { return tensor_; }

  /// Calls body(entries, count, begin) for consecutive blocks of [begin, end), of at most block_width
  /// entries.
  template <class Body>
  void for_each_block(std::size_t begin, std::size_t end, Body&& body) const {
    for_each_part(begin, end, [&](const S* entries, std::size_t size, std::size_t first) {
      for (std::size_t at = 0; at < size; at += block_width)
        body(entries + at, std::min(block_width, size - at), first + at);
    });
  }

  /// Calls body(entries, count, begin) for consecutive parts of [begin, end), as long as they can be.
  template <class Body>
  void for_each_part(std::size_t begin, std::size_t end, Body&& body) const {
    if constexpr (std::same_as<S, double>)
      if (!transferred_.empty()) return body(transferred_.data() + begin, end - begin, begin);
    auto piece =
        static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), begin) - ends_.begin());
    std::array<S, block_width> converted;
    while (begin < end) {
      if (begin == ends_[piece]) {
        ++piece;
        continue;
      }
      const Piece& source = tensor_.pieces()[piece];
      const std::size_t start = ends_[piece] - source.size;
      std::size_t count = std::min(end, ends_[piece]) - begin;
      if (source.dense && source.type == scalar_type_of<S>) {
        body(static_cast<const S*>(source.data) + (begin - start), count, begin);
      } else {
        count = std::min(count, converted.size());
        convert(begin, count, converted.data());
        body(converted.data(), count, begin);
      }
      begin += count;
    }
  }

 private:
  void convert(std::size_t begin, std::size_t count, S* out) const {
    if constexpr (std::same_as<S, double>) {
      tensor_.read(begin, {out, count});
    } else {
      std::array<double, block_width> wide;
      tensor_.read(begin, {wide.data(), count});
      for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<S>(wide[i]);
    }
  }

  TensorView tensor_;
  std::vector<std::size_t> ends_;  // running sums of the pieces' sizes
  std::vector<double> transferred_;
};

/// body(Entries<float>) where no entry needs more than a float, else body(Entries<double>).
template <class Body>
decltype(auto) with_entries(const TensorView& tensor, Body&& body) {
  bool wide = tensor.device() != nullptr;
  for (const Piece& piece : tensor.pieces()) wide |= piece.type == ScalarType::float64;
  return wide ? body(Entries<double>(tensor)) : body(Entries<float>(tensor));
}

/// Where the bits of a byte are 1, ascending.
inline constexpr auto bit_places = [] {
  std::array<std::array<std::uint8_t, 8>, 256> result{};
  for (unsigned byte = 0; byte < 256; ++byte)
    for (std::uint8_t bit = 0, next = 0; bit < 8; ++bit)
      if ((byte >> bit & 1) != 0) result[byte][next++] = bit;
  return result;
}();

/// Writes where flags (1 or 0, one byte each) are 1, ascending and with `first` added, to `places`, which has
/// room for eight more than they are; returns how many. No branch depends on the flags: a multiplication
/// gathers eight of them in a byte, for which a table has the places.
template <std::size_t width>
[[gnu::always_inline]] inline std::size_t find_flags(const std::array<std::uint8_t, width>& flags,
                                                     std::uint16_t* places) {
  static_assert(width % 8 == 0);
  std::size_t count = 0;
#pragma GCC unroll 64
  for (std::size_t word = 0; word < width / 8; ++word) {
    std::uint64_t eight;
    std::memcpy(&eight, flags.data() + 8 * word, 8);
    if constexpr (std::endian::native == std::endian::big) eight = __builtin_bswap64(eight);
    const std::array<std::uint8_t, 8>& bits = bit_places[(eight * 0x0102040810204080) >> 56];
    for (std::size_t i = 0; i < 8; ++i) places[count + i] = static_cast<std::uint16_t>(8 * word + bits[i]);
    count += static_cast<std::size_t>(std::popcount(eight));
  }
  return count;
}

}  // namespace fedval::detail
