// Scores that ask what coalitions of a round's clients are worth.
//
//   players 0 ... n - 1 are the round's clients in the order of their ids
//   v(S) is the utility, such as validation accuracy, of the model made from the updates of S;
//   v({}) is that of the model before the round
//
// Most of them are sums over rounds: a client that is away gets nothing in that round and keeps its sum.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "fedval/archive.hpp"
#include "fedval/contribution/client_states.hpp"
#include "fedval/contribution/round.hpp"
#include "fedval/random/draws.hpp"
#include "fedval/shapley/game.hpp"

namespace fedval {

namespace detail {

/// Stands for any game where a concept needs one.
struct SomeGame {
  double operator()(shapley::Mask coalition) const;
};

}  // namespace detail

/// What such a score is: it has a name, turns a round and its game into a value for each client of the round,
/// and knows the values of everyone it ever saw. A round that it refuses (Error, or what the game throws)
/// leaves its state as it was; an empty round asks for no utility, changes nothing and gives no scores.
template <class S, class G = detail::SomeGame>
concept CoalitionScore = shapley::Game<G> && requires(S score, const S& known, const Round& round, G& game) {
  { S::name } -> std::convertible_to<std::string_view>;
  { score.observe(round, game) } -> std::same_as<Scores>;
  { known.values() } -> std::same_as<const std::map<ClientId, double>&>;
};

/// A sum over rounds for each client.
class ClientSums {
 public:
  /// The sums of the round's clients with `values`, in their order, added. Nothing is changed. O(N log M), M
  /// clients known. Error when a sum is not finite; `score` is whose it is.
  std::vector<double> plus(const Round& round, const std::vector<double>& values,
                           std::string_view score) const {
    std::vector<double> sums;
    for (std::size_t i = 0; i < round.size(); ++i) {
      const ClientId& id = round.clients()[i].id;
      const auto known = sums_.find(id);
      sums.push_back(known == sums_.end() ? values[i] : known->second + values[i]);
      if (!std::isfinite(sums.back()))
        fail("client ", id, ": ", score, " sums to ", sums.back(), " with this round, must stay finite");
    }
    return sums;
  }

  /// Replaces the sums of the round's clients, given in their order. O(N log M).
  void set(const Round& round, const std::vector<double>& sums) {
    for (std::size_t i = 0; i < round.size(); ++i) sums_.insert_or_assign(round.clients()[i].id, sums[i]);
  }

  /// Both at once, as scores.
  Scores add(const Round& round, const std::vector<double>& values, std::string_view score) {
    const std::vector<double> sums = plus(round, values, score);
    set(round, sums);
    return make_scores(round, sums);
  }

  /// The sum of every client known.
  const std::map<ClientId, double>& all() const { return sums_; }

  void fields(auto& archive) { archive.state("sums", sums_); }

 private:
  std::map<ClientId, double> sums_;
};

namespace detail {

/// Error when all coalitions of `players` are more than a score is to ask for.
inline void check_players(std::size_t players, std::size_t most, std::string_view score) {
  if (players > most)
    fail(score, ": ", players, " clients have 2^", players, " coalitions; it takes ", most,
         " clients at most");
}

/// Error unless the option is a number of players whose 2^n values fit into memory.
inline void check_most_players(std::size_t most, std::string_view option, std::string_view score) {
  if (most > 24) fail(score, ": ", option, " is ", most, ", at most 24");
}

/// v(S) for all 2^n coalitions by mask; each is asked for once, up to 64 together. UtilityError as for
/// value_of().
template <shapley::Game G>
std::vector<double> every_value(G& game, std::size_t n) {
  std::vector<double> values(std::size_t{1} << n);
  std::vector<shapley::Coalition> coalitions;
  for (std::size_t begin = 0; begin < values.size(); begin += coalitions.size()) {
    coalitions.clear();
    for (std::size_t s = begin; s < std::min(begin + 64, values.size()); ++s) coalitions.emplace_back(s);
    shapley::values_of(game, coalitions, std::span(values).subspan(begin, coalitions.size()));
  }
  return values;
}

/// A seed for the round's sampling that shares no draws with another round's.
inline std::uint64_t seed_of_round(std::uint64_t seed, std::uint64_t round) {
  random::Draws draws(seed, round);
  const std::uint64_t low = draws.word();
  return std::uint64_t{draws.word()} << 32 | low;
}

}  // namespace detail

}  // namespace fedval
