// The leading eigenvectors of A, nearly, from products with A only: three steps of subspace iteration.
//
//   Y = A Q,  Q <- orthonormal basis of the columns of Y;  Q starts as Gaussian vectors
//
// The basis is built vector by vector (Gram-Schmidt, twice), so a matrix of low rank has a small one. Source:
// Halko, Martinsson, Tropp, "Finding structure with randomness", SIAM Review 53, 2011, algorithm 4.4.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "fedval/linalg/lanczos_quadrature.hpp"
#include "fedval/random/philox.hpp"

namespace fedval::linalg::detail {

/// Streams of random numbers: the probes have 0, 1, 2, ...
inline constexpr std::uint64_t sketch_stream = std::uint64_t{1} << 62, pilot_stream = std::uint64_t{1} << 63;

/// Writes n random signs to column `column` of the block.
inline void fill_signs(Block& block, std::size_t column, std::uint64_t seed, std::uint64_t stream) {
  random::Stream bits(seed, stream);
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < block.size() / block_width; ++i, word >>= 1) {
    if (i % 64 == 0) word = bits();
    block[i * block_width + column] = (word & 1) != 0 ? 1.0 : -1.0;
  }
}

/// <a, b> in eight lanes, so that additions need not wait for each other.
inline double inner_product(std::span<const double> a, std::span<const double> b) {
  BlockRow sum{};
  std::size_t i = 0;
  for (; i + block_width <= a.size(); i += block_width)
    sum += placed_row(a.data() + i, 0).lanes * placed_row(b.data() + i, 0).lanes;
  double total = 0;
  for (std::size_t lane = 0; lane < block_width; ++lane) total += sum[lane];
  for (; i < a.size(); ++i) total += a[i] * b[i];
  return total;
}

/// Orthonormal vectors q_1, q_2, ..., each of n entries.
class Orthonormal {
 public:
  std::size_t size() const { return vectors_.size(); }
  const std::vector<double>& operator[](std::size_t i) const { return vectors_[i]; }

  /// v <- (I - Q Q^T) v
  void remove_from(std::span<double> v) const {
    for (const std::vector<double>& q : vectors_) {
      const double along = inner_product(q, v);
      for (std::size_t i = 0; i < v.size(); ++i) v[i] -= along * q[i];
    }
  }

  /// Adds the direction that v has besides the others, unless it is only rounding.
  void add(std::vector<double> v) {
    const double before = std::sqrt(inner_product(v, v));
    remove_from(v);
    const double once = std::sqrt(inner_product(v, v));
    if (!(once > 1e-12 * before)) return;
    remove_from(v);
    const double length = std::sqrt(inner_product(v, v));
    for (double& value : v) value /= length;
    vectors_.push_back(std::move(v));
  }

 private:
  std::vector<std::vector<double>> vectors_;
};

inline std::vector<double> column_of(const Block& block, std::size_t column) {
  std::vector<double> v(block.size() / block_width);
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = block[i * block_width + column];
  return v;
}

inline void set_column(Block& block, std::size_t column, std::span<const double> v) {
  for (std::size_t i = 0; i < v.size(); ++i) block[i * block_width + column] = v[i];
}

/// `count` leading directions of A, or fewer where its rank is less: three steps of subspace iteration.
template <BlockOperator Operator>
Orthonormal leading_directions(const Operator& a, std::size_t count, std::uint64_t seed) {
  const auto n = static_cast<std::size_t>(a.size());
  Orthonormal q;
  for (int pass = 0; pass < 3; ++pass) {
    Orthonormal next;
    const std::size_t width = pass == 0 ? count : q.size();
    for (std::size_t first = 0; first < width; first += block_width) {
      Block in(n * block_width, 0.0), out(n * block_width);
      for (std::size_t c = 0; c < block_width && first + c < width; ++c)
        if (pass == 0) {
          random::Stream stream(seed, sketch_stream + first + c);
          for (std::size_t i = 0; i < n; ++i) in[i * block_width + c] = stream.normal();
        } else {
          set_column(in, c, q[first + c]);
        }
      a.apply(in, out);
      for (std::size_t c = 0; c < block_width && first + c < width; ++c) next.add(column_of(out, c));
    }
    q = std::move(next);
  }
  return q;
}

}  // namespace fedval::linalg::detail
