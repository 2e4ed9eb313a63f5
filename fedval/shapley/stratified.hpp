// One mean for every player and every size of coalition, with more draws where the marginals spread more.
//
//   phi_i = sum_{k=0}^{n-1} p_k E[v(S + i) - v(S) | |S| = k],   p_k = C(n-1, k) w_k
//
// A unit is one marginal, two evaluations. The first units are a pilot: `pilot` draws for each stratum and
// each of two halves, one for k = 0 and k = n - 1, which have a single coalition. After it every unit picks a
// player and a size with probability proportional to p_k s_ik, Neyman's allocation, where s_ik is the
// spread in the other half's pilot (at least a tenth of the root mean square of all, so that no stratum is
// given up); the halves take turns. So the numbers of draws depend on nothing that enters the same mean, and
// the value, the mean of the two halves, is unbiased; allocating by a half's own spread would bias it
// wherever marginals are skewed. Sources: Castro, Gomez, Molina, Tejada, "Improving polynomial estimation of
// the Shapley value by stratified random sampling with optimum allocation", Computers & OR 82, 2017; Neyman,
// J. R. Stat. Soc. 97, 1934.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "fedval/shapley/sampler.hpp"

namespace fedval::shapley {

/// A StrataTally that remembers what the pilot found. Stratum 2 k + h is size k in half h.
class StratifiedTally : public StrataTally {
 public:
  using StrataTally::StrataTally;

  /// Probabilities of (player, size), players first, for the draws of a half; empty until the pilot is
  /// folded.
  const std::vector<double>& allocation(std::size_t half) const { return allocation_[half]; }
  /// From the pilot; sizes 0 and n - 1 are known and get nothing.
  void allocate(const Setting& setting) {
    const std::size_t n = setting.n;
    for (std::size_t half = 0; half < 2; ++half) {
      std::vector<double> cells(n * n, 0.0);
      // All have as many draws in the pilot: errors are in proportion to spreads, and never beyond a double.
      const auto for_each_cell = [&](auto&& body) {
        for (std::size_t i = 0; i < n; ++i)
          for (std::size_t k = 1; k + 1 < n; ++k)
            body(cells[i * n + k], setting.sizes[k], moments(i, 2 * k + (1 - half)).standard_error());
      };
      double largest = 0, squares = 0, weights = 0, sum = 0;
      for_each_cell([&](double&, double, double spread) { largest = std::max(largest, spread); });
      // A power of two keeps squares in range and changes no digit.
      const int exponent = largest > 0 ? std::ilogb(largest) : 0;
      for_each_cell([&](double& cell, double p, double spread) {
        cell = std::ldexp(spread, -exponent);
        squares += p * cell * cell;
        weights += p;
      });
      const double least = 0.1 * std::sqrt(squares / weights);
      for_each_cell([&](double& cell, double p, double) {
        // Where the pilot saw no spread at all, every stratum is alike.
        sum += cell = p * (least > 0 ? std::max(cell, least) : 1.0);
      });
      for (double& cell : cells) cell /= sum;
      allocation_[half] = std::move(cells);
    }
  }

  void fields(auto& archive) {
    StrataTally::fields(archive);
    archive.state("allocation", allocation_);
    for (const std::vector<double>& half : allocation_)
      archive.check(half.empty() || half.size() == players() * players(), "an allocation of another size");
  }

 private:
  std::array<std::vector<double>, 2> allocation_;
};

struct Stratified {
  static constexpr std::string_view name = "stratified sampling";

  std::size_t pilot = 4;  ///< draws for each player, size and half; at least 2

  /// Error for a pilot of fewer than 2 draws.
  void check(const Setting&) const {
    if (pilot < 2) fail(name, ": a pilot of ", pilot, " draws shows no spread; at least 2");
  }
  /// 2 n strata a player, of weight p_k / 2; those of k = 0 and k = n - 1 are known.
  StratifiedTally tally(const Setting& setting) const {
    std::vector<double> weights;
    for (const double p : setting.sizes) weights.insert(weights.end(), 2, p / 2);
    StratifiedTally tally(setting.n, weights);
    for (std::size_t s = 0; s < weights.size(); ++s)
      if (s < 2 || s + 2 >= weights.size()) tally.set_known(s);
    return tally;
  }
  /// The pilot's end: an allocation must have been made.
  bool ready(const Unit& unit, const StratifiedTally& tally) const {
    return unit.index < pilot_units(tally.players()) || !tally.allocation(0).empty() ||
           !has_inner(tally.players());
  }
  /// S and S + i: of a fixed player and size in the pilot, then of those that the allocation draws.
  void ask(Unit& unit, const Setting& setting, const StratifiedTally& tally) const {
    const std::size_t n = setting.n;
    Draws draws = unit.draws(setting);
    const auto [player, stratum] = place(unit, n, tally, draws);
    std::vector<std::uint32_t> others;
    for (std::uint32_t i = 0; i < n; ++i)
      if (i != player) others.push_back(i);
    unit.coalitions.push_back(draws.choose(stratum / 2, others));
    unit.coalitions.push_back(unit.coalitions.back());
    unit.coalitions.back().insert(player);
  }
  /// Adds the marginal; the pilot's last unit also makes the allocation, O(n^2).
  void fold(const Unit& unit, const Setting& setting, StratifiedTally& tally) const {
    const std::size_t n = setting.n;
    Draws draws = unit.draws(setting);
    const auto [player, stratum] = place(unit, n, tally, draws);
    const double marginal = unit.values[1] - unit.values[0];
    tally.add(player, stratum, marginal);
    if (tally.known(stratum)) tally.add(player, stratum ^ 1, marginal);  // both halves know it
    if (unit.index + 1 == pilot_units(n) && has_inner(n)) tally.allocate(setting);
  }
  void fields(auto& archive) { archive.option("pilot", pilot); }

 private:
  struct Place {
    std::size_t player, stratum;
  };

  static bool has_inner(std::size_t n) { return n > 2; }
  /// Two ends, and n - 2 sizes between them in two halves.
  std::size_t pilot_units(std::size_t n) const { return n * (2 + 2 * pilot * (n - 2)); }

  Place place(const Unit& unit, std::size_t n, const StratifiedTally& tally, Draws& draws) const {
    if (unit.index < pilot_units(n)) {
      const std::size_t player = unit.index % n, turn = unit.index / n;
      if (turn < 2) return {player, turn == 0 ? 0 : 2 * (n - 1)};
      return {player, 2 + (turn - 2) % (2 * (n - 2))};
    }
    if (!has_inner(n)) return {unit.index % n, 0};  // nothing is left to learn
    const std::size_t half = unit.index % 2, cell = draws.pick(tally.allocation(half));
    return {cell / n, 2 * (cell % n) + half};
  }
};

}  // namespace fedval::shapley
