// A gradient from slopes D_i along directions u_i.
//
//   plain           g^ = (c / m) sum_i D_i v_i
//   shrink          m / (m + d - 1) times that: the least squared error among multiples, for unit directions
//   least_squares   g^ = pinv(U) D: of all g with U g nearest to D the shortest; the projection of g for m <
//   d
//
// Least squares by two orthonormal bases, of U's rows and of what U is in them, so that the conditioning is
// U's and not its square: U = L Q, min ||L y - D||, g^ = Q^T y. Rows that depend on others are welcome.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "fedval/linalg/matrix.hpp"
#include "fedval/random/orthogonal.hpp"
#include "fedval/zeroth_order/directions.hpp"

namespace fedval::zeroth_order {

/// How slopes become a gradient.
enum class Combination : std::uint8_t {
  plain,         ///< (c / m) sum_i D_i v_i: no bias but that of the law and of the difference
  shrink,        ///< m / (m + d - 1) times plain: biased to zero, the least squared error for unit directions
  least_squares  ///< the shortest g whose U g is nearest to D; never scaled by c
};

/// sum_i weights[i] directions[i].
struct WeightedSum {
  std::vector<double> weights;        ///< one a direction
  std::vector<Direction> directions;  ///< v_i; by least squares an orthonormal basis of the span of the u_i
};

namespace detail {

inline double inner_product(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

inline WeightedSum least_squares(const Draw& draw, std::span<const double> slopes, std::size_t dimension) {
  const std::size_t m = draw.probes.size();
  linalg::Matrix<double> u(m, dimension);
  random::OrthonormalRows basis(std::min(m, dimension), dimension);  // Q
  std::vector<double> row(dimension);
  for (std::size_t i = 0; i < m; ++i) {
    read(draw.probes[i], 0, u.row(i));
    std::copy(u.row(i).begin(), u.row(i).end(), row.begin());
    if (basis.count() < dimension) basis.add(row);
  }
  const std::size_t rank = basis.count();
  linalg::Matrix<double> l(rank, m);  // L^T
  for (std::size_t k = 0; k < rank; ++k)
    for (std::size_t i = 0; i < m; ++i) l(k, i) = inner_product(basis.rows().row(k), u.row(i));
  random::OrthonormalRows columns(rank, m);  // Z^T of L = Z R
  std::vector<double> column(m), y(rank);
  for (std::size_t k = 0; k < rank; ++k) {
    std::copy(l.row(k).begin(), l.row(k).end(), column.begin());
    if (!columns.add(column)) fail("zeroth_order: least squares: the directions are dependent to rounding");
  }
  for (std::size_t k = rank; k-- > 0;) {
    const std::span<const double> z = columns.rows().row(k);
    y[k] = inner_product(z, slopes);
    for (std::size_t j = k + 1; j < rank; ++j) y[k] -= inner_product(z, l.row(j)) * y[j];
    y[k] /= inner_product(z, l.row(k));
  }
  WeightedSum result{std::move(y), rows_of(basis.rows())};
  result.directions.resize(rank, Coordinate{});
  return result;
}

}  // namespace detail

/// The gradient as weights of directions. O(m), for least squares O(m^2 d) and 2 m d doubles.
inline WeightedSum combine(Combination combination, const Draw& draw, std::span<const double> slopes,
                           std::size_t dimension) {
  if (combination == Combination::least_squares) return detail::least_squares(draw, slopes, dimension);
  const auto m = static_cast<double>(slopes.size());
  double factor = draw.scale / m;
  if (combination == Combination::shrink) factor *= m / (m + static_cast<double>(dimension) - 1);
  WeightedSum result{{}, {draw.weighed().begin(), draw.weighed().end()}};
  for (const double slope : slopes) result.weights.push_back(factor * slope);
  return result;
}

}  // namespace fedval::zeroth_order
