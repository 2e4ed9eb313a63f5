// What a round's final layers say once each client's own scale is gone.
//
//   W_i = final weight / its Frobenius norm (C x d; zero stays zero),   G = the last global update's
//   rows      A_i = W_i less its rows' projections on G's rows, at length 1
//             h_i = S(A_i A_i^T) / ln min(C, d)
//   others    O_i = sum_{j != i} c_ij W_j
//   agreed    S(lambda+ / sum lambda+) / ln min(C, d) with the positive eigenvalues lambda+ of
//             (W_i O_i^T + O_i W_i^T) / 2
//   inside    ||W_i V||_F^2 with V the right singular space of O_i
//   novelty   ||W_i - U diag(U^T W_i V) V^T||_F with G = U S V^T
//
// A layer of two classes or of one feature has one direction under softmax, and no entropy: there both
// entropies are 0.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

#include "fedval/contribution/class_alignment.hpp"
#include "fedval/linalg/matrix.hpp"
#include "fedval/linalg/singular_values.hpp"
#include "fedval/linalg/symmetric_eigenvalues.hpp"
#include "fedval/spectral/entropy.hpp"

namespace fedval::detail {

/// Pairs of left and right singular vectors, one a row, the strongest first.
struct SingularPairs {
  linalg::Matrix<double> left, right;
};

/// The pairs of `a` (m x n, finite) with sigma > least sigma_1. O(m n min(m, n)).
inline SingularPairs singular_pairs(const linalg::Matrix<double>& a, double least) {
  const bool tall = a.rows() > a.columns();
  const linalg::Matrix<double> wide = tall ? transpose(a) : a;
  const std::size_t rows = wide.rows();
  const linalg::LeftSingular svd =
      linalg::left_singular({wide.values().begin(), wide.values().end()}, rows, wide.columns());
  std::size_t count = 0;
  while (count < rows && svd.sigma[count] > least * svd.sigma[0]) ++count;
  linalg::Matrix<double> near(count, rows);
  for (std::size_t p = 0; p < count; ++p)
    for (std::size_t r = 0; r < rows; ++r) near(p, r) = svd.u[r * rows + p];
  linalg::Matrix<double> far = near * wide;
  for (std::size_t p = 0; p < count; ++p) {
    const double length = std::sqrt(dot(far.row(p), far.row(p)));
    for (double& value : far.row(p)) value /= length;
  }
  return tall ? SingularPairs{std::move(far), std::move(near)}
              : SingularPairs{std::move(near), std::move(far)};
}

class UnitLayers {
 public:
  using Matrix = linalg::Matrix<double>;

  /// `moved` says whether there is a last global update, whose final layer is then needed. O(N C d). Error
  /// names what is absent, of another shape or not finite; `score` is who asks.
  UnitLayers(const Round& round, const FinalLayers& layers, bool moved, std::string_view score)
      : classes_(layers.classes), features_(layers.features) {
    for (std::size_t i = 0; i < round.size(); ++i) {
      layers.check(i);
      units_.push_back(unit(layers.weights.tensors[i]));
    }
    rows_ = units_;
    if (moved) leave_out(layers.checked_global(round, score));
    const Shape shape{static_cast<std::int64_t>(classes_), static_cast<std::int64_t>(features_)};
    for (Matrix& rows : rows_)
      row_views_.push_back(
          {shape,
           {Piece::host(rows.values().data(), ScalarType::float64, shape, shape.row_major_strides())}});
  }
  UnitLayers(const UnitLayers&) = delete;  // views into rows_
  UnitLayers& operator=(const UnitLayers&) = delete;

  /// Entries of a layer.
  std::size_t size() const { return classes_ * features_; }

  /// Products of the A_i, which are zero where a client's rows say only what G's do. O(N^2 C d).
  Gram row_products() const { return gram(row_views_); }

  /// h_i of every client. O(N C d min(C, d)).
  std::vector<double> row_entropies() const {
    std::vector<double> result;
    for (const std::vector<double>& p : spectral::spectra(row_views_))
      result.push_back(normalised_entropy(p));
    return result;
  }

