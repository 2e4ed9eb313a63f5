// LeaveOneOut: a client's contribution is what each round's model loses without its update.
//
//   loo_i = sum over rounds with i of v_t(N) - v_t(N - i)
//
// The cheapest of the coalition scores. Two clients who can replace each other are worth nothing each: the
// values do not sum to v(N) - v({}).
#pragma once

#include <map>
#include <string_view>

#include "fedval/contribution/coalition_score.hpp"
#include "fedval/shapley/exact.hpp"

namespace fedval {

class LeaveOneOut {
 public:
  static constexpr std::string_view name = "LeaveOneOut";

  /// The sums of the round's clients after the round. n + 1 utilities, asked for together. UtilityError as
  /// for shapley::value_of(); Error when a sum is not finite.
  template <shapley::Game G>
  Scores observe(const Round& round, G&& game) {
    if (round.size() == 0) return {};
    return sums_.add(round, shapley::leave_one_out(game, round.size()), name);
  }

  /// The sum of every client known so far.
  const std::map<ClientId, double>& values() const { return sums_.all(); }

  void fields(auto& archive) { archive.state("clients", sums_); }

 private:
  ClientSums sums_;
};

}  // namespace fedval
