// Shapley values without marginal contributions: what coalitions with a player are worth on average, less
// what those without it are.
//
//   phi_i = E+[v(S + i)] - E-[v(S)],   S without i, of size k with probability p_k = C(n-1, k) w_k
//
// One coalition serves all players. A unit of
//
//   Svarm{}                     draws A+ with P(A+) ~ w_{|A+|-1}, whose value goes to the first mean of
//                               all its members, and A- with P(A-) ~ w_|A-|, to the second mean of all
//                               others; 2 evaluations
//   Svarm{.stratified = true}   keeps 2 n means a player, one for each size: one coalition a unit goes to the
//                               size's first mean of its members and second mean of the others; 1 evaluation.
//                               Sizes 0, 1, n - 1 and n are evaluated whole
//
// The first units see to it that no mean is empty, without touching what is expected of it; unbiased from
// then on. Source: Kolpaczki, Bengs, Muschalik, Huellermeier, "Approximating the Shapley value without
// marginal contributions", AAAI 2024 (SVARM and Stratified SVARM).
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string_view>
#include <vector>

#include "fedval/shapley/sampler.hpp"

namespace fedval::shapley {

struct Svarm {
  static constexpr std::string_view name = "SVARM";

  bool stratified = false;  ///< 2 n means a player, by size, in place of two

  class Plan;
  /// For any semivalue. O(n).
  Plan plan(const Setting& setting) const;
  void fields(auto& archive) { archive.option("stratified", stratified); }
};

/// Strata: 0 and 1 are the two means; stratified, k and n + k those of sizes k + 1 (with the player) and k
/// (without).
class Svarm::Plan {
 public:
  /// The laws of |A+| and |A-|. O(n).
  Plan(const Svarm& svarm, const Setting& setting) : stratified_(svarm.stratified) {
    // P(|A+| = k + 1) ~ C(n, k + 1) w_k ~ p_k n / (k + 1);  P(|A-| = k) ~ C(n, k) w_k ~ p_k n / (n - k).
    const std::size_t n = setting.n;
    for (std::size_t k = 0; k < n; ++k) {
      with_.push_back(setting.sizes[k] / static_cast<double>(k + 1));
      without_.push_back(setting.sizes[k] / static_cast<double>(n - k));
    }
    for (std::vector<double>* sizes : {&with_, &without_}) {
      const double sum = std::accumulate(sizes->begin(), sizes->end(), 0.0);
      for (double& size : *sizes) size /= sum;
    }
  }

  /// Every semivalue will do.
  void check(const Setting&) const {}
  /// Weights 1 and -1; stratified, p_k and -p_k, with sizes 0, 1, n - 1 and n known.
  StrataTally tally(const Setting& setting) const {
    const std::size_t n = setting.n;
    if (!stratified_) return {n, {1.0, -1.0}};
    std::vector<double> weights = setting.sizes;
    for (const double p : setting.sizes) weights.push_back(-p);
    StrataTally tally(n, weights);
    for (std::size_t k = 0; k < n; ++k)
      if (k == 0 || k + 2 >= n) tally.set_known(k);  // sizes 1, n - 1 and n with the player
    for (std::size_t k = 0; k < n; ++k)
      if (k <= 1 || k + 1 == n) tally.set_known(n + k);  // sizes 0, 1 and n - 1 without it
    return tally;
  }

  /// A+ and A-; stratified, all of sizes 1 and n - 1 in unit 0 (n < 4: in every unit), else one coalition.
  void ask(Unit& unit, const Setting& setting, const StrataTally&) const {
    if (stratified_) {
      ask_stratified(unit, setting);
    } else {
      ask_pair(unit, setting);
    }
  }
  /// v(A+) to its members' first mean, v(A-) to the others' second (units t < n: of player t alone);
  /// stratified, each value to both. O(n) a coalition.
  void fold(const Unit& unit, const Setting& setting, StrataTally& tally) const {
    const std::size_t n = setting.n;
    if (!stratified_) {
      const bool warm = unit.index < n;
      for (std::size_t i = 0; i < n; ++i) {
        if (unit.coalitions[0].contains(i) && (!warm || i == unit.index)) tally.add(i, 0, unit.values[0]);
        if (!unit.coalitions[1].contains(i) && (!warm || i == unit.index)) tally.add(i, 1, unit.values[1]);
      }
      return;
    }
    const auto add = [&](const Coalition& coalition, double value) {
      const std::size_t size = coalition.size();
      for (std::size_t i = 0; i < n; ++i) {
        const bool inside = coalition.contains(i);
        tally.add(i, inside ? size - 1 : n + size, value);
      }
    };
    if (unit.index == 0) {
      add(Coalition(), setting.nobody);
      add(Coalition::everyone(n), setting.all);
    }
    for (std::size_t k = 0; k < unit.values.size(); ++k) add(unit.coalitions[k], unit.values[k]);
  }

 private:
  static constexpr std::uint64_t first_circle = std::uint64_t{1} << 62;  // beyond any unit

  /// Unit t < n is about player t alone: A+ with it, A- without it.
  void ask_pair(Unit& unit, const Setting& setting) const {
    const std::size_t n = setting.n;
    Draws draws = unit.draws(setting);
    std::vector<std::uint32_t> pool(n);
    std::iota(pool.begin(), pool.end(), 0U);
    if (unit.index < n) {
      const auto player = static_cast<std::size_t>(unit.index);
      std::erase(pool, static_cast<std::uint32_t>(player));
      Coalition with = draws.choose(draws.pick(setting.sizes), pool);
      with.insert(player);
      unit.coalitions.push_back(with);
      unit.coalitions.push_back(draws.choose(draws.pick(setting.sizes), pool));
      return;
    }
    unit.coalitions.push_back(draws.choose(1 + draws.pick(with_), pool));
    unit.coalitions.push_back(draws.choose(draws.pick(without_), pool));
  }

  /// Unit 0 is sizes 1 and n - 1; then each size from 2 to n - 2 in consecutive parts of a random circle,
  /// which contain every player, and leave every player out; then sizes in turn.
  static void ask_stratified(Unit& unit, const Setting& setting) {
    const std::size_t n = setting.n;
    if (unit.index == 0 || n < 4) {
      for (std::size_t i = 0; i < n; ++i) unit.coalitions.push_back(Coalition{i});
      for (std::size_t i = 0; n > 2 && i < n; ++i) unit.coalitions.push_back(Coalition{i}.complement(n));
      return;
    }
    std::uint64_t t = unit.index - 1;
    std::vector<std::uint32_t> order(n);
    for (std::size_t j = 2; j + 2 <= n; ++j) {
      const std::size_t smaller = std::min(j, n - j), parts = (n + smaller - 1) / smaller;
      if (t >= parts) {
        t -= parts;
        continue;
      }
      Draws(setting.seed, first_circle + j).permutation(order);
      Coalition part;
      for (std::size_t k = 0; k < smaller; ++k) part.insert(order[(t * smaller + k) % n]);
      unit.coalitions.push_back(j == smaller ? part : part.complement(n));
      return;
    }
    Draws draws = unit.draws(setting);
    std::iota(order.begin(), order.end(), 0U);
    unit.coalitions.push_back(draws.choose(2 + t % (n - 3), order));
  }

  bool stratified_;
  std::vector<double> with_, without_;
};

inline Svarm::Plan Svarm::plan(const Setting& setting) const { return {*this, setting}; }

}  // namespace fedval::shapley
