// Random coalitions tell players apart by who was in the good ones.
//
//   |S| = k with probability q_k = (1/k + 1/(n-k)) / Z,  k = 1 ... n - 1,   Z = 2 sum_{k<n} 1/k
//   phi_i - phi_j = Z E[v(S) (1{i in S} - 1{j in S})]
//   phi_i = (v(N) - v({})) / n + Z E[(v(S) - v({})) (1{i in S} - |S| / n)]
//
// The second line is the published estimate; the third is its least-squares solution with the sum that
// efficiency demands, so no linear program is needed, and draws are independent and unbiased. A unit is one
// evaluation. Shapley value only. Its error falls as 1 / sqrt(m) with a factor near 2 ln n on the values
// themselves, not on their differences: other samplers are better unless v's level is small.
// Source: Jia, Dao, Wang et al., "Towards efficient data valuation based on the Shapley value", AISTATS 2019,
// algorithm 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string_view>
#include <vector>

#include "fedval/shapley/sampler.hpp"

namespace fedval::shapley {

struct GroupTesting {
  static constexpr std::string_view name = "group testing";

  class Plan;
  /// For the n of the setting. O(n).
  Plan plan(const Setting& setting) const;
};

/// The law of |S| for one n, and its Z.
class GroupTesting::Plan {
 public:
  /// q_1 ... q_{n-1} and Z. O(n).
  explicit Plan(const Setting& setting) {
    const std::size_t n = setting.n;
    for (std::size_t k = 1; k < n; ++k)
      sizes_.push_back(1 / static_cast<double>(k) + 1 / static_cast<double>(n - k));
    total_ = std::accumulate(sizes_.begin(), sizes_.end(), 0.0);
    for (double& q : sizes_) q /= total_;
  }

  /// Error unless the semivalue is Shapley's.
  void check(const Setting& setting) const {
    if (!setting.semivalue.is_shapley())
      fail(name, ": estimates the Shapley value, not the ", setting.semivalue.text(), " value");
  }
  /// One mean a player, of the third line's draws.
  MeanTally tally(const Setting& setting) const { return MeanTally(setting.n); }
  /// One S.
  void ask(Unit& unit, const Setting& setting, const MeanTally&) const {
    Draws draws = unit.draws(setting);
    std::vector<std::uint32_t> pool(setting.n);
    std::iota(pool.begin(), pool.end(), 0U);
    unit.coalitions.push_back(draws.choose(1 + draws.pick(sizes_), pool));
  }
  /// One draw for every player from v(S). O(n).
  void fold(const Unit& unit, const Setting& setting, MeanTally& tally) const {
    const auto n = static_cast<double>(setting.n);
    const Coalition& drawn = unit.coalitions[0];
    const double share = static_cast<double>(drawn.size()) / n, gain = unit.values[0] - setting.nobody;
    std::vector<double> draw;
    for (std::size_t i = 0; i < setting.n; ++i)
      draw.push_back((setting.all - setting.nobody) / n +
                     total_ * gain * ((drawn.contains(i) ? 1.0 : 0.0) - share));
    tally.add(draw);
  }

 private:
  std::vector<double> sizes_;
  double total_ = 0;
};

inline GroupTesting::Plan GroupTesting::plan(const Setting& setting) const { return Plan(setting); }

}  // namespace fedval::shapley
