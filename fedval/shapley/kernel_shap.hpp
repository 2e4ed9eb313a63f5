// The additive game that fits best is the Shapley value, if coalitions are weighed right.
//
//   minimise  E_S[(v(S) - v({}) - sum_{i in S} phi_i)^2],   P(|S| = k) ~ 1 / (k (n - k)),  0 < k < n
//   such that sum_i phi_i = v(N) - v({}) =: d
//   A = E[1_S 1_S^T],  b = E[1_S (v(S) - v({}))]:   phi = A^-1 (b - 1 (1^T A^-1 b - d) / (1^T A^-1 1))
//
// with A and b by their sample means. A unit is S and, `paired`, its complement. The estimate is consistent,
// with a bias of O(1/m) below its error of O(1/sqrt(m)). The error is a jackknife over 32 groups of units
// (each left out once), which sees the errors of A and b together. Shapley value only.
// Sources: Lundberg and Lee, "A unified approach to interpreting model predictions", NeurIPS 2017; Covert and
// Lee, "Improving KernelSHAP", AISTATS 2021 (pairing, constraint); Quenouille, Biometrika 43, 1956
// (jackknife).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <string_view>
#include <vector>

#include "fedval/linalg/matrix.hpp"
#include "fedval/linalg/solve.hpp"
#include "fedval/shapley/sampler.hpp"

namespace fedval::shapley {

/// Sums of 1_S 1_S^T and 1_S (v(S) - v({})), by group.
class RegressionTally {
 public:
  /// Without a coalition; 32 (n^2 + n) doubles.
  explicit RegressionTally(std::size_t players)
      : n_(players), sums_(groups * stride(), 0.0), counts_(groups, 0) {}

  /// Their number, n.
  std::size_t players() const { return n_; }
  /// The sum of the values, v(N) - v({}).
  void set_total(double total) { total_ = total; }
  /// A coalition of a unit; gain = v(S) - v({}). O(|S|^2).
  void add(std::uint64_t unit, const Coalition& coalition, double gain) {
    double* sums = sums_.data() + unit % groups * stride();
    const std::vector<std::size_t> members = coalition.members();
    for (const std::size_t i : members) {
      for (const std::size_t j : members) sums[i * n_ + j] += 1;
      sums[n_ * n_ + i] += gain;
    }
    ++counts_[unit % groups];
  }

  /// An equal share each while the coalitions drawn do not tell the players apart.
  std::vector<double> values() const { return fit(whole()).value_or(equal_shares()); }

  /// By player, with jackknife errors of 31 degrees of freedom; infinite while a group is empty or the others
  /// leave A singular. O(n^3), 33 times.
  std::vector<Summary> summaries() const {
    const std::vector<double> sums = whole();
    const std::optional<std::vector<double>> value = fit(sums);
    const std::uint64_t count = std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
    std::vector<Summary> all;
    for (const double v : value.value_or(equal_shares())) all.push_back({v, infinite, 0, count});
    if (!value) return all;
    std::vector<double> mean(n_, 0.0);
    std::vector<std::vector<double>> left_out;
    for (std::size_t g = 0; g < groups; ++g) {
      if (counts_[g] == 0) return all;
      std::vector<double> rest = sums;
      for (std::size_t k = 0; k < stride(); ++k) rest[k] -= sums_[g * stride() + k];
      const auto found = fit(rest);
      if (!found) return all;
      left_out.push_back(*found);
      for (std::size_t i = 0; i < n_; ++i) mean[i] += (*found)[i] / groups;
    }
    for (std::size_t i = 0; i < n_; ++i) {
      double most = 0, squares = 0;
      for (const std::vector<double>& found : left_out) most = std::max(most, std::abs(found[i] - mean[i]));
      const int exponent = most > 0 ? std::ilogb(most) : 0;  // keeps squares in range, and every digit
      for (const std::vector<double>& found : left_out) {
        const double off = std::ldexp(found[i] - mean[i], -exponent);
        squares += off * off;
      }
      all[i].standard_error = std::ldexp(std::sqrt((groups - 1.0) / groups * squares), exponent);
      all[i].degrees = groups - 1.0;
    }
    return all;
  }

