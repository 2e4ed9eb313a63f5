// Orthonormal vectors drawn from Haar's measure: as likely in any rotation as in another.
//
//   g_i Gaussian,  u_i = (I - sum_{j<i} u_j u_j^T) g_i, normalised
//
// by Gram-Schmidt, a second time where the first took more than half (of the squared length).
// This is the QR factorisation of a Gaussian matrix with R's diagonal positive. A factorisation that leaves
// the diagonal's signs to the reflections is not Haar's. Source: Mezzadri, "How to generate random matrices
// from the classical compact groups", Notices of the AMS 54, 2007; Eaton, Multivariate Statistics, 1983.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/linalg/matrix.hpp"
#include "fedval/random/fill.hpp"
#include "fedval/tensor/panel_gram.hpp"
#include "fedval/tensor/std.hpp"

namespace fedval::random {

/// Rows that are orthonormal to rounding, filled one after the other.
class OrthonormalRows {
 public:
  /// No row yet, with memory for `rows` of `columns` entries.
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
    const int exponent = std::ilogb(largest);
    if (std::abs(exponent) > 400)  // squares might overflow or vanish; no digit changes
      for (double& x : v) x = std::ldexp(x, -exponent);
    const double before = length(v);
    remove_from(v);
    const double once = length(v);
    if (!(once > 1e-12 * before)) return false;
    if (once < 0.7 * before) remove_from(v);  // what little is left has the rounding of all that was taken
    const double twice = length(v);
    std::transform(v.begin(), v.end(), rows_.row(count_++).begin(), [&](double x) { return x / twice; });
    return true;
  }

  /// Rows filled so far.
  std::size_t count() const { return count_; }
  /// All rows; those from count() on are zero.
  const linalg::Matrix<double>& rows() const { return rows_; }

 private:
  /// v <- (I - Q^T Q) v, in the order that slices fix, whatever the number of threads. Four rows at a time,
  /// so that v is read once for all and no sum waits for itself; the last four may be fewer, and then the
  /// last row stands in for those that are not there, with weight zero.
  void remove_from(std::span<double> v) const {
    if (count_ == 0) return;
    using fedval::detail::Lanes, fedval::detail::lanes;
    constexpr std::size_t rows = 4, block = 1024;
    const auto row = [&](std::size_t j) { return rows_.row(std::min(j, count_ - 1)).data(); };
    std::vector<double> along = fedval::detail::reduce_slices(
        v.size(), count_, count_ * v.size(),
        [&](std::span<double> sums, std::size_t begin, std::size_t end, std::size_t) {
          for (std::size_t j = 0; j < count_; j += rows) {
            const double* q[rows] = {row(j), row(j + 1), row(j + 2), row(j + 3)};
            Lanes sum[rows] = {};
            std::size_t i = begin;
            for (; i + lanes <= end; i += lanes) {
              Lanes left, right;
              std::memcpy(&right, &v[i], sizeof(Lanes));
              for (std::size_t r = 0; r < rows; ++r) {
                std::memcpy(&left, q[r] + i, sizeof(Lanes));
                sum[r] += left * right;
              }
            }
            for (; i < end; ++i)
              for (std::size_t r = 0; r < rows; ++r) sum[r][0] += q[r][i] * v[i];
            for (std::size_t r = 0; r < std::min(rows, count_ - j); ++r)
              for (std::size_t k = 0; k < lanes; ++k) sums[j + r] += sum[r][k];
          }
        });
    along.resize(count_ + rows, 0.0);
    fedval::detail::for_each_slice(v.size(), [&](std::size_t begin, std::size_t end) {
      for (std::size_t first = begin; first < end;
           first += block)  // v's block stays near while all rows pass
        for (std::size_t j = 0; j < count_; j += rows) {
          const double *q0 = row(j), *q1 = row(j + 1), *q2 = row(j + 2), *q3 = row(j + 3);
          for (std::size_t i = first; i < std::min(end, first + block); ++i)
            v[i] -= (along[j] * q0[i] + along[j + 1] * q1[i]) + (along[j + 2] * q2[i] + along[j + 3] * q3[i]);
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
