// GTG-Shapley: Shapley values of a round by guided, truncated permutations, summed over rounds.
//
//   a round with |v(N) - v({})| <= round_tolerance   is skipped: 0 for everyone
//   permutation t                                    player t mod n leads, the others follow in random order
//   a prefix S with |v(N) - v(S)| < prefix_tolerance  is taken for the whole: those behind it add 0
//   until the means of the permutations have moved by no more than 5 % in the last 10
//
// Truncation leaves out less than prefix_tolerance of v(N) - v({}) in every permutation. Every player leads
// equally often: permutations end with a whole circle of leaders. A coalition is asked for once a round.
//
// Source: Liu, Chen, Yu, Liu, Cui, "GTG-Shapley: Efficient and Accurate Participant Contribution Evaluation
// in Federated Learning", ACM TIST 13(4), 2022, arXiv:2109.02053. This library's choices: each player's mean
// must have settled, not their average, and is held against the one 10 permutations before.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "fedval/contribution/coalition_score.hpp"
#include "fedval/shapley/memo.hpp"
#include "fedval/shapley/permutation.hpp"

namespace fedval {

namespace detail {

/// The design: a unit is one permutation, evaluated one more prefix at a time.
struct GuidedPermutation {
  static constexpr std::string_view name = "guided permutation sampling";

  double tolerance = 0;

  void check(const shapley::Setting&) const {}
  shapley::MeanTally tally(const shapley::Setting& setting) const { return shapley::MeanTally(setting.n); }
  void ask(shapley::Unit& unit, const shapley::Setting& setting, const shapley::MeanTally&) const {
    if (!settled(setting.nobody, setting))
      unit.coalitions.push_back(shapley::Coalition{order_of(unit, setting)[0]});
  }
  void more(shapley::Unit& unit, const shapley::Setting& setting) const {
    const std::size_t known = unit.values.size();
    if (known < unit.coalitions.size() || known == 0 || known + 1 >= setting.n) return;
    if (settled(unit.values.back(), setting)) return;
    unit.coalitions.push_back(unit.coalitions.back());
    unit.coalitions.back().insert(order_of(unit, setting)[known]);
  }
  void fold(const shapley::Unit& unit, const shapley::Setting& setting, shapley::MeanTally& tally) const {
    const std::vector<std::uint32_t> order = order_of(unit, setting);
    std::vector<double> draw(setting.n, 0.0);
    double so_far = setting.nobody;
    for (std::size_t k = 0; k < setting.n && !settled(so_far, setting); ++k) {
      const double value = k + 1 < setting.n ? unit.values[k] : setting.all;
      draw[order[k]] = value - so_far;
      so_far = value;
    }
    tally.add(draw);
  }

 private:
  bool settled(double value, const shapley::Setting& setting) const {
    return std::abs(setting.all - value) < tolerance;
  }
  static std::vector<std::uint32_t> order_of(const shapley::Unit& unit, const shapley::Setting& setting) {
    std::vector<std::uint32_t> order(setting.n);
    unit.draws(setting).permutation(order);
    const auto leader = static_cast<std::uint32_t>(unit.index % setting.n);
    std::iter_swap(order.begin(), std::find(order.begin(), order.end(), leader));
    return order;
  }
};

}  // namespace detail

class GtgShapley {
 public:
  static constexpr std::string_view name = "GTG-Shapley";

  struct Options {
    double round_tolerance = 0.001;   ///< in the utility's units, at least 0
    double prefix_tolerance = 0.001;  ///< the same; 0: nothing is truncated
    double change = 0.05;             ///< of a mean, relative, above 0
    std::size_t last = 10;            ///< permutations that the means may have moved in
    /// Fewest of a round that is not skipped; at least 1.
    std::uint64_t least_permutations = 30;
    std::uint64_t most_permutations = 10000;  ///< for means that do not settle, those near 0 for instance
    std::uint64_t seed = 0;                   ///< of the permutations
  };

