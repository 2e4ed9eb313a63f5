// One number a client that lives across rounds, for clients that come and go.
//
// A client that is away keeps its number. ClientStates: a newcomer starts at the mean of the clients known so
// far, or at 1/n in the first round of n clients; nobody else is touched. ClientAverages: exponential moving
// averages, m <- mu m + (1 - mu) value, which a client's first value starts.
#pragma once

#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "fedval/contribution/round.hpp"

namespace fedval {

class ClientStates {
 public:
  /// The states of the round's clients, in their order; newcomers at their start. O(N log M), M clients
  /// known.
  std::vector<double> of(const Round& round) const {
    double newcomer = round.size() == 0 ? 0 : 1.0 / static_cast<double>(round.size());
    if (!states_.empty()) {
      newcomer = 0;
      for (const auto& [id, state] : states_) newcomer += state;
      newcomer /= static_cast<double>(states_.size());
    }
    std::vector<double> result;
    for (const auto& client : round.clients()) {
      const auto known = states_.find(client.id);
      result.push_back(known == states_.end() ? newcomer : known->second);
    }
    return result;
  }

  /// Replaces the states of the round's clients by `values`, given in their order. O(N log M).
  void set(const Round& round, const std::vector<double>& values) {
    for (std::size_t i = 0; i < round.size(); ++i) states_.insert_or_assign(round.clients()[i].id, values[i]);
  }

  /// Whether no client is known yet.
  bool empty() const { return states_.empty(); }
  /// The state of every client known.
  const std::map<ClientId, double>& all() const { return states_; }

  void fields(auto& archive) { archive.state("states", states_); }

 private:
  std::map<ClientId, double> states_;
};

/// An exponential moving average for each client.
class ClientAverages {
 public:
  /// Takes in the values of the round's clients, in their order, and returns their averages. O(N log M).
  std::vector<double> take(const Round& round, std::vector<double> values, double momentum) {
    for (std::size_t i = 0; i < round.size(); ++i) {
      const auto [place, started] = averages_.try_emplace(round.clients()[i].id, values[i]);
      if (!started) place->second = momentum * place->second + (1 - momentum) * values[i];
      values[i] = place->second;
    }
    return values;
  }

  /// Whether no client is known yet.
  bool empty() const { return averages_.empty(); }

  void fields(auto& archive) { archive.state("averages", averages_); }

 private:
  std::map<ClientId, double> averages_;
};

/// Error unless `momentum` is in [0, 1); `score` is whose it is.
inline void check_momentum(double momentum, std::string_view score) {
  if (!(momentum >= 0 && momentum < 1)) fail(score, ": momentum is ", momentum, ", must be in [0, 1)");
}

/// Scores from values in the order of the round's clients, of unknown error. O(N).
inline Scores make_scores(const Round& round, const std::vector<double>& values) {
  Scores scores;
  for (std::size_t i = 0; i < round.size(); ++i) scores.emplace_back(round.clients()[i].id, Score{values[i]});
  return scores;
}

}  // namespace fedval
