// Every coalition is evaluated once: the values that are known, and a game that asks another one only for the
// rest.
//
//   Memo memo;                                   save(memo), restore(text, memo)
//   auto game = remember(utility, memo);         a game like any other, for exact() and for samplers
//
// A value enters the memo only after the utility returned it, so neither an error nor a truncated estimate
// ever stands for a value.
#pragma once

#include <cstddef>
#include <limits>
#include <map>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fedval/archive.hpp"
#include "fedval/shapley/game.hpp"

namespace fedval::shapley {

/// Values by coalition.
class Memo {
 public:
  static constexpr std::string_view name = "coalition values";

  /// Keeps at most so many values; what comes after is evaluated anew each time. A value takes some 80 bytes.
  explicit Memo(std::size_t most = std::size_t{1} << 22) : most_(most) {}

  /// How many values it holds.
  std::size_t size() const { return values_.size(); }
  /// Null where the coalition is not kept: never evaluated, or when the memo was full.
  const double* find(const Coalition& coalition) const {
    const auto known = values_.find(coalition);
    return known == values_.end() ? nullptr : &known->second;
  }
  /// No effect where the coalition has a value already, or the memo is full.
  void insert(const Coalition& coalition, double value) {
    if (values_.size() < most_) values_.emplace(coalition, value);
  }

  void fields(auto& archive) {
    std::map<std::vector<std::size_t>, double> sorted;  // the text does not depend on a hash table's order
    for (const auto& [coalition, value] : values_) sorted.emplace(coalition.members(), value);
    std::vector<std::vector<std::size_t>> coalitions;
    std::vector<double> values;
    for (const auto& [members, value] : sorted) {
      coalitions.push_back(members);
      values.push_back(value);
    }
    archive.state("coalitions", coalitions);
    archive.state("values", values);
    archive.check(coalitions.size() == values.size(), "as many values as coalitions were expected");
    values_.clear();
    for (std::size_t k = 0; k < values.size(); ++k) {
      Coalition coalition;
      for (const std::size_t i : coalitions[k]) {
        archive.check(i < most_players, "a player beyond any number");
        archive.check(!coalition.contains(i), "a player twice");
        coalition.insert(i);
      }
      archive.check(coalition.members() == coalitions[k], "players out of order");
      archive.check(values_.emplace(coalition, values[k]).second, "a coalition twice");
      if (values_.size() >= most_) break;
    }
  }

 private:
  static constexpr std::size_t most_players = std::size_t{1}
                                              << 24;  // a damaged text must not fill the memory

  std::unordered_map<Coalition, double, Coalition::Hash> values_;
  std::size_t most_;
};

/// A game that looks into a memo first.
template <Game G>
class Remembered {
 public:
  /// Keeps references: both must outlive this.
  Remembered(G& game, Memo& memo) : game_(&game), memo_(&memo) {}

  /// Asks the game for the coalitions that are not known, each once. When it throws, what it had evaluated
  /// by then is kept.
  void batch(std::span<const Coalition> coalitions, std::span<double> out) {
    std::vector<Coalition> missing;
    std::unordered_map<Coalition, std::size_t, Coalition::Hash> place;  // in `missing`
    for (std::size_t k = 0; k < coalitions.size(); ++k) {
      if (const double* value = memo_->find(coalitions[k])) {
        out[k] = *value;
      } else if (place.emplace(coalitions[k], missing.size()).second) {
        missing.push_back(coalitions[k]);
      }
    }
    if (missing.empty()) return;
    std::vector<double> values(missing.size(), std::numeric_limits<double>::quiet_NaN());
    const auto keep = [&] {
      for (std::size_t m = 0; m < missing.size(); ++m) {
        if (!(values[m] - values[m] == 0)) continue;
        memo_->insert(missing[m], values[m]);
        ++evaluated_;
      }
      for (std::size_t k = 0; k < coalitions.size(); ++k)
        if (const auto found = place.find(coalitions[k]); found != place.end())
          out[k] = values[found->second];
    };
    try {
      values_of(*game_, missing, values);
    } catch (...) {
      keep();
      throw;
    }
    keep();
  }

  /// How many evaluations of the game this has cost.
  std::size_t evaluated() const { return evaluated_; }

 private:
  G* game_;
  Memo* memo_;
  std::size_t evaluated_ = 0;
};

/// `game` with its known values in `memo`; both must outlive the result.
template <Game G>
Remembered<G> remember(G& game, Memo& memo) {
  return Remembered<G>(game, memo);
}

}  // namespace fedval::shapley
