// Everyone else joins with probability q; a player is worth what it then adds, averaged over q.
//
//   phi_i = E_q[e_i(q)],   e_i(q) = E_S[v(S + i) - v(S - i)],   S includes each player with probability q
//
// with q uniform for the Shapley value, 1/2 for Banzhaf, Beta(b, a) for Beta(a, b). One S serves all players:
// a unit of
//
//   Owen{}                    draws one q and one S; n + 1 evaluations; unbiased
//   Owen{.antithetic = true}  also S' = N - S; 2 (n + 1) evaluations; exact where v has interactions of no
//                             more than two players
//   Owen{.nodes = Q}          draws one S for each of Q given q, and sums e_i(q) by a quadrature rule;
//                             Q (n + 1) evaluations (one q for Banzhaf with Gauss's rule)
//     .rule = Rule::grid      trapezoidal rule on Q equidistant q in [0, 1], as published: biased by O(Q^-2)
//     .rule = Rule::gauss     Gauss's rule for the law of q: e_i is a polynomial of degree n - 1, so
//                             Q >= n / 2 nodes leave no bias at all, and fewer leave little
//
// Sources: Owen, "Multilinear extensions of games", Management Science 18(5), 1972; Okhrati and Lipani, "A
// multilinear sampling algorithm to estimate Shapley values", ICPR 2020; nodes of Gauss's rule from Golub and
// Welsch, "Calculation of Gauss quadrature rules", Math. Comp. 23, 1969.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "fedval/linalg/golub_welsch.hpp"
#include "fedval/shapley/sampler.hpp"

namespace fedval::shapley {

/// Quadrature over q.
enum class Rule {
  grid,  ///< trapezoidal, Q >= 2 equidistant nodes; Shapley value only; bias O(Q^-2)
  gauss  ///< no bias from Q >= n / 2 nodes on; of Banzhaf always the one node 1/2
};

namespace detail {

/// Gauss's rule of Q nodes for the Beta(b, a) law of q (Jacobi polynomials on [0, 1]).
inline linalg::QuadratureRule gauss_of(const Semivalue& semivalue, std::size_t nodes) {
  if (semivalue.is_banzhaf()) return {{0.5}, {1.0}};
  const double alpha = semivalue.a() - 1, beta = semivalue.b() - 1;  // density (1 - q)^alpha q^beta
  std::vector<double> diagonal, off;
  for (std::size_t k = 0; k < nodes; ++k) {
    const auto j = static_cast<double>(k);
    const double s = 2 * j + alpha + beta;
    // The general term is 0 / 0 at k = 0 where alpha + beta = 0.
    const double centre =
        k == 0 ? (beta - alpha) / (alpha + beta + 2) : (beta * beta - alpha * alpha) / (s * (s + 2));
    diagonal.push_back((centre + 1) / 2);
    const double m = j + 1, t = 2 * m + alpha + beta;
    const double square = k == 0
                              ? 4 * (1 + alpha) * (1 + beta) / (t * t * (t + 1))
                              : 4 * m * (m + alpha) * (m + beta) * (m + alpha + beta) / (t * t * (t * t - 1));
    off.push_back(std::sqrt(square) / 2);
  }
  return linalg::gauss_rule(diagonal, off);
}

inline linalg::QuadratureRule grid_of(std::size_t nodes) {
  linalg::QuadratureRule rule;
  for (std::size_t k = 0; k < nodes; ++k) {
    const auto last = static_cast<double>(nodes - 1);
    rule.nodes.push_back(static_cast<double>(k) / last);
    rule.weights.push_back((k == 0 || k + 1 == nodes ? 0.5 : 1.0) / last);
  }
  return rule;
}

}  // namespace detail

struct Owen {
  static constexpr std::string_view name = "Owen sampling";

  std::size_t nodes = 0;    ///< 0: q is drawn
  Rule rule = Rule::grid;   ///< not used where q is drawn
  bool antithetic = false;  ///< N - S beside every S; for semivalues with w_k = w_{n-1-k}

