// The losses of data-free black-box learning as their definitions say, in long double and entry by entry, and
// gradients of them by central differences: nothing of the library is in them.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "fedval/black_box/logits.hpp"
#include "tests/support/oracle.hpp"

namespace fedval::tests {

using Real = long double;
/// B rows of entries, noise or logits.
using Table = std::vector<std::vector<Real>>;
using Classes = std::vector<std::uint32_t>;

inline Table table_of(const black_box::Logits& logits) {
  Table table;
  for (std::size_t i = 0; i < logits.rows(); ++i)
    table.emplace_back(logits.row(i).begin(), logits.row(i).end());
  return table;
}

inline Table table_of(const std::vector<Values>& rows) {
  Table table;
  for (const Values& row : rows) table.emplace_back(row.begin(), row.end());
  return table;
}

inline black_box::Logits random_logits(random::Stream& stream, std::size_t batch, std::size_t classes,
                                       double size = 1) {
  return black_box::Logits(batch, classes, normals(stream, batch * classes, size));
}

inline std::vector<Values> random_rows(random::Stream& stream, std::size_t batch, std::size_t entries) {
  std::vector<Values> rows;
  for (std::size_t i = 0; i < batch; ++i) rows.push_back(normals(stream, entries));
  return rows;
}

inline Classes random_classes(random::Stream& stream, std::size_t batch, std::size_t classes) {
  Classes result;
  for (std::size_t i = 0; i < batch; ++i) result.push_back(static_cast<std::uint32_t>(stream.below(classes)));
  return result;
}

inline std::vector<Real> naive_softmax(const std::vector<Real>& logits, Real temperature = 1) {
  std::vector<Real> shares;
  Real sum = 0;
  for (const Real logit : logits) {
    shares.push_back(std::exp(logit / temperature));
    sum += shares.back();
  }
  for (Real& share : shares) share /= sum;
  return shares;
}

/// (1/B) sum_i -log softmax(yhat_i)[y_i].
inline Real naive_fidelity(const Table& ensemble, const Classes& classes) {
  Real sum = 0;
  for (std::size_t i = 0; i < ensemble.size(); ++i) sum -= std::log(naive_softmax(ensemble[i])[classes[i]]);
  return sum / static_cast<Real>(ensemble.size());
}

/// (1/B) sum_i KL(softmax(a_i / T) || softmax(b_i / T)).
inline Real naive_divergence(const Table& a, const Table& b, Real temperature) {
  Real sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const std::vector<Real> p = naive_softmax(a[i], temperature), q = naive_softmax(b[i], temperature);
    for (std::size_t c = 0; c < p.size(); ++c) sum += p[c] * std::log(p[c] / q[c]);
  }
  return sum / static_cast<Real>(a.size());
}

inline Real naive_mean_square(const std::vector<Real>& a, const std::vector<Real>& b) {
  Real sum = 0;
  for (std::size_t k = 0; k < a.size(); ++k) sum += (a[k] - b[k]) * (a[k] - b[k]);
  return sum / static_cast<Real>(a.size());
}

/// exp(-(1/B^2) sum_ij dx_ij dz_ij).
inline Real naive_diversity(const Table& x, const Table& z) {
  Real sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    for (std::size_t j = 0; j < x.size(); ++j)
      sum += naive_mean_square(x[i], x[j]) * naive_mean_square(z[i], z[j]);
  return std::exp(-sum / static_cast<Real>(x.size() * x.size()));
}

inline std::vector<Real> naive_mean_answer(const Table& ensemble) {
  std::vector<Real> mean(ensemble.front().size());
  for (const std::vector<Real>& row : ensemble) {
    const std::vector<Real> p = naive_softmax(row);
    for (std::size_t c = 0; c < p.size(); ++c) mean[c] += p[c] / static_cast<Real>(ensemble.size());
  }
  return mean;
}

/// sum_c m_c log m_c, m the mean softmax.
inline Real naive_information(const Table& ensemble) {
  Real sum = 0;
  for (const Real m : naive_mean_answer(ensemble)) sum += m * std::log(m);
  return sum;
}

/// The gradient of f at a table: off by a third derivative times 2e-13, and by 1e-13 of f for rounding.
template <class F>
Table central_differences(F&& f, Table at) {
  constexpr Real step = 0x1p-20L;
  Table gradient = at;
  for (std::size_t i = 0; i < at.size(); ++i)
    for (std::size_t c = 0; c < at[i].size(); ++c) {
      const Real here = at[i][c];
      at[i][c] = here + step;
      const Real above = f(at);
      at[i][c] = here - step;
      const Real below = f(at);
      at[i][c] = here;
      gradient[i][c] = (above - below) / (2 * step);
    }
  return gradient;
}

/// All entries, row-major, within `relative` of the largest expected one.
inline void check_near(std::span<const double> found, const Table& expected, double relative) {
  Real largest = 0;
  for (const std::vector<Real>& row : expected)
    for (const Real entry : row) largest = std::max(largest, std::abs(entry));
  REQUIRE(found.size() == expected.size() * expected.front().size());
  for (std::size_t k = 0; k < found.size(); ++k) {
    CAPTURE(k);
    const Real entry = expected[k / expected.front().size()][k % expected.front().size()];
    CHECK(std::abs(found[k] - entry) <= relative * largest);
  }
}

}  // namespace fedval::tests
