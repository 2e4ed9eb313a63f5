// FedSV: a client's contribution is the sum over rounds of its Shapley value among the round's clients.
//
//   s_i = sum over rounds with i of phi_i(v_t)
//
// Rounds of few clients are valued exactly; rounds of many by permutation sampling, whose variances add up,
// for every round draws from (seed, round) anew. Two clients with the same data are worth the same only if
// they took part in the same rounds; ComFedSV repairs that.
//
// Source: Wang, Rausch, Zhang, Jia, Song, "A Principled Approach to Data Valuation for Federated Learning",
// arXiv:2009.06192 (2020), where v_t is the fall in loss.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "fedval/contribution/coalition_score.hpp"
#include "fedval/shapley/exact.hpp"
#include "fedval/shapley/permutation.hpp"

namespace fedval {

class FedShapley {
 public:
  static constexpr std::string_view name = "FedSV";

  struct Options {
    std::size_t exact_up_to = 10;      ///< clients of a round; each one more doubles the utilities
    std::uint64_t permutations = 100;  ///< beyond: n - 1 utilities each, at least 2
    std::uint64_t seed = 0;            ///< of the permutations
  };

  FedShapley() : FedShapley(Options{}) {}
  explicit FedShapley(const Options& options) : options_(options) {
    detail::check_most_players(options.exact_up_to, "exact_up_to", name);
    if (options.permutations < 2)
      fail("FedSV: permutations is ", options.permutations, ", must be at least 2 to have an error");
  }

  /// s_i of the round's clients after the round, with the variance that sampling left; 0 where all was exact.
  /// 2^n utilities, or 2 + permutations (n - 1). UtilityError as for shapley::value_of(); Error when a sum is
  /// not finite.
  template <shapley::Game G>
  Scores observe(const Round& round, G&& game) {
    const std::size_t n = round.size();
    if (n == 0) return {};
    std::vector<double> values, variances(n, 0.0);
    if (n <= options_.exact_up_to) {
      values = shapley::exact(game, n);
    } else {
      shapley::Sampler sampler(shapley::Permutation{}, n,
                               {.seed = detail::seed_of_round(options_.seed, rounds_)});
      const shapley::Estimates found = sampler.run(game, shapley::units(options_.permutations));
      values = found.values();
      for (std::size_t i = 0; i < n; ++i)
        variances[i] = found.players[i].standard_error * found.players[i].standard_error;
    }
    values = values_.plus(round, values, name);
    variances = variances_.plus(round, variances, "the variance of FedSV");
    values_.set(round, values);
    variances_.set(round, variances);
    ++rounds_;
    Scores scores;
    for (std::size_t i = 0; i < n; ++i)
      scores.emplace_back(round.clients()[i].id, Score{values[i], variances[i]});
    return scores;
  }

  /// s_i of every client known so far.
  const std::map<ClientId, double>& values() const { return values_.all(); }

  /// Its options and state, for save() and restore().
  void fields(auto& archive) {
    archive.option("exact up to", options_.exact_up_to);
    archive.option("permutations", options_.permutations);
    archive.option("seed", options_.seed);
    archive.state("rounds", rounds_);
    archive.state("values", values_);
    archive.state("variances", variances_);
  }

 private:
  Options options_;
  std::uint64_t rounds_ = 0;
  ClientSums values_, variances_;
};

}  // namespace fedval