  class Plan;
  /// Error as for Plan's constructor.
  Plan plan(const Setting& setting) const;
  void fields(auto& archive) {
    archive.option("nodes", nodes);
    archive.option("rule", rule);
    archive.option("antithetic", antithetic);
  }
};

/// The nodes and weights over q, and what a unit asks for at each.
class Owen::Plan {
 public:
  /// Error for a grid of fewer than two nodes or without the Shapley value, and for antithetic draws of a
  /// semivalue that is not symmetric.
  Plan(const Owen& owen, const Setting& setting) : drawn_(owen.nodes == 0), sides_(owen.antithetic ? 2 : 1) {
    const Semivalue& semivalue = setting.semivalue;
    const bool grid = !drawn_ && owen.rule == Rule::grid;
    if (grid && (owen.nodes < 2 || !semivalue.is_shapley()))
      fail(name, ": a grid of ", owen.nodes, " nodes for the ", semivalue.text(),
           " value; it takes two nodes at least and the Shapley value");
    if (owen.antithetic && !semivalue.symmetric())
      fail(name, ": antithetic draws mirror q, and the ", semivalue.text(), " value is not symmetric in it");
    rule_ = drawn_ ? linalg::QuadratureRule{{0.5}, {1.0}}
            : grid ? detail::grid_of(owen.nodes)
                   : detail::gauss_of(semivalue, owen.nodes);
  }

  /// Nothing is left to check.
  void check(const Setting&) const {}
  /// One mean a player, of e_i(q) averaged over the nodes.
  MeanTally tally(const Setting& setting) const { return MeanTally(setting.n); }
  /// S and S with each player moved in or out: n + 1 coalitions for each node and side.
  void ask(Unit& unit, const Setting& setting, const MeanTally&) const {
    Draws draws = unit.draws(setting);
    for (const double node : rule_.nodes) {
      const double q = drawn_ ? draws.joining_probability(setting.semivalue) : node;
      const Coalition drawn = draws.each_with(q, setting.n);
      ask_neighbours(drawn, setting.n, unit.coalitions);
      if (sides_ == 2) ask_neighbours(drawn.complement(setting.n), setting.n, unit.coalitions);
    }
  }
  /// One draw for every player. O(n) a node and side.
  void fold(const Unit& unit, const Setting& setting, MeanTally& tally) const {
    const std::size_t n = setting.n;
    std::vector<double> draw(n, 0.0);
    for (std::size_t s = 0; s * (n + 1) < unit.values.size(); ++s) {
      const double weight = rule_.weights[s / sides_] / static_cast<double>(sides_);
      const Coalition& drawn = unit.coalitions[s * (n + 1)];
      const double* values = unit.values.data() + s * (n + 1);
      for (std::size_t i = 0; i < n; ++i)
        draw[i] += weight * (drawn.contains(i) ? values[0] - values[i + 1] : values[i + 1] - values[0]);
    }
    tally.add(draw);
  }
  /// A draw is a mean of marginals.
  std::pair<double, double> bounds(const Setting&, double low, double high) const {
    if (!drawn_) fail(name, ": certified where q is drawn (nodes = 0) only; a rule of few nodes is biased");
    return {low, high};
  }

 private:
  /// A coalition, and what it is after each player changed sides.
  static void ask_neighbours(const Coalition& drawn, std::size_t n, CoalitionList& coalitions) {
    coalitions.push_back(drawn);
    for (std::size_t i = 0; i < n; ++i) {
      coalitions.push_back(drawn);
      coalitions.back().flip(i);
    }
  }

  bool drawn_;
  std::size_t sides_;
  linalg::QuadratureRule rule_;
};

inline Owen::Plan Owen::plan(const Setting& setting) const { return {*this, setting}; }

}  // namespace fedval::shapley
