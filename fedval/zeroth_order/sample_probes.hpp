// The directions of B samples at once, m for each and drawn for it alone.
//
//   u_bi = direction i of (seed, step, b)
//
// Directions shared by a batch would make the errors of its rows one error.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "fedval/tensor/std.hpp"
#include "fedval/zeroth_order/combination.hpp"
#include "fedval/zeroth_order/directions.hpp"

namespace fedval::zeroth_order {

class SampleProbes {
 public:
  /// m = directions.count directions of d entries for each of B samples; the same for the same seed and step,
  /// wherever they are drawn. Error for a step or a batch beyond 2^32, and from the law.
  SampleProbes(const Directions& directions, std::size_t batch, std::size_t dimension, std::uint64_t seed,
               std::uint64_t step)
      : count_(directions.count), dimension_(dimension), draws_(batch) {
    if (step >= std::uint64_t{1} << 32 || batch >= std::uint64_t{1} << 32)
      fail("zeroth_order: a step or a batch beyond 2^32");
    fedval::detail::for_each_index(batch, batch * count_ * dimension, [&](std::size_t b) {
      draws_[b] = detail::draw_directions(directions, dimension, {seed, step << 32 | b});
    });
  }

  /// B.
  std::size_t batch() const { return draws_.size(); }
  /// m.
  std::size_t count() const { return count_; }
  /// d, the entries of one sample.
  std::size_t dimension() const { return dimension_; }
  /// The directions of a sample in [0, B), which is not checked.
  const Draw& draw(std::size_t sample) const { return draws_[sample]; }

  /// out = x + distances[b] u_bi in row b, rounded once. O(B d).
  void displace(const TensorView& x, std::size_t i, std::span<const double> distances,
                const MutableTensorView& out) const {
    check_size(x);
    check_size(out);
    if (x.device() != nullptr) return displace_there(x, i, distances, out);
    fedval::detail::for_each_index(batch(), x.size(), [&](std::size_t b) {
      std::vector<double> row(dimension_), direction(dimension_);
      x.read(b * dimension_, row);
      read(draws_[b].probes[i], 0, direction);
      for (std::size_t k = 0; k < dimension_; ++k) row[k] += distances[b] * direction[k];
      out.write(b * dimension_, row);
    });
  }

  /// out's row b = the gradient that slopes[b] stand for. O(B m d), by least squares O(B m^2 d).
  void gradient(Combination combination, std::span<const std::vector<double>> slopes,
                const MutableTensorView& out) const {
    check_size(out);
    std::vector<double> gradients(out.size());
    fedval::detail::for_each_index(batch(), out.size() * count_, [&](std::size_t b) {
      const WeightedSum sum = combine(combination, draws_[b], slopes[b], dimension_);
      accumulate(sum.weights, sum.directions, 0, std::span(gradients).subspan(b * dimension_, dimension_));
    });
    out.write(0, gradients);
  }

  /// body(b, i, u_bi) for every direction, samples side by side. O(B m d).
  template <class Body>
  void for_each(Body&& body) const {
    fedval::detail::for_each_index(batch(), batch() * count_ * dimension_, [&](std::size_t b) {
      std::vector<double> direction(dimension_);
      for (std::size_t i = 0; i < count_; ++i) {
        read(draws_[b].probes[i], 0, direction);
        body(b, i, std::span<const double>(direction));
      }
    });
  }

 private:
  void check_size(const TensorView& rows) const {
    if (rows.size() != batch() * dimension_)
      fail("zeroth_order: ", rows.size(), " entries for ", batch(), " samples of ", dimension_);
  }

  void displace_there(const TensorView& x, std::size_t i, std::span<const double> distances,
                      const MutableTensorView& out) const {
    std::vector<double> moves(x.size());
    fedval::detail::for_each_index(batch(), x.size(), [&](std::size_t b) {
      const std::span<double> row = std::span(moves).subspan(b * dimension_, dimension_);
      read(draws_[b].probes[i], 0, row);
      for (double& entry : row) entry *= distances[b];
    });
    const MutableTensorView there = zeros_like(x);
    there.write(0, moves);
    constexpr std::array<double, 2> weights{1, 1};
    const std::array<TensorView, 2> terms{x, there};
    fedval::combine(weights, terms, 0, out);
  }

  std::size_t count_, dimension_;
  std::vector<Draw> draws_;
};

}  // namespace fedval::zeroth_order
