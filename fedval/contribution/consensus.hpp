// What the others' sum of final layers says, and how much of a client's own lies in it.
//
//   O_i = sum_{j != i, j not in copies(i)} F_j = U diag(s) V^T,   M = U^T W_i V
//
// F_j are the final layers (C x d) of normalised updates or of innovations, W_i is client i's own. M_jj is
// how strongly W_i has the others' j-th direction; the leading k x k block is the part of W_i inside what
// their k strongest directions span, on both sides. Singular values that are equal leave U and V, and so M,
// to rounding within their space. Where C > d, M is kept transposed: nothing that is read of it differs.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "fedval/contribution/class_alignment.hpp"
#include "fedval/contribution/innovation.hpp"
#include "fedval/linalg/singular_values.hpp"

namespace fedval::detail {

/// One client's final layer seen through the others' directions.
struct Projection {
  std::size_t size = 0;           ///< directions with a singular value above rounding
  std::vector<double> strengths;  ///< s, descending
  std::vector<double> m;          ///< U^T W V, size x size, row-major
  double square = 0;              ///< ||W||_F^2, in M's scale; 0 for a zero W

  double operator()(std::size_t a, std::size_t b) const { return m[a * size + b]; }
};

class Consensus {
 public:
  /// F_j = coefficients[j] final_weight_j + offsets[j] G; G may be empty, where all offsets are 0.
  /// Coefficients undo the update's power of two. O(N C d) time.
  Consensus(const FinalLayers& layers, const Innovations& innovations, std::vector<double> coefficients,
            std::vector<double> offsets, std::vector<double> global)
      : layers_(layers),
        innovations_(innovations),
        coefficients_(std::move(coefficients)),
        offsets_(std::move(offsets)),
        global_(std::move(global)),
        total_(layers.classes * layers.features, 0.0) {
    std::vector<double> scratch(total_.size());
    for (std::size_t j = 0; j < coefficients_.size(); ++j) {
      layers_.check(j);
      std::vector<double> before = total_;
      add(j, 1, total_, scratch);
      for (std::size_t k = 0; k < before.size(); ++k) before[k] -= total_[k];
      reach_ += std::sqrt(dot(before, before));
    }
  }

  /// Client i through the others' strongest directions: as many as choose(strengths) says, and none whose
  /// strength is rounding. O(C^2 d) for C <= d.
  template <class Choose>
  Projection project(std::size_t i, Choose&& choose) const {
    const std::size_t rows = std::min(layers_.classes, layers_.features);
    const std::size_t columns = std::max(layers_.classes, layers_.features);
    Projection result;
    std::vector<double> own(total_.size()), others = total_;
    layers_.weights.tensors[i].read(0, own);
    scale_to_one(own);
    result.square = dot(own, own);
    std::size_t left = innovations_.size() - 1 - innovations_.copies(i).size();
    std::vector<double> scratch(total_.size());
    add(i, -1, others, scratch);
    for (const std::size_t e : innovations_.copies(i)) add(e, -1, others, scratch);
    // What is taken out of the sum again leaves rounding of everything that was in it.
    const double rounding = reach_ * static_cast<double>(columns) * std::numeric_limits<double>::epsilon();
    if (left == 0 || !(dot(others, others) > rounding * rounding)) return result;
    own = wide(std::move(own));
    others = wide(std::move(others));

    const linalg::LeftSingular svd = linalg::left_singular(others, rows, columns);
    result.strengths = svd.sigma;
    while (result.size < rows && svd.sigma[result.size] > rounding) ++result.size;
    result.size = std::min(result.size, choose(std::span<const double>(result.strengths)));

    const std::vector<double> right = transformed(svd.u, rows, result.size, others, columns);  // s_b v_b^T
    const std::vector<double> mine = transformed(svd.u, rows, result.size, own, columns);      // u_a^T W
    result.m.assign(result.size * result.size, 0.0);
    const auto row = [&](const std::vector<double>& of, std::size_t a) {
      return std::span(of).subspan(a * columns, columns);
    };
    for (std::size_t b = 0; b < result.size; ++b) {
      const double length = std::sqrt(dot(row(right, b), row(right, b)));
      for (std::size_t a = 0; a < result.size; ++a)
        result.m[a * result.size + b] = dot(row(mine, a), row(right, b)) / length;
    }
    return result;
  }

 private:
  /// sum += sign F_j.
  void add(std::size_t j, double sign, std::vector<double>& sum, std::vector<double>& scratch) const {
    if (coefficients_[j] == 0) return;
    layers_.weights.tensors[j].read(0, scratch);
    const int exponent = innovations_.gram().exponent(j);
    if (exponent != 0)
      for (double& value : scratch) value = std::ldexp(value, -exponent);
    for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += sign * (coefficients_[j] * scratch[k]);
    if (offsets_[j] != 0)
      for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += sign * (offsets_[j] * global_[k]);
  }

  /// The matrix, or its transpose where it has more rows than columns.
  std::vector<double> wide(std::vector<double> matrix) const {
    if (layers_.classes <= layers_.features) return matrix;
    std::vector<double> transposed(matrix.size());
    for (std::size_t c = 0; c < layers_.classes; ++c)
      for (std::size_t f = 0; f < layers_.features; ++f)
        transposed[f * layers_.classes + c] = matrix[c * layers_.features + f];
    return transposed;
  }

  /// The first `count` columns of u (rows x rows), transposed, times the matrix.
  static std::vector<double> transformed(const std::vector<double>& u, std::size_t rows, std::size_t count,
                                         const std::vector<double>& matrix, std::size_t columns) {
    std::vector<double> result(count * columns, 0.0);
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t a = 0; a < count; ++a)
        for (std::size_t k = 0; k < columns; ++k)
          result[a * columns + k] += u[r * rows + a] * matrix[r * columns + k];
    return result;
  }

  const FinalLayers& layers_;
  const Innovations& innovations_;
  std::vector<double> coefficients_, offsets_, global_, total_;
  double reach_ = 0;  // sum of ||F_j||_F
};

/// 1 / ||2^-exponent dw_j||, and 0 for a zero update: what turns updates into u_j.
inline std::vector<double> unit_coefficients(const Innovations& innovations) {
  std::vector<double> result;
  for (std::size_t j = 0; j < innovations.size(); ++j) {
    const double norm = innovations.gram().scaled_norm(j);
    result.push_back(norm > 0 ? 1 / norm : 0.0);
  }
  return result;
}

}  // namespace fedval::detail
