// Spectral entropy of a matrix W (C x d), such as the update of a network's final linear layer.
//
//   rho = W W^T / tr(W W^T),   p_j = sigma_j^2 / sum sigma^2,   S(rho) = -sum p_j ln p_j   (0 ln 0 = 0)
//   H = S / ln n   with a normaliser n
//
// The von Neumann entropy of the update's spectrum: 0 for a rank-one update, ln min(C, d) for an isotropic
// one. A zero matrix, a rank-one matrix and a single row or column have H = 0. Source: Ukaye et al.,
// "Data-Free Contribution Estimation in Federated Learning using Gradient von Neumann Entropy",
// arXiv:2604.22562, section 3.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "fedval/linalg/singular_values.hpp"
#include "fedval/linalg/symmetric_eigenvalues.hpp"
#include "fedval/tensor/gram.hpp"

namespace fedval::spectral {

/// What the entropy is divided by.
enum class Normaliser {
  log_min_dim,  ///< ln min(C, d): the same for every client
  log_rank,     ///< ln r, r = number of sigma_j > sigma_max max(C, d) eps: what the released code uses
  none          ///< nothing: the entropy itself
};

struct EntropyOptions {
  Normaliser normaliser = Normaliser::log_min_dim;
  bool bits = false;   ///< with Normaliser::none: in bits instead of nats
  double epsilon = 0;  ///< added to every p_j, before and inside the logarithm, and to the rank inside its
                       ///< own; the released code has 1e-10
};

namespace detail {

/// A matrix read as rows x columns with a common power of two taken out.
struct Dense {
  std::size_t rows, columns;
  int exponent;  ///< 2^exponent times the values is the matrix
};

inline Dense dimensions(const TensorView& matrix, const std::string& name) {
  if (matrix.rank() != 2) fail(name, " has shape ", matrix.shape().text(), ", expected a matrix");
  return {static_cast<std::size_t>(matrix.shape()[0]), static_cast<std::size_t>(matrix.shape()[1]), 0};
}

/// Gram matrix on the smaller side, of the matrix times 2^-exponent.
inline std::vector<double> small_gram(const TensorView& matrix, const Dense& size) {
  const auto scaled_read = [&](std::size_t begin, std::span<double> out) {
    matrix.read(begin, out);
    if (size.exponent != 0)
      for (double& value : out) value = std::ldexp(value, -size.exponent);
  };
  using fedval::detail::Panel;
  if (size.rows <= size.columns)
    return fedval::detail::panel_gram(size.rows, size.columns,
                                      [&](std::size_t begin, std::size_t count, Panel& panel) {
                                        for (std::size_t i = 0; i < size.rows; ++i)
                                          scaled_read(i * size.columns + begin, {panel.row(i), count});
                                      });
  return fedval::detail::panel_gram(
      size.columns, size.rows, [&](std::size_t begin, std::size_t count, Panel& panel) {
        std::array<double, 512> part;  // of a row; nothing may be allocated here
        for (std::size_t k = 0; k < count; ++k)
          for (std::size_t first = 0; first < size.columns; first += part.size()) {
            const std::size_t width = std::min(part.size(), size.columns - first);
            scaled_read((begin + k) * size.columns + first, {part.data(), width});
            for (std::size_t i = 0; i < width; ++i) panel.row(first + i)[k] = part[i];
          }
      });
}

/// Squared singular values, divided by their sum: zero-sum matrices give none. Through the Gram matrix,
/// unless small singular values matter.
inline std::vector<double> spectrum(const TensorView& matrix, bool accurate, const std::string& name) {
  Dense size = dimensions(matrix, name);
  if (size.rows == 0 || size.columns == 0) return {};
  if (matrix.device() != nullptr) {  // one transfer instead of one a row
    std::vector<double> values(matrix.size());
    matrix.read(0, values);
    const Shape shape = matrix.shape();
    return spectrum(
        {shape, {Piece::host(values.data(), ScalarType::float64, shape, shape.row_major_strides())}},
        accurate, name);
  }
  const std::size_t n = std::min(size.rows, size.columns);
  std::vector<double> squares;
  if (!accurate) {
    std::vector<double> gram = small_gram(matrix, size);
    const auto trace = [&] {
      double sum = 0;
      for (std::size_t i = 0; i < n; ++i) sum += gram[i * n + i];
      return sum;
    };
    if (!fedval::detail::safe_square(trace())) {
      check_finite(matrix, name);
      const double largest = max_magnitude(matrix);
      if (largest == 0) return {};
      size.exponent = std::ilogb(largest);
      gram = small_gram(matrix, size);
    }
    const double sum = trace();
    for (double& value : gram) value /= sum;  // before the iteration, which needs no scale then
    squares = linalg::symmetric_eigenvalues(std::move(gram), n);
    // A positive semidefinite matrix: what is negative is rounding of a zero.
    for (double& value : squares) value = std::max(value, 0.0);
  } else {
    check_finite(matrix, name);
    const double largest = max_magnitude(matrix);
    if (largest == 0) return {};
    std::vector<double> values(size.rows * size.columns);
    matrix.read(0, values);
    std::vector<double> wide(values.size());
    const bool flip = size.rows > size.columns;
    for (std::size_t i = 0; i < size.rows; ++i)
      for (std::size_t j = 0; j < size.columns; ++j)
        wide[flip ? j * size.rows + i : i * size.columns + j] =
            std::ldexp(values[i * size.columns + j], -std::ilogb(largest));
    squares = linalg::singular_values(std::move(wide), n, std::max(size.rows, size.columns));
    for (double& value : squares) value *= value;
  }
  std::sort(squares.begin(), squares.end());
  double sum = 0;
  for (const double value : squares) sum += value;
  for (double& value : squares) value /= sum;
  return squares;
}

}  // namespace detail

/// -sum q_j ln q_j with q_j = p_j + epsilon; nats. p is a spectrum that sums to one (or is empty: 0). O(n).
inline double von_neumann_entropy(std::span<const double> p, double epsilon = 0) {
  double sum = 0;
  for (const double value : p)
    if (const double q = value + epsilon; q > 0) sum -= q * std::log(q);
  return sum > 0 ? sum : 0.0;  // a single eigenvalue of 1 + rounding would give -0 or a little less
}

/// p_j = sigma_j^2 / sum sigma^2 of a C x d matrix in ascending order, min(C, d) of them; none for a zero
/// matrix. Through the Gram matrix on the smaller side: O(C d min(C, d)) time. Error when the tensor is not a
/// matrix or an entry is not finite; `name` is what the message calls it.
inline std::vector<double> spectrum(const TensorView& matrix, const std::string& name = "matrix") {
  return detail::spectrum(matrix, false, name);
}

/// Normalised spectral entropy of a C x d matrix. O(C d min(C, d)). Errors as for spectrum, and for options
/// that contradict each other. Accuracy: 4e-15 against a full SVD in double.
inline double entropy(const TensorView& matrix, const EntropyOptions& options = {},
                      const std::string& name = "matrix") {
  if (options.bits && options.normaliser != Normaliser::none)
    fail("entropy: bits only make sense without a normaliser");
  if (!(options.epsilon >= 0 && std::isfinite(options.epsilon)))
    fail("entropy: epsilon is ", options.epsilon, ", must be finite and at least 0");
  const bool needs_rank = options.normaliser == Normaliser::log_rank;
  const std::vector<double> p = detail::spectrum(matrix, needs_rank, name);
  if (p.empty()) return 0;
  const double nats = von_neumann_entropy(p, options.epsilon);
  double log_n = 0;
  switch (options.normaliser) {
    case Normaliser::none:
      return options.bits ? nats / std::log(2.0) : nats;
    case Normaliser::log_min_dim:
      log_n = std::log(static_cast<double>(p.size()));
      break;
    case Normaliser::log_rank: {
      const double longest = static_cast<double>(std::max(matrix.shape()[0], matrix.shape()[1]));
      const double tolerance = longest * std::numeric_limits<double>::epsilon();
      const auto rank =
          std::count_if(p.begin(), p.end(), [&](double v) { return v > p.back() * tolerance * tolerance; });
      if (rank == 1) return 0;
      log_n = std::log(static_cast<double>(rank) + options.epsilon);
    }
  }
  return p.size() == 1 ? 0 : nats / log_n;
}

/// Entropies of a batch of matrices, which may differ in shape, in their order. `names` (for messages) may be
/// empty. The sum of the single costs; errors as for entropy.
inline std::vector<double> entropies(std::span<const TensorView> matrices, const EntropyOptions& options = {},
                                     std::span<const std::string> names = {}) {
  std::vector<double> result;
  for (std::size_t i = 0; i < matrices.size(); ++i)
    result.push_back(
        entropy(matrices[i], options, i < names.size() ? names[i] : "matrix " + std::to_string(i)));
  return result;
}

}  // namespace fedval::spectral
