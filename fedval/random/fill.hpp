// Tensors filled with random numbers, and the norms of such tensors, which need no memory.
//
//   fill:             x[i] = number (begin + i) of the sequence, rounded to x's scalar type
//   sphere:           x = z / ||z||_2,        z Gaussian: uniform on the unit sphere
//   l1_sphere:        x = e / ||e||_1,        e Laplace: uniform on the unit sphere of the l1 norm
//
// A tensor on a device that can draw is filled there: the same numbers. All cores are used.
// Sources: Muller, "A note on a method for generating points uniformly on N-dimensional spheres", CACM 2,
// 1959; Barthe, Guedon, Mendelson, Naor, "A probabilistic approach to the geometry of the l_p^n-ball", Annals
// of Probability 33, 2005.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "fedval/random/device.hpp"
#include "fedval/random/sequence.hpp"
#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/slices.hpp"

namespace fedval::random {

namespace detail {

template <class S>
void fill_contiguous(const Sequence& sequence, std::uint64_t begin, S* out, std::size_t count) {
  if constexpr (std::is_same_v<S, float>) {
    for_each_tile(sequence, begin, count, [&](std::size_t offset) { return out + offset; });
  } else {
    for_each_tile(sequence, begin, count, [&](std::size_t offset, const float* numbers, std::size_t n) {
      for (std::size_t i = 0; i < n; ++i) out[offset + i] = static_cast<S>(numbers[i]);
    });
  }
}

inline void fill_host(const Sequence& sequence, std::uint64_t begin, const Piece& piece) {
  visit_scalar(piece.type, [&]<class S>(S) {
    fedval::detail::for_each_slice(piece.size, [&](std::size_t first, std::size_t last) {
      if (piece.dense)
        return fill_contiguous(sequence, begin + first, static_cast<S*>(piece.data) + first, last - first);
      std::array<float, 4096> drawn;  // entries that are apart in memory may be few at a time
      for (; first < last; first += drawn.size()) {
        const std::size_t count = std::min(drawn.size(), last - first);
        fill_contiguous(sequence, begin + first, drawn.data(), count);
        piece.for_each_run<S>(first, count,
                              [from = drawn.data()](S* to, std::ptrdiff_t stride, std::size_t run) mutable {
                                for (std::size_t i = 0; i < run; ++i, to += stride)
                                  *to = static_cast<S>(*from++);
                              });
      }
    });
  });
}

/// For a device that cannot draw: drawn here, and written there part by part.
inline void fill_from_host(const Sequence& sequence, std::uint64_t begin, const Piece& piece) {
  std::vector<double> numbers(std::min(piece.size, std::size_t{1} << 20));
  for (std::size_t first = 0; first < piece.size; first += numbers.size()) {
    const std::span part(numbers.data(), std::min(numbers.size(), piece.size - first));
    fill_contiguous(sequence, begin + first, part.data(), part.size());
    piece.device->write(piece, first, part);
  }
}

/// Sum of weight(z) over numbers [begin, begin + count), in an order that depends on these two alone.
template <class Weight>
double sum_of(const Sequence& sequence, std::uint64_t begin, std::size_t count, Weight&& weight) {
  check(sequence, begin, count);
  return fedval::detail::reduce_slices(
      count, 1, count, [&](std::span<double> sum, std::size_t first, std::size_t last, std::size_t) {
        std::array<double, 8> lanes{};
        for_each_tile(sequence, begin + first, last - first,
                      [&](std::size_t, const float* numbers, std::size_t n) {
                        std::size_t i = 0;
                        for (; i + lanes.size() <= n; i += lanes.size())
                          for (std::size_t k = 0; k < lanes.size(); ++k)
                            lanes[k] += weight(static_cast<double>(numbers[i + k]));
                        for (; i < n; ++i) lanes[0] += weight(static_cast<double>(numbers[i]));
                      });
        for (const double lane : lanes) sum[0] += lane;
      })[0];
}

}  // namespace detail

/// out[i] = number (begin + i) of the sequence, i flat and row-major. O(D). Error when a Walsh row is given
/// for another law than Rademacher's, or a number beyond 2^50 is asked for.
inline void fill(const Sequence& sequence, const MutableTensorView& out, std::uint64_t begin = 0) {
  detail::check(sequence, begin, out.size());
  for (const Piece& piece : out.pieces()) {
    if (piece.device == nullptr) {
      detail::fill_host(sequence, begin, piece);
    } else if (piece.device->random != nullptr) {
      piece.device->random->fill(sequence, begin, piece);
    } else {
      detail::fill_from_host(sequence, begin, piece);
    }
    begin += piece.size;
  }
}

/// Euclidean norm of numbers [begin, begin + count). O(count), no memory.
inline double norm(const Sequence& sequence, std::size_t count, std::uint64_t begin = 0) {
  return std::sqrt(detail::sum_of(sequence, begin, count, [](double z) { return z * z; }));
}

/// Sum of the magnitudes of numbers [begin, begin + count). O(count), no memory.
inline double l1_norm(const Sequence& sequence, std::size_t count, std::uint64_t begin = 0) {
  return detail::sum_of(sequence, begin, count, [](double z) { return std::abs(z); });
}

/// Uniform on the unit sphere. O(D).
inline void sphere(const Key& key, const MutableTensorView& out) {
  const Sequence gaussian{Law::gaussian, key};
  fill(gaussian, out);
  scale(1 / norm(gaussian, out.size()), out);
}

/// Uniform on the unit sphere of the l1 norm. O(D).
inline void l1_sphere(const Key& key, const MutableTensorView& out) {
  const Sequence laplace{Law::laplace, key};
  fill(laplace, out);
  scale(1 / l1_norm(laplace, out.size()), out);
}

}  // namespace fedval::random
