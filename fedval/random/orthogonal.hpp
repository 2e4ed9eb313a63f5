// Orthonormal vectors drawn from Haar's measure: as likely in any rotation as in another.
//
//   g_i Gaussian,  u_i = (I - sum_{j<i} u_j u_j^T) g_i, normalised       (Gram-Schmidt, twice)
//
// This is the QR factorisation of a Gaussian matrix with R's diagonal positive. A factorisation that leaves
// the diagonal's signs to the reflections is not Haar's. Source: Mezzadri, "How to generate random matrices
// from the classical compact groups", Notices of the AMS 54, 2007; Eaton, Multivariate Statistics, 1983.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/linalg/matrix.hpp"
#include "fedval/random/fill.hpp"
#include "fedval/tensor/std.hpp"

namespace fedval::random {

/// Rows that are orthonormal to rounding, filled one after the other.
class OrthonormalRows {
 public:
  explicit OrthonormalRows(std::size_t rows, std::size_t columns) : rows_(rows, columns) {}

  /// The part of `v` that is orthogonal to the rows so far, normalised, becomes the next row; false, and no
  /// row, where that part is only rounding. `v` is left changed. O(rows columns). Error when `v` has not as
  /// many entries as a row, all rows are there, or an entry is not finite.
  bool add(std::span<double> v) {
    if (v.size() != rows_.columns())
      fail("random: a row of ", v.size(), " entries among rows of ", rows_.columns());
    if (count_ == rows_.rows()) fail("random: all ", count_, " rows are there");
    double largest = 0;
    for (const double x : v) largest = std::isnan(x) ? x : std::max(largest, std::abs(x));
    if (!std::isfinite(largest)) fail("random: a row is not finite");
    if (largest == 0) return false;
    const int exponent = std::ilogb(largest);  // squares neither overflow nor vanish; no digit changes
    for (double& x : v) x = std::ldexp(x, -exponent);
    const double before = length(v);
    remove_from(v);
    const double once = length(v);
    if (!(once > 1e-12 * before)) return false;
    remove_from(v);
    const double twice = length(v);
    std::transform(v.begin(), v.end(), rows_.row(count_++).begin(), [&](double x) { return x / twice; });
    return true;
  }

  std::size_t count() const { return count_; }
  const linalg::Matrix<double>& rows() const { return rows_; }

 private:
  /// In the order that slices fix, whatever the number of threads.
  void remove_from(std::span<double> v) const {
    if (count_ == 0) return;
    const std::vector<double> along = fedval::detail::reduce_slices(
        v.size(), count_, count_ * v.size(),
        [&](std::span<double> sums, std::size_t begin, std::size_t end, std::size_t) {
          for (std::size_t j = 0; j < count_; ++j) {
            const std::span<const double> row = rows_.row(j);
            std::array<double, 8> lanes{};
            std::size_t i = begin;
            for (; i + lanes.size() <= end; i += lanes.size())
              for (std::size_t k = 0; k < lanes.size(); ++k) lanes[k] += row[i + k] * v[i + k];
            for (; i < end; ++i) lanes[0] += row[i] * v[i];
            for (const double lane : lanes) sums[j] += lane;
          }
        });
    fedval::detail::for_each_slice(v.size(), [&](std::size_t begin, std::size_t end) {
      constexpr std::size_t block = 1024;  // stays in the nearest cache while all rows pass
      for (std::size_t first = begin; first < end; first += block)
        for (std::size_t j = 0; j < count_; ++j) {
          const std::span<const double> row = rows_.row(j);
          for (std::size_t i = first; i < std::min(end, first + block); ++i) v[i] -= along[j] * row[i];
        }
    });
  }

  static double length(std::span<const double> v) {
    double sum = 0;
    for (const double x : v) sum += x * x;
    return std::sqrt(sum);
  }

  linalg::Matrix<double> rows_;
  std::size_t count_ = 0;
};

/// `count` orthonormal rows of `dimension` entries, drawn from Haar's measure on the Stiefel manifold.
/// O(count^2 dimension) time, count x dimension doubles. Error when count > dimension.
inline linalg::Matrix<double> orthogonal(const Key& key, std::size_t count, std::size_t dimension) {
  if (count > dimension) fail("random: ", count, " orthogonal vectors in ", dimension, " dimensions");
  OrthonormalRows rows(count, dimension);
  std::vector<double> row(dimension);
  for (std::uint64_t drawn = 0; rows.count() < count; ++drawn) {
    fill({Law::gaussian, key}, row, drawn * dimension);
    rows.add(row);
  }
  return rows.rows();
}

}  // namespace fedval::random
