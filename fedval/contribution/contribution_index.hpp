// ContributionIndex: each round's Shapley values as shares of the round, summed with a decay.
//
//   ci_i = sum over rounds with i of lambda^t phi_i(v_t) / sum_j phi_j(v_t),   t = 0, 1, ...
//
// sum_j phi_j = v_t(N) - v_t({}), the round's gain, so every round hands out lambda^t in all, however small
// its gain: a late round of next to no gain weighs as much as the first one, which lambda < 1 tempers. A
// round that harmed has a negative gain, and the shares of who did the harm are positive;
// Normaliser::magnitudes divides by sum_j |phi_j| instead, which keeps every sign. A round whose divisor is 0
// has no shares: it adds nothing, and last() says so.
//
// Source: the multi-round index (MR) of Song, Tong, Wei, "Profit Allocation for Federated Learning", IEEE
// BigData 2019. Written from descriptions of it, not from its text: what lambda's power of the first round is
// (here 0), the magnitudes, and what a round without gain gives are this library's choices. The one-round
// index (OR) of the same paper is one shapley::exact() of models accumulated over all rounds.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "fedval/contribution/coalition_score.hpp"
#include "fedval/shapley/exact.hpp"

namespace fedval {

class ContributionIndex {
 public:
  static constexpr std::string_view name = "ContributionIndex";

  /// What a round's values are divided by.
  enum class Normaliser {
    sum,        ///< sum_j phi_j, the round's gain
    magnitudes  ///< sum_j |phi_j|, which keeps every sign
  };

  struct Options {
    double lambda = 1;  ///< in (0, 1]
    /// What a round's values are divided by.
    Normaliser normaliser = Normaliser::sum;
    std::size_t most_clients = 16;  ///< of a round; each one more doubles the utilities
  };

  /// Of the round observed last.
  struct Last {
    double divisor = 0;       ///< the round's gain, or the sum of its magnitudes
    bool normalised = false;  ///< false: the divisor was 0, and the round added nothing
  };

  ContributionIndex() : ContributionIndex(Options{}) {}
  explicit ContributionIndex(const Options& options) : options_(options) {
    if (!(options.lambda > 0 && options.lambda <= 1))
      fail("ContributionIndex: lambda is ", options.lambda, ", must be in (0, 1]");
    detail::check_most_players(options.most_clients, "most_clients", name);
  }

  /// ci_i of the round's clients after the round. 2^n utilities. Error for more clients than most_clients and
  /// when a sum is not finite; UtilityError as for shapley::value_of().
  template <shapley::Game G>
  Scores observe(const Round& round, G&& game) {
    const std::size_t n = round.size();
    if (n == 0) return {};
    detail::check_players(n, options_.most_clients, name);
    std::vector<double> gains = detail::every_value(game, n);
    const double nobody = gains.front();
    for (double& gain : gains) gain -= nobody;  // a round that changed nothing is 0 to the last bit
    std::vector<double> values = shapley::exact(shapley::TableGame(gains), n);
    Last last;
    if (options_.normaliser == Normaliser::sum) {
      last.divisor = gains.back();
    } else {
      for (const double value : values) last.divisor += std::abs(value);
    }
    last.normalised = last.divisor != 0;
    const double weight = std::pow(options_.lambda, static_cast<double>(rounds_));
    for (double& value : values) value = last.normalised ? weight * (value / last.divisor) : 0.0;
    Scores scores = sums_.add(round, values, name);
    ++rounds_;
    last_ = last;
    return scores;
  }

  /// ci_i of every client known so far.
  const std::map<ClientId, double>& values() const { return sums_.all(); }
  /// How the round observed last was divided; all zero before the first round and after restore().
  const Last& last() const { return last_; }

  /// Its options and state, for save() and restore().
  void fields(auto& archive) {
    archive.option("lambda", options_.lambda);
    archive.option("normaliser", options_.normaliser);
    archive.option("most clients", options_.most_clients);
    archive.state("rounds", rounds_);
    archive.state("clients", sums_);
    last_ = {};
  }

 private:
  Options options_;
  std::uint64_t rounds_ = 0;
  ClientSums sums_;
  Last last_;
};

}  // namespace fedval
