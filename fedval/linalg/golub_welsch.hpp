// Quadrature rules from a Jacobi matrix (Golub and Welsch): the k x k symmetric tridiagonal matrix J that
// Lanczos leaves belongs to a measure mu of mass one, and
//
//   Gauss:        integral f dmu ~ sum_i w_i f(x_i),  x_i the eigenvalues of J, w_i = (first component of the
//                 i-th normalised eigenvector)^2; exact for polynomials of degree 2k - 1
//   Gauss-Radau:  the same with J extended by one row so that a given x_0 becomes an eigenvalue; exact for
//                 degree 2k
//
// Error of the Gauss rule: f^(2k)(y) / (2k)! times something positive; of the Radau rule with x_0 left of the
// measure: f^(2k+1)(y) / (2k+1)! times something positive. Signs of derivatives therefore make bounds.
// Source: Golub and Meurant, Matrices, Moments and Quadrature with Applications, Princeton 2010, sections 3.2
// and 6.2.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "fedval/error.hpp"

namespace fedval::linalg {

/// Nodes, in no order, and their positive weights, which sum to one.
struct QuadratureRule {
  /// x_i.
  std::vector<double> nodes, weights;  ///< w_i, as many

  /// sum_i w_i f(x_i). O(k).
  template <class Function>
  double operator()(Function&& f) const {
    double sum = 0;
    for (std::size_t i = 0; i < nodes.size(); ++i) sum += weights[i] * f(nodes[i]);
    return sum;
  }
};

namespace detail {

inline void check_finite(std::span<const double> entries, const char* name) {
  for (std::size_t i = 0; i < entries.size(); ++i)
    if (!std::isfinite(entries[i])) fail(name, " entry ", i, " is ", entries[i]);
}

}  // namespace detail

/// Gauss rule of the Jacobi matrix with `diagonal` (k entries) and `off` (its first k - 1 entries are the
/// off-diagonal). Implicit QL that carries only the first row of the eigenvectors: O(k^2). Error names an
/// entry that is not finite.
inline QuadratureRule gauss_rule(std::span<const double> diagonal, std::span<const double> off) {
  const std::size_t n = diagonal.size();
  if (n == 0) return {};
  if (off.size() + 1 < n) fail("gauss_rule: ", n, " diagonal entries and ", off.size(), " beside them");
  detail::check_finite(diagonal, "gauss_rule: diagonal");
  detail::check_finite(off.first(n - 1), "gauss_rule: off-diagonal");
  std::vector<double> d(diagonal.begin(), diagonal.end()), first(n, 0.0);
  std::vector<double> e(off.begin(), off.begin() + static_cast<std::ptrdiff_t>(n - 1));
  e.push_back(0);
  first[0] = 1;
  constexpr double epsilon = std::numeric_limits<double>::epsilon();
  double invisible = 0;  // beside the largest entry; neighbours that are all but zero converge by it
  for (std::size_t i = 0; i < n; ++i) invisible = std::max({invisible, std::abs(d[i]), std::abs(e[i])});
  invisible *= epsilon * epsilon;
  const auto coupled = [&](std::size_t m) {
    return std::abs(e[m]) > std::max(epsilon * (std::abs(d[m]) + std::abs(d[m + 1])), invisible);
  };
  for (std::size_t l = 0; l < n; ++l)
    for (int iteration = 0;; ++iteration) {
      std::size_t m = l;
      while (m + 1 < n && coupled(m)) ++m;
      if (m == l) break;
      if (iteration == 60) fail("gauss_rule: no convergence; is an entry not finite?");
      double g = (d[l + 1] - d[l]) / (2 * e[l]);
      g = d[m] - d[l] + e[l] / (g + std::copysign(std::hypot(g, 1.0), g));
      double s = 1, c = 1, p = 0;
      bool split = false;
      for (std::size_t i = m; i-- > l;) {
        const double f = s * e[i], b = c * e[i];
        double r = std::hypot(f, g);
        e[i + 1] = r;
        if (r == 0) {  // underflow: split here and start again
          d[i + 1] -= p;
          e[m] = 0;
          split = true;
          break;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        const double upper = first[i + 1];
        first[i + 1] = s * first[i] + c * upper;
        first[i] = c * first[i] - s * upper;
      }
      if (split) continue;
      d[l] -= p;
      e[l] = g;
      e[m] = 0;
    }
  for (double& weight : first) weight *= weight;
  return {std::move(d), std::move(first)};
}

/// Gauss-Radau rule with one node at `node`, which must lie left of the measure: k + 1 nodes. `off` has k
/// entries, the last one that which Lanczos would use for its next step. Nothing when J - node I is not
/// positive definite (to rounding): a node of the Gauss rule lies there already. O(k^2). Error as gauss_rule.
inline std::optional<QuadratureRule> radau_rule(std::span<const double> diagonal, std::span<const double> off,
                                                double node) {
  const std::size_t n = diagonal.size();
  if (n == 0) return std::nullopt;
  if (off.size() < n) fail("radau_rule: ", n, " diagonal entries and ", off.size(), " beside them");
  detail::check_finite(diagonal, "radau_rule: diagonal");
  detail::check_finite(off.first(n), "radau_rule: off-diagonal");
  if (!std::isfinite(node)) fail("radau_rule: a node at ", node);
  // A power of two keeps squares in range and changes no digit.
  double most = std::abs(node);
  for (const double entry : diagonal) most = std::max(most, std::abs(entry));
  for (const double entry : off.first(n)) most = std::max(most, std::abs(entry));
  const int exponent = most > 0 ? std::ilogb(most) : 0;
  std::vector<double> extended, beside;
  for (const double entry : diagonal) extended.push_back(std::ldexp(entry, -exponent));
  for (const double entry : off.first(n)) beside.push_back(std::ldexp(entry, -exponent));
  const double first = std::ldexp(node, -exponent);
  double pivot = extended[0] - first;  // of J - node I = L D L^T
  for (std::size_t i = 1; i < n && pivot > 0; ++i)
    pivot = extended[i] - first - beside[i - 1] * beside[i - 1] / pivot;
  if (!(pivot > 0)) return std::nullopt;
  // Makes the next pivot 0: an eigenvalue at node.
  extended.push_back(first + beside[n - 1] * beside[n - 1] / pivot);
  if (!std::isfinite(std::ldexp(extended.back(), exponent))) return std::nullopt;
  QuadratureRule rule = gauss_rule(extended, beside);
  for (double& x : rule.nodes) x = std::ldexp(x, exponent);
  return rule;
}

}  // namespace fedval::linalg
