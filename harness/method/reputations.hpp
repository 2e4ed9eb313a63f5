// Who is still in a federation that removes agents, and with what reputation.
//
//   r_i of those that are in sum to one;   r_i < threshold / |R|: removed, for good, with r_i = 0
//
// RFFL and CFFL learn different values, but keep and judge them alike. Everyone starts at 0 in the first
// round, as in their authors' published code, where all take part in every round. What happens to agents that
// come and go is ours: a newcomer to those known starts at their mean, for at 0 it would be removed at once;
// who is away keeps its r, up to the common factor that makes all sum to one, and is not judged.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "fedval/archive.hpp"
#include "fedval/contribution/round.hpp"

namespace fedval::harness {

class Reputations {
 public:
  /// Whether nobody is known yet.
  bool empty() const { return standings_.empty(); }
  bool knows(const ClientId& id) const { return standings_.contains(id); }

  /// The round without the clients that were removed in earlier ones. O(N log M), M agents known.
  Round members(const Round& round) const;

  /// The reputations of the round's clients, in their order: 0 for those removed and in a first round, the
  /// mean of those that are in for newcomers. O(N log M + M).
  std::vector<double> of(const Round& round) const;

  /// Replaces the reputations of the round's clients, who must all be in, by `values`, given in their order;
  /// scales those of all that are in to sum to one, a negative one counting as 0; removes those of the round
  /// that are too low, and scales again. What happened, in words. O(M log M). Error when a value is not
  /// finite.
  std::vector<std::string> settle(const Round& members, const std::vector<double>& values, double threshold);

  /// The reputation of everyone known; 0 of those removed.
  std::map<ClientId, double> all() const;

  void fields(auto& archive) { archive.state("standings", standings_); }

 private:
  struct Standing {
    double reputation = 0;
    bool removed = false;
    void fields(auto& archive) {
      archive.state("reputation", reputation);
      archive.state("removed", removed);
    }
  };

  /// Whether somebody has a positive reputation; otherwise all get the same.
  bool normalise();

  std::map<ClientId, Standing> standings_;
};

/// Values of some clients of a round, in their order, as values of all its clients; 0 for the others. O(N).
std::vector<double> for_all(const Round& round, const Round& some, const std::vector<double>& values);

}  // namespace fedval::harness