  /// Of the round observed last.
  struct Last {
    bool skipped = false;  ///< its gain was within round_tolerance
    /// Drawn; 0 where it was skipped.
    std::uint64_t permutations = 0;
    std::uint64_t evaluations = 0;  ///< utilities that were asked for
    std::string stopped_by;         ///< the criterion that was met; empty where it was skipped
  };

  GtgShapley() : GtgShapley(Options{}) {}
  explicit GtgShapley(const Options& options) : options_(options) {
    for (const auto& [option, tolerance] : {std::pair("round_tolerance", options.round_tolerance),
                                            std::pair("prefix_tolerance", options.prefix_tolerance)})
      if (!(tolerance >= 0 && std::isfinite(tolerance)))
        fail("GTG-Shapley: ", option, " is ", tolerance, ", must be finite and at least 0");
    if (!(options.change > 0 && std::isfinite(options.change)))
      fail("GTG-Shapley: change is ", options.change, ", must be finite and above 0");
    if (options.last == 0) fail("GTG-Shapley: last is 0, must be at least 1");
    if (options.least_permutations == 0) fail("GTG-Shapley: least_permutations is 0, must be at least 1");
    if (options.most_permutations < options.least_permutations)
      fail("GTG-Shapley: most_permutations is ", options.most_permutations,
           ", must be at least least_permutations, ", options.least_permutations);
  }

  /// The sums of the round's clients after the round. 2 utilities where it is skipped, else at most n - 1
  /// more a permutation. UtilityError as for shapley::value_of(); Error when a sum is not finite.
  template <shapley::Game G>
  Scores observe(const Round& round, G&& game) {
    const std::size_t n = round.size();
    if (n == 0) return {};
    shapley::Memo memo;
    auto known = shapley::remember(game, memo);
    const std::vector<shapley::Coalition> ends{shapley::Coalition(), shapley::Coalition::everyone(n)};
    std::vector<double> end_values(2), values(n, 0.0);
    shapley::values_of(known, ends, end_values);
    Last last;
    last.skipped = std::abs(end_values[1] - end_values[0]) <= options_.round_tolerance;
    if (!last.skipped) {
      shapley::Sampler sampler(detail::GuidedPermutation{options_.prefix_tolerance}, n,
                               {.seed = detail::seed_of_round(options_.seed, rounds_)});
      const shapley::Estimates found = sampler.run(known, enough(n));
      values = found.values();
      last.permutations = found.units;
      last.stopped_by = found.stopped_by;
    }
    last.evaluations = known.evaluated();
    Scores scores = sums_.add(round, values, name);
    ++rounds_;
    last_ = last;
    return scores;
  }

  /// The sum of every client known so far.
  const std::map<ClientId, double>& values() const { return sums_.all(); }
  /// How the round observed last was valued; all zero before the first round and after restore().
  const Last& last() const { return last_; }

  /// Its options and state, for save() and restore().
  void fields(auto& archive) {
    archive.option("round tolerance", options_.round_tolerance);
    archive.option("prefix tolerance", options_.prefix_tolerance);
    archive.option("change", options_.change);
    archive.option("last", options_.last);
    archive.option("least permutations", options_.least_permutations);
    archive.option("most permutations", options_.most_permutations);
    archive.option("seed", options_.seed);
    archive.state("rounds", rounds_);
    archive.state("clients", sums_);
    last_ = {};
  }

 private:
  shapley::Criterion enough(std::size_t n) const {
    const shapley::Criterion circle("a whole circle of leaders", [n](const shapley::Snapshot& now) {
      return now.units % n == 0 ? 1.0 : 0.0;
    });
    return (circle & shapley::relative_change_below(options_.change, options_.last) &
            shapley::units(options_.least_permutations)) |
           (circle & shapley::units(options_.most_permutations));
  }

  Options options_;
  std::uint64_t rounds_ = 0;
  ClientSums sums_;
  Last last_;
};

}  // namespace fedval
