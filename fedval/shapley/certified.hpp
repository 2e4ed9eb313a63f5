// All values within epsilon, with probability 1 - delta, from as few draws as the game lets it.
//
//   P(for all players i:  |phi^_i - phi_i| <= epsilon) >= 1 - delta
//
// Empirical-Bernstein sequences (statistics/confidence_sequence.hpp) look after every unit, so a game whose
// marginals spread little stops early; at Hoeffding's m = r^2 ln(2 n / delta') / (2 epsilon^2) units,
// delta' = delta / 10, it stops whatever they do. Sources as there; Maleki, Tran-Thanh, Hines, Rahwan,
// Rogers, "Bounding the estimation error of sampling-based Shapley value approximation", 2013 (Hoeffding).
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "fedval/shapley/permutation.hpp"
#include "fedval/shapley/sampler.hpp"

namespace fedval::shapley {

/// Settings of certified().
struct CertifiedOptions {
  double epsilon = 0.01;  ///< largest error, in the utility's units; above 0
  double delta = 0.05;    ///< largest probability that any value is further off; in (0, 1)
  /// What no v(S + i) - v(S) is outside of: -1 and 1 for an accuracy, 0 and 1 if it can only rise. Must be
  /// set.
  double marginal_low = 0, marginal_high = 0;  ///< the upper one, above the lower one
  std::uint64_t seed = 0;                      ///< the same seed, the same draws
  Semivalue semivalue = Semivalue::shapley();  ///< what to estimate
  std::size_t batch = 1;                       ///< units that are evaluated together
};

/// Values within epsilon of the true ones, all together with probability 1 - delta; each with its interval.
/// `design`: Permutation, which as a rule
/// needs the fewest evaluations (the other units vary less, but it is their number that the range term of the
/// interval counts), Antithetic, Cyclic, or Owen with drawn q. Errors as for Sampler and its run(); an
/// Error, too, when a marginal is outside its bounds.
template <class Design = Permutation, Game G>
Estimates certified(G&& game, std::size_t players, const CertifiedOptions& options,
                    const Progress& progress = {}, Design design = {}) {
  Sampler<Design> sampler(std::move(design), players,
                          {.seed = options.seed,
                           .semivalue = options.semivalue,
                           .batch = options.batch,
                           .certificate = Certificate{options.delta, options.marginal_low,
                                                      options.marginal_high, options.epsilon}});
  return sampler.run(game, certified_within(options.epsilon), progress);
}

}  // namespace fedval::shapley