  /// What the others say of client i.
  struct Confirmed {
    double agreed = 0, inside = 0;
  };
  /// Of the others with coefficients c_ij >= 0 (c_ii = 0); `least` sigma, relative to the largest, that a
  /// direction of their sum has. O(N C d + C^2 (C + d)).
  Confirmed confirmed(std::size_t i, std::span<const double> coefficients, double least) const {
    Matrix others(classes_, features_);
    double reach = 0;  // the longest that the sum could be
    for (std::size_t j = 0; j < units_.size(); ++j) {
      if (coefficients[j] == 0) continue;
      reach += coefficients[j];
      for (std::size_t k = 0; k < others.values().size(); ++k)
        others.values()[k] += coefficients[j] * units_[j].values()[k];
    }
    if (!(length(others) > nothing * reach)) return {};
    std::vector<double> positive = eigenvalues(symmetric(units_[i] * transpose(others)));
    std::erase_if(positive, [](double value) { return value <= 0; });
    const double sum = std::accumulate(positive.begin(), positive.end(), 0.0);
    for (double& value : positive) value = sum > nothing * reach ? value / sum : 0.0;
    const double inside = length(units_[i] * transpose(singular_pairs(others, least).right));
    return {normalised_entropy(positive), std::min(1.0, inside * inside)};
  }

  /// Of client i; 1 for a zero G, 0 for a zero W_i. O(C d min(C, d)).
  double novelty(std::size_t i) const {
    Matrix rest = units_[i];
    for (std::size_t p = 0; p < global_.left.rows(); ++p) {
      const std::span<const double> u = global_.left.row(p), v = global_.right.row(p);
      double along = 0;
      for (std::size_t c = 0; c < classes_; ++c) along += u[c] * dot(units_[i].row(c), v);
      for (std::size_t c = 0; c < classes_; ++c)
        for (std::size_t f = 0; f < features_; ++f) rest(c, f) -= along * u[c] * v[f];
    }
    return more_than_nothing(length(rest));
  }

 private:
  /// A length below this share of what it could be is what rounding, single precision's included, leaves of
  /// nothing: a replayed layer has no rows of its own, and two opposite ones have no sum.
  static constexpr double nothing = 1e-6;
  /// An entropy below it is what such rounding, whose square it is made of, leaves to a matrix of rank one.
  static constexpr double no_entropy = 1e-11;

  static double length(const Matrix& a) { return std::sqrt(dot(a.values(), a.values())); }

  static std::vector<double> eigenvalues(const Matrix& a) {
    return linalg::symmetric_eigenvalues({a.values().begin(), a.values().end()}, a.rows());
  }

  static double more_than_nothing(double norm) { return norm > nothing ? norm : 0.0; }

  double normalised_entropy(std::span<const double> p) const {
    const std::size_t least = std::min(classes_, features_);
    if (classes_ < 3 || least < 2) return 0;
    const double entropy = spectral::von_neumann_entropy(p) / std::log(static_cast<double>(least));
    return entropy > no_entropy ? entropy : 0.0;
  }

  Matrix unit(const TensorView& weight) const {
    Matrix result(classes_, features_);
    weight.read(0, result.values());
    scale_to_one(result.values());
    if (const double norm = length(result); norm > 0)
      for (double& value : result.values()) value /= norm;
    return result;
  }

  /// Sets U and V, and takes G's rows out of everyone's.
  void leave_out(const TensorView& global) {
    Matrix directions = unit(global);
    global_ = singular_pairs(directions, nothing);
    for (std::size_t c = 0; c < classes_; ++c) {
      const std::span<double> direction = directions.row(c);
      scale_to_one(direction);
      const double square = dot(direction, direction);
      for (Matrix& rows : rows_) {
        const double along = square > 0 ? dot(rows.row(c), direction) / square : 0.0;
        for (std::size_t f = 0; f < features_; ++f) rows(c, f) -= along * direction[f];
      }
    }
    for (Matrix& rows : rows_) {
      const double norm = more_than_nothing(length(rows));
      for (double& value : rows.values()) value = norm > 0 ? value / norm : 0.0;
    }
  }

  std::size_t classes_, features_;
  std::vector<Matrix> units_, rows_;  // W_i, A_i
  std::vector<TensorView> row_views_;
  SingularPairs global_;
};

}  // namespace fedval::detail
