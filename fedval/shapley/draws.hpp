// Random coalitions, keyed by (seed, unit): a sampler's unit t draws the same whatever came before it, on any
// thread, and after a restart.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "fedval/random/draws.hpp"
#include "fedval/shapley/coalition.hpp"
#include "fedval/shapley/semivalue.hpp"

namespace fedval::shapley {

class Draws : public random::Draws {
 public:
  using random::Draws::Draws;

  /// Each of n players with probability q. O(n).
  Coalition each_with(double q, std::size_t n) {
    Coalition chosen;
    for (std::size_t i = 0; i < n; ++i)
      if (uniform() < q) chosen.insert(i);
    return chosen;
  }

  /// k of `pool`, all sets of k as likely; shuffles the pool. O(k).
  Coalition choose(std::size_t k, std::span<std::uint32_t> pool) {
    Coalition chosen;
    for (std::size_t i = 0; i < k; ++i) {
      const std::size_t j = i + below(static_cast<std::uint32_t>(pool.size() - i));
      std::swap(pool[i], pool[j]);
      chosen.insert(pool[i]);
    }
    return chosen;
  }

  /// An index by its probability; they sum to one. O(entries).
  std::size_t pick(std::span<const double> probabilities) {
    double u = uniform();
    std::size_t last = 0;
    for (std::size_t k = 0; k < probabilities.size(); ++k) {
      if (probabilities[k] <= 0) continue;
      last = k;
      if (u < probabilities[k]) break;
      u -= probabilities[k];
    }
    return last;
  }

  /// The q that a semivalue mixes over: 1/2 for Banzhaf, Beta(b, a) else, which is uniform for Shapley.
  double joining_probability(const Semivalue& semivalue) {
    if (semivalue.is_banzhaf()) return 0.5;
    if (semivalue.is_shapley()) return uniform();
    // By logarithms: a gamma of a small shape may be below any double.
    const double log_x = log_gamma(semivalue.b()), log_y = log_gamma(semivalue.a());
    return 1 / (1 + std::exp(log_y - log_x));
  }
};

}  // namespace fedval::shapley
