// Players enter one after the other in a random order; each is credited with what it adds.
//
//   phi_i = E_pi[n p_k (v(S + i) - v(S))],   S the k players before i in pi,   p_k = C(n-1, k) w_k
//
// (n p_k is 1 for the Shapley value.) A unit is
//
//   Permutation  one order; n - 1 evaluations
//   Antithetic   an order and its reverse: exact where v has interactions of at most two players, since every
//                pair is met in both orders; 2 (n - 1)
//   Cyclic       an order and its n rotations: everyone stands once at every place; n (n - 1)
//   Truncated    one order, cut where |v(N) - v(S)| <= tolerance: those behind share the rest alike, so that
//                the values still sum to v(N) - v({}). Biased: by at most the tolerance where v only rises
//
// Standard errors are sigma / sqrt(units). Sources: Castro, Gomez, Tejada, "Polynomial calculation of the
// Shapley value based on sampling", Computers & OR 36(5), 2009; Lomeli, Rowland, Gretton, Ghahramani,
// "Antithetic and Monte Carlo kernel estimators for partial rankings", Stat. Comput. 29, 2019; Mitchell,
// Cooper, Frank, Holmes, "Sampling permutations for Shapley value estimation", JMLR 23, 2022; Ghorbani and
// Zou, "Data Shapley", ICML 2019 (truncation).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "fedval/shapley/sampler.hpp"

namespace fedval::shapley {

namespace detail {

/// Appends the prefixes of 1 ... n - 1 players of an order.
inline void ask_prefixes(std::span<const std::uint32_t> order, CoalitionList& coalitions) {
  if (order.size() < 2) return;
  Coalition prefix;
  for (const std::uint32_t player : order.first(order.size() - 1)) {
    prefix.insert(player);
    coalitions.push_back(prefix);
  }
}

/// The one player that joins; n - 1 prefixes determine the order.
inline std::size_t joined(const Coalition& before, const Coalition& after, std::size_t n) {
  return n <= 64 ? static_cast<std::size_t>(std::countr_zero(before.mask() ^ after.mask()))
                 : Coalition::difference(before, after, n);
}

/// Adds n p_k scale (v(S + i) - v(S)) to draw[i] for one order, by its n - 1 prefixes and their values.
inline void add_marginals(std::span<const Coalition> prefixes, std::span<const double> values,
                          const Setting& setting, double scale, std::span<double> draw) {
  const std::size_t n = setting.n;
  const Coalition none, all = Coalition::everyone(n);
  const double weight = scale * static_cast<double>(n);
  double so_far = setting.nobody;
  const auto add = [&](std::size_t k, const Coalition& before, const Coalition& after, double value) {
    draw[joined(before, after, n)] += weight * setting.sizes[k] * (value - so_far);
    so_far = value;
  };
  add(0, none, n == 1 ? all : prefixes[0], n == 1 ? setting.all : values[0]);
  for (std::size_t k = 1; k + 1 < n; ++k) add(k, prefixes[k - 1], prefixes[k], values[k]);
  if (n > 1) add(n - 1, prefixes[n - 2], all, setting.all);
}

/// Units of one or more orders, whose mean marginals are independent draws.
template <class Orders>
struct OrderDesign {
  void check(const Setting&) const {}
  MeanTally tally(const Setting& setting) const { return MeanTally(setting.n); }
  void ask(Unit& unit, const Setting& setting, const MeanTally&) const {
    std::vector<std::uint32_t> order(setting.n);
    unit.draws(setting).permutation(order);
    static_cast<const Orders&>(*this).ask_orders(order, unit.coalitions);
  }
  void fold(const Unit& unit, const Setting& setting, MeanTally& tally) const {
    const std::size_t prefixes = setting.n - 1, orders = unit.values.size() / prefixes;
    std::vector<double> draw(setting.n, 0.0);
    for (std::size_t o = 0; o < orders; ++o)
      add_marginals(std::span(unit.coalitions).subspan(o * prefixes, prefixes),
                    std::span(unit.values).subspan(o * prefixes, prefixes), setting,
                    1 / static_cast<double>(orders), draw);
    tally.add(draw);
  }
  /// A draw is a marginal times the largest n p_k at most.
  std::pair<double, double> bounds(const Setting& setting, double low, double high) const {
    double largest = 0;
    for (const double p : setting.sizes) largest = std::max(largest, p * static_cast<double>(setting.n));
    return setting.semivalue.is_shapley()
               ? std::pair(low, high)
               : std::pair(std::min(0.0, low) * largest, std::max(0.0, high) * largest);
  }
};

}  // namespace detail

struct Permutation : detail::OrderDesign<Permutation> {
  static constexpr std::string_view name = "permutation sampling";
  /// Appends the prefixes of 1 ... n - 1 players.
  void ask_orders(std::span<std::uint32_t> order, CoalitionList& coalitions) const {
    detail::ask_prefixes(order, coalitions);
  }
};

/// A unit is an order and its reverse; 2 (n - 1) evaluations.
struct Antithetic : detail::OrderDesign<Antithetic> {
  static constexpr std::string_view name = "antithetic permutation sampling";
  /// Appends the n - 1 prefixes of `order`, then those of its reverse, which it leaves there.
  void ask_orders(std::span<std::uint32_t> order, CoalitionList& coalitions) const {
    detail::ask_prefixes(order, coalitions);
    std::reverse(order.begin(), order.end());
    detail::ask_prefixes(order, coalitions);
  }
};

/// A unit is all n rotations of an order; n (n - 1) evaluations.
struct Cyclic : detail::OrderDesign<Cyclic> {
  static constexpr std::string_view name = "cyclic permutation sampling";
  /// Appends the n - 1 prefixes of every rotation; leaves `order` as it was.
  void ask_orders(std::span<std::uint32_t> order, CoalitionList& coalitions) const {
    for (std::size_t shift = 0; shift < order.size(); ++shift) {
      detail::ask_prefixes(order, coalitions);
      std::rotate(order.begin(), order.begin() + 1, order.end());
    }
  }
};

/// Evaluates one more prefix at a time, of every order of the batch.
struct Truncated {
  static constexpr std::string_view name = "truncated permutation sampling";

