// A coalition against everyone else.
//
//   phi_i = sum_{j=1}^n p_{j-1} E[u(S) | i in S, |S| = j],   u(S) = v(S) - v(N - S),   p_k = C(n-1, k) w_k
//
// One u serves all players: those in S at size j, the others, with -u, at size n - j. A unit is one S and its
// complement, two evaluations; sizes take turns. The first sum_j ceil(n / j) units see to it that no stratum
// of any player is empty: each size's S are consecutive parts of one random circle of players. Unbiased from
// then on; size n needs no draw.
// Source: Zhang, Sun, Liu, Xiong, Pei, Ren, "Efficient sampling approaches to Shapley value approximation",
// SIGMOD 2023.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string_view>
#include <vector>

#include "fedval/shapley/sampler.hpp"

namespace fedval::shapley {

struct Complementary {
  static constexpr std::string_view name = "complementary contributions";

  /// Error unless w_k = w_{n-1-k}: Shapley, Banzhaf and Beta(a, a) are estimated.
  void check(const Setting& setting) const {
    if (!setting.semivalue.symmetric())
      fail(name, ": a coalition and its complement must weigh alike, and those of the ",
           setting.semivalue.text(), " value do not");
  }
  /// Stratum j - 1 is size j.
  StrataTally tally(const Setting& setting) const {
    StrataTally tally(setting.n, setting.sizes);
    if (setting.n > 0) tally.set_known(setting.n - 1);
    return tally;
  }
  /// S and N - S, of the first circles' parts or, after them, of sizes 1 ... n / 2 in turn.
  void ask(Unit& unit, const Setting& setting, const StrataTally&) const {
    const std::size_t n = setting.n, half = n / 2;
    std::uint64_t t = unit.index;
    std::vector<std::uint32_t> order(n);
    Coalition drawn;
    for (std::size_t j = 1; j <= half; ++j) {
      const std::size_t parts = (n + j - 1) / j;
      if (t >= parts) {
        t -= parts;
        continue;
      }
      Draws(setting.seed, first_circle + j).permutation(order);
      for (std::size_t k = 0; k < j; ++k) drawn.insert(order[(t * j + k) % n]);
      return ask_pair(drawn, n, unit);
    }
    Draws draws = unit.draws(setting);
    std::iota(order.begin(), order.end(), 0U);
    ask_pair(draws.choose(1 + t % half, order), n, unit);
  }
  /// Adds u to the members at size |S| and -u to the others at n - |S|; unit 0 also fills size n. O(n).
  void fold(const Unit& unit, const Setting& setting, StrataTally& tally) const {
    const std::size_t n = setting.n, size = unit.coalitions[0].size();
    const double difference = unit.values[0] - unit.values[1];
    if (unit.index == 0 && std::isfinite(difference))  // else it is refused below, and nothing must be added
      for (std::size_t i = 0; i < n; ++i) tally.add(i, n - 1, setting.all - setting.nobody);
    for (std::size_t i = 0; i < n; ++i) {
      const bool inside = unit.coalitions[0].contains(i);
      tally.add(i, (inside ? size : n - size) - 1, inside ? difference : -difference);
    }
  }

 private:
  static constexpr std::uint64_t first_circle = std::uint64_t{1} << 62;  // beyond any unit

  static void ask_pair(const Coalition& drawn, std::size_t n, Unit& unit) {
    unit.coalitions.push_back(drawn);
    unit.coalitions.push_back(drawn.complement(n));
  }
};

}  // namespace fedval::shapley
