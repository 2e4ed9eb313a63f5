// Directions along which a function is probed, as values that take no memory of the tensor's size unless they
// must.
//
//   generated   u = factor z,  z a stretch of a random sequence     (Gaussian, sphere, Rademacher, Hadamard)
//   row         u = a row of a matrix that the draw holds           (orthogonal, guided, the user's own)
//   coordinate  u = e_j
//
// The operations: u read part by part, out = x + a u, out = sum of weights times directions; each on the host
// or where the tensor lies.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <variant>
#include <vector>

#include "fedval/linalg/matrix.hpp"
#include "fedval/random/fill.hpp"
#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/owned.hpp"

namespace fedval::zeroth_order {

/// factor times numbers begin, begin + 1, ... of the sequence.
struct Generated {
  random::Sequence sequence;  ///< law and key
  std::uint64_t begin = 0;    ///< index of entry 0's number
  double factor = 1;          ///< what every number is multiplied by

  /// Member by member.
  friend bool operator==(const Generated&, const Generated&) = default;
};

/// A row of a matrix whose columns are the tensor's entries.
struct Row {
  std::shared_ptr<const linalg::Matrix<double>> matrix;  ///< d columns; shared by a draw's rows
  std::size_t row = 0;                                   ///< in [0, matrix->rows())
};

/// A unit vector.
struct Coordinate {
  std::uint64_t index = 0;  ///< j of e_j, in [0, d)
};

/// A direction of d entries, in the tensor's row-major order. Only rows take memory of its size.
using Direction = std::variant<Generated, Row, Coordinate>;

/// out = entries [begin, begin + out.size()) of the direction.
inline void read(const Direction& direction, std::size_t begin, std::span<double> out) {
  if (const auto* generated = std::get_if<Generated>(&direction)) {
    random::detail::fill_contiguous(generated->sequence, generated->begin + begin, out.data(), out.size());
    if (generated->factor != 1)
      for (double& value : out) value *= generated->factor;
  } else if (const auto* row = std::get_if<Row>(&direction)) {
    const auto entries = row->matrix->row(row->row).subspan(begin, out.size());
    std::copy(entries.begin(), entries.end(), out.begin());
  } else {
    std::fill(out.begin(), out.end(), 0.0);
    const std::uint64_t index = std::get<Coordinate>(direction).index;
    if (index >= begin && index - begin < out.size()) out[index - begin] = 1;
  }
}

namespace detail {

/// The entries that are worked on at a time: a tile of any law, and a part of the nearest cache.
using Part = std::array<double, 4096>;

/// The direction as a flat tensor of doubles beside `like`: drawn there where that can be.
inline MutableTensorView on_device(const Direction& direction, const TensorView& like) {
  MutableTensorView result = zeros_like(like);
  if (const auto* generated = std::get_if<Generated>(&direction)) {
    random::fill(generated->sequence, result, generated->begin);
    if (generated->factor != 1) scale(generated->factor, result);
    return result;
  }
  std::vector<double> part(std::min(result.size(), std::size_t{1} << 20));
  for (std::size_t begin = 0; begin < result.size(); begin += part.size()) {
    const std::span entries(part.data(), std::min(part.size(), result.size() - begin));
    read(direction, begin, entries);
    result.write(begin, entries);
  }
  return result;
}

}  // namespace detail

/// out = base + amount * direction, rounded once to out's scalar type. O(D). `out` may be the base. Error
/// when sizes or places differ.
inline void displace(const TensorView& base, double amount, const Direction& direction,
                     const MutableTensorView& out) {
  const std::array<TensorView, 2> both{base, out};
  if (fedval::detail::common_device(both, {}) != nullptr) {
    const std::array<double, 2> weights{1, amount};
    const std::array<TensorView, 2> terms{base, detail::on_device(direction, out)};
    return combine(weights, terms, 0, out);
  }
  fedval::detail::for_each_slice(out.size(), [&](std::size_t begin, std::size_t end) {
    detail::Part point, step;
    for (std::size_t first = begin; first < end; first += point.size()) {
      const std::size_t count = std::min(point.size(), end - first);
      base.read(first, {point.data(), count});
      read(direction, first, {step.data(), count});
      for (std::size_t i = 0; i < count; ++i) point[i] += amount * step[i];
      out.write(first, {point.data(), count});
    }
  });
}

/// out = keep * out + sum_i weights[i] directions[i], summed in double in this order and rounded once. O(m
/// D). Directions of weight zero are not read.
inline void accumulate(std::span<const double> weights, std::span<const Direction> directions, double keep,
                       const MutableTensorView& out) {
  if (weights.size() != directions.size())
    fail("zeroth_order: ", weights.size(), " weights for ", directions.size(), " directions");
  if (out.device() != nullptr) {
    const MutableTensorView sum = zeros_like(out);
    for (std::size_t i = 0; i < weights.size(); ++i)
      if (weights[i] != 0) axpy(weights[i], detail::on_device(directions[i], out), sum);
    const double once = 1;
    const TensorView term = sum;
    return combine({&once, 1}, {&term, 1}, keep, out);
  }
  fedval::detail::for_each_slice(out.size(), [&](std::size_t begin, std::size_t end) {
    detail::Part sum, term;
    for (std::size_t first = begin; first < end; first += sum.size()) {
      const std::size_t count = std::min(sum.size(), end - first);
      if (keep == 0) {
        sum.fill(0);
      } else {
        out.read(first, {sum.data(), count});
        for (std::size_t i = 0; i < count; ++i) sum[i] *= keep;
      }
      for (std::size_t k = 0; k < weights.size(); ++k) {
        if (weights[k] == 0) continue;
        read(directions[k], first, {term.data(), count});
        for (std::size_t i = 0; i < count; ++i) sum[i] += weights[k] * term[i];
      }
      out.write(first, {sum.data(), count});
    }
  });
}

}  // namespace fedval::zeroth_order
