// Spectrum of a matrix W (C x d): its squared singular values as shares of their sum.
//
//   p_j = sigma_j^2 / sum sigma^2,   the eigenvalues of rho = W W^T / tr(W W^T)
//
// Two routes to it. The Gram matrix on the smaller side, accumulated in double, and its eigenvalues: p_j
// within 1e-15 of the exact one, so a sigma below 1.5e-8 sigma_max is lost. Or singular values of W itself:
// each p_j to its own size, at several times the cost, where small ones matter. Source: Ukaye et al.,
// "Data-Free Contribution Estimation in Federated Learning using Gradient von Neumann Entropy",
// arXiv:2604.22562, section 3.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "fedval/linalg/singular_values.hpp"
#include "fedval/linalg/symmetric_eigenvalues.hpp"
#include "fedval/tensor/gram.hpp"

namespace fedval::spectral {

/// How singular values are found.
enum class Route {
  gram,  ///< eigenvalues of the Gram matrix on the smaller side: fast, absolute accuracy
  svd    ///< singular values of the matrix itself: relative accuracy, for sums of sigma and for ranks
};

namespace detail {

struct Size {
  std::size_t rows, columns;
  std::size_t smaller() const { return std::min(rows, columns); }
};

inline Size size_of(const TensorView& matrix, const std::string& name) {
  if (matrix.rank() != 2) fail(name, " has shape ", matrix.shape().text(), ", expected a matrix");
  return {static_cast<std::size_t>(matrix.shape()[0]), static_cast<std::size_t>(matrix.shape()[1])};
}

/// Gram matrix on the smaller side of 2^-exponent times the matrix.
inline std::vector<double> small_gram(const TensorView& matrix, const Size& size, int exponent) {
  if (size.rows <= size.columns) {
    std::vector<fedval::detail::GramRow> rows;
    for (std::size_t i = 0; i < size.rows; ++i) rows.push_back({&matrix, i * size.columns, exponent});
    return fedval::detail::panel_gram(rows, size.columns);
  }
  return fedval::detail::panel_gram(
      size.columns, size.rows, [&](std::size_t begin, std::size_t count, fedval::detail::Panel& panel) {
        std::array<double, 512> part;  // of a row; nothing may be allocated here
        for (std::size_t k = 0; k < count; ++k)
          for (std::size_t first = 0; first < size.columns; first += part.size()) {
            const std::size_t width = std::min(part.size(), size.columns - first);
            matrix.read((begin + k) * size.columns + first, {part.data(), width});
            if (exponent != 0)
              for (std::size_t i = 0; i < width; ++i) part[i] = std::ldexp(part[i], -exponent);
            for (std::size_t i = 0; i < width; ++i) panel.row(first + i)[k] = part[i];
          }
      });
}

/// Squares as shares of their sum, in ascending order.
inline std::vector<double> shares(std::vector<double> squares) {
  std::sort(squares.begin(), squares.end());
  double sum = 0;
  for (const double value : squares) sum += value;
  for (double& value : squares) value /= sum;
  return squares;
}

/// The power of two of a matrix's largest entry; nothing to find in a zero matrix.
struct Magnitude {
  bool zero;
  int exponent;
};
inline Magnitude magnitude(const TensorView& matrix, const std::string& name) {
  check_finite(matrix, name);
  const double largest = max_magnitude(matrix);
  return {largest == 0, largest == 0 ? 0 : std::ilogb(largest)};
}

/// Gram matrix on the smaller side, divided by its trace: rho. Empty for a zero or empty matrix.
inline std::vector<double> unit_trace_gram(const TensorView& matrix, const Size& size,
                                           const std::string& name) {
  const std::size_t n = size.smaller();
  if (n == 0) return {};
  const auto trace = [n](const std::vector<double>& gram) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += gram[i * n + i];
    return sum;
  };
  std::vector<double> gram = small_gram(matrix, size, 0);
  if (!fedval::detail::safe_square(trace(gram))) {
    const Magnitude largest = magnitude(matrix, name);
    if (largest.zero) return {};
    gram = small_gram(matrix, size, largest.exponent);
  }
  const double sum = trace(gram);
  for (double& value : gram) value /= sum;
  return gram;
}

inline std::vector<double> gram_spectrum(const TensorView& matrix, const Size& size,
                                         const std::string& name) {
  std::vector<double> rho = unit_trace_gram(matrix, size, name);
  if (rho.empty()) return {};
  std::vector<double> squares = linalg::symmetric_eigenvalues(std::move(rho), size.smaller());
  // A positive semidefinite matrix: what is negative is rounding of a zero.
  for (double& value : squares) value = std::max(value, 0.0);
  return shares(std::move(squares));
}

inline std::vector<double> svd_spectrum(const TensorView& matrix, const Size& size, const std::string& name) {
  const Magnitude largest = magnitude(matrix, name);
  if (largest.zero) return {};
  std::vector<double> values(size.rows * size.columns), wide(values.size());
  matrix.read(0, values);
  const bool flip = size.rows > size.columns;
  for (std::size_t i = 0; i < size.rows; ++i)
    for (std::size_t j = 0; j < size.columns; ++j)
      wide[flip ? j * size.rows + i : i * size.columns + j] =
          std::ldexp(values[i * size.columns + j], -largest.exponent);
  std::vector<double> squares =
      linalg::singular_values(std::move(wide), size.smaller(), std::max(size.rows, size.columns));
  for (double& value : squares) value *= value;
  return shares(std::move(squares));
}

inline std::vector<double> host_spectrum(const TensorView& matrix, Route route, const std::string& name) {
  const Size size = size_of(matrix, name);
  if (size.smaller() == 0) return {};
  return route == Route::gram ? gram_spectrum(matrix, size, name) : svd_spectrum(matrix, size, name);
}

/// The matrix of a device read into `values`, for what the device could not do.
inline TensorView on_host(const TensorView& matrix, std::vector<double>& values) {
  values.resize(matrix.size());
  matrix.read(0, values);
  const Shape& shape = matrix.shape();
  return {shape, {Piece::host(values.data(), ScalarType::float64, shape, shape.row_major_strides())}};
}

/// Spectra of matrices of one shape on one device: one call there. Only those whose squared norm a double
/// cannot hold, and those with a bad entry, come to the host.
inline void device_spectra(std::span<const TensorView> matrices, std::span<const std::size_t> chosen,
                           Route route, std::span<const std::string> names,
                           std::vector<std::vector<double>>& result) {
  std::vector<TensorView> batch;
  for (const std::size_t i : chosen) batch.push_back(matrices[i]);
  const auto squares = batch.front().device()->squared_singular_values(batch, route == Route::svd);
  for (std::size_t b = 0; b < chosen.size(); ++b) {
    const std::size_t i = chosen[b];
    if (!squares[b].empty()) {
      result[i] = shares(squares[b]);
      continue;
    }
    std::vector<double> values;
    result[i] = host_spectrum(on_host(batch[b], values), route, names[i]);
  }
}

}  // namespace detail