  void fields(auto& archive) {
    archive.state("total", total_);
    archive.state("sums", sums_);
    archive.state("counts", counts_);
    archive.check(sums_.size() == groups * stride() && counts_.size() == groups,
                  "parts that do not fit together");
  }

 private:
  static constexpr std::size_t groups = 32;
  static constexpr double infinite = std::numeric_limits<double>::infinity();

  std::size_t stride() const { return n_ * n_ + n_; }
  std::vector<double> equal_shares() const {
    return std::vector<double>(n_, n_ == 0 ? 0.0 : total_ / static_cast<double>(n_));
  }
  std::vector<double> whole() const {
    std::vector<double> sums(stride(), 0.0);
    for (std::size_t g = 0; g < groups; ++g)
      for (std::size_t k = 0; k < stride(); ++k) sums[k] += sums_[g * stride() + k];
    return sums;
  }

  /// The constrained fit; none where A is singular. O(n^3).
  std::optional<std::vector<double>> fit(const std::vector<double>& sums) const {
    linalg::Matrix<double> a(n_, n_), sides(n_, 2);
    for (std::size_t i = 0; i < n_; ++i) {
      for (std::size_t j = 0; j < n_; ++j) a(i, j) = sums[i * n_ + j];
      sides(i, 0) = sums[n_ * n_ + i];
      sides(i, 1) = 1;
    }
    const auto factor = linalg::cholesky(a);
    if (!factor) return std::nullopt;
    // Of whole numbers that are singular, rounding can leave pivots above its bound for one of them: they are
    // below half the digits, where nothing of a value would be right.
    const auto lower = factor->lower();
    for (std::size_t k = 0; k < n_; ++k)
      if (!(lower(k, k) * lower(k, k) > 0x1p-26 * a(k, k))) return std::nullopt;
    const auto solved = factor->solve(sides);
    double free_sum = 0, ones_sum = 0;
    for (std::size_t i = 0; i < n_; ++i) {
      free_sum += solved(i, 0);
      ones_sum += solved(i, 1);
    }
    std::vector<double> values;
    for (std::size_t i = 0; i < n_; ++i)
      values.push_back(solved(i, 0) - solved(i, 1) * (free_sum - total_) / ones_sum);
    return values;
  }

  std::size_t n_;
  double total_ = 0;
  std::vector<double> sums_;
  std::vector<std::uint64_t> counts_;
};

struct KernelShap {
  static constexpr std::string_view name = "KernelSHAP";

  bool paired = true;  ///< a unit is S and N - S, two evaluations; else S alone

  /// Error unless the semivalue is Shapley's.
  void check(const Setting& setting) const {
    if (!setting.semivalue.is_shapley())
      fail(name, ": estimates the Shapley value, not the ", setting.semivalue.text(), " value");
  }
  /// For the n of the setting.
  RegressionTally tally(const Setting& setting) const { return RegressionTally(setting.n); }
  /// One S and, `paired`, its complement.
  void ask(Unit& unit, const Setting& setting, const RegressionTally&) const {
    const std::size_t n = setting.n;
    std::vector<double> sizes;
    for (std::size_t k = 1; k < n; ++k) sizes.push_back(1 / static_cast<double>(k * (n - k)));
    const double sum = std::accumulate(sizes.begin(), sizes.end(), 0.0);
    for (double& size : sizes) size /= sum;
    Draws draws = unit.draws(setting);
    std::vector<std::uint32_t> pool(n);
    std::iota(pool.begin(), pool.end(), 0U);
    unit.coalitions.push_back(draws.choose(1 + draws.pick(sizes), pool));
    if (paired) unit.coalitions.push_back(unit.coalitions.back().complement(n));
  }
  /// Adds the unit's coalitions with their gains.
  void fold(const Unit& unit, const Setting& setting, RegressionTally& tally) const {
    tally.set_total(setting.all - setting.nobody);
    for (std::size_t k = 0; k < unit.values.size(); ++k)
      tally.add(unit.index, unit.coalitions[k], unit.values[k] - setting.nobody);
  }
  void fields(auto& archive) { archive.option("paired", paired); }
};

}  // namespace fedval::shapley