  double tolerance = 0.01;  ///< in the utility's units, against |v(N) - v(S)| for the prefix itself

  /// Error unless the tolerance is at least 0.
  void check(const Setting&) const {
    if (!(tolerance >= 0)) fail(name, ": a tolerance of ", tolerance, ", must be at least 0");
  }
  /// One mean a player.
  MeanTally tally(const Setting& setting) const { return MeanTally(setting.n); }
  /// The first player alone; nothing where v({}) is within the tolerance of v(N).
  void ask(Unit& unit, const Setting& setting, const MeanTally&) const {
    if (near(setting.nobody, setting)) return;
    unit.coalitions.push_back(Coalition{order_of(unit, setting)[0]});
  }
  /// One player more, until the last prefix is within the tolerance of v(N) or lacks one player.
  void more(Unit& unit, const Setting& setting) const {
    const std::size_t known = unit.values.size();
    if (known < unit.coalitions.size() || known == 0 || known + 1 >= setting.n) return;
    if (near(unit.values.back(), setting)) return;
    unit.coalitions.push_back(unit.coalitions.back());
    unit.coalitions.back().insert(order_of(unit, setting)[known]);
  }
  /// Adds the order's draw: n p_k times each marginal, behind the cut an equal share of what is left. O(n).
  void fold(const Unit& unit, const Setting& setting, MeanTally& tally) const {
    const std::vector<std::uint32_t> order = order_of(unit, setting);
    const auto n = static_cast<double>(setting.n);
    std::vector<double> draw(setting.n);
    double so_far = setting.nobody;
    const std::size_t entered = unit.values.size();
    for (std::size_t k = 0; k < setting.n; ++k) {
      const double adds = k < entered ? unit.values[k] - so_far
                                      : (setting.all - so_far) / static_cast<double>(setting.n - entered);
      draw[order[k]] = n * setting.sizes[k] * adds;
      if (k < entered) so_far = unit.values[k];
    }
    tally.add(draw);
  }
  void fields(auto& archive) { archive.option("tolerance", tolerance); }

 private:
  bool near(double value, const Setting& setting) const { return std::abs(setting.all - value) <= tolerance; }
  static std::vector<std::uint32_t> order_of(const Unit& unit, const Setting& setting) {
    std::vector<std::uint32_t> order(setting.n);
    unit.draws(setting).permutation(order);
    return order;
  }
};

}  // namespace fedval::shapley