/// Spectra of a batch of matrices, which may differ in shape, scalar type and place, in their order: each in
/// ascending order, min(C, d) entries, none for a zero or empty matrix. O(C d min(C, d)) a matrix by either
/// route; on a device one batched Gram product and one batched eigenvalue call for all matrices of one shape,
/// and only spectra come to the host. Error names the matrix (by `names`, which may be left out) that is
/// none, or the entry that is not finite.
inline std::vector<std::vector<double>> spectra(std::span<const TensorView> matrices,
                                                Route route = Route::gram,
                                                std::span<const std::string> names = {}) {
  std::vector<std::string> called;
  for (std::size_t i = 0; i < matrices.size(); ++i)
    called.push_back(i < names.size() ? names[i] : "matrix " + std::to_string(i));
  std::vector<std::vector<double>> result(matrices.size());
  std::map<std::pair<const DeviceOperations*, std::pair<std::size_t, std::size_t>>, std::vector<std::size_t>>
      on_devices;
  std::vector<std::size_t> on_host;
  std::size_t work = 0;
  for (std::size_t i = 0; i < matrices.size(); ++i) {
    const detail::Size size = detail::size_of(matrices[i], called[i]);
    if (size.smaller() == 0) continue;
    if (matrices[i].device() != nullptr) {
      on_devices[{matrices[i].device(), {size.rows, size.columns}}].push_back(i);
    } else {
      on_host.push_back(i);
      work += size.rows * size.columns;
    }
  }
  for (const auto& [kind, chosen] : on_devices)
    detail::device_spectra(matrices, chosen, route, called, result);
  fedval::detail::for_each_index(on_host.size(), work, [&](std::size_t k) {
    result[on_host[k]] = detail::host_spectrum(matrices[on_host[k]], route, called[on_host[k]]);
  });
  return result;
}

/// Spectrum of one matrix; as spectra().
inline std::vector<double> spectrum(const TensorView& matrix, Route route = Route::gram,
                                    const std::string& name = "matrix") {
  if (matrix.device() == nullptr) return detail::host_spectrum(matrix, route, name);
  return spectra({&matrix, 1}, route, {&name, 1}).front();
}

}  // namespace fedval::spectral
