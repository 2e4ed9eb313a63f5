// A client's contribution is the cosine of its update with the sum of all others', smoothed over rounds.
//
//   u_i = dw_i / ||dw_i||,   s_i <- mu s_i + (1 - mu) cos(u_i, sum_{j != i} u_j)
//
// A client's first cosine starts s. Unlike CGSV's psi it does not count a client's own update as agreement:
// who sends noise is near 0, who turns against the others below. Everyone weighs the same. Needs update of
// every client. The cosine and its two forms: shapley/leave_one_out_cosine.hpp.
#pragma once

#include <string_view>
#include <vector>

#include "fedval/contribution/client_states.hpp"
#include "fedval/contribution/round.hpp"
#include "fedval/contribution/state.hpp"
#include "fedval/shapley/leave_one_out_cosine.hpp"

namespace fedval {

class LeaveOneOutCosine {
 public:
  static constexpr std::string_view name = "LeaveOneOutCosine";

  struct Options {
    double momentum = 0.9;  ///< mu, in [0, 1)
  };

  LeaveOneOutCosine() : LeaveOneOutCosine(Options{}) {}
  explicit LeaveOneOutCosine(const Options& options) : options_(options) {
    check_momentum(options.momentum, name);
  }

  /// s_i of the round's clients, in [-1, 1]; a zero update counts 0, and so does that of a client alone or
  /// among others that cancel. O(N D), with a factor min(N, most_in_pairs) or, on a device, N. Error names
  /// the client whose update is absent, of another size than the others', or not finite.
  Scores observe(const Round& round) {
    const Round::Parts updates = round.parts(&ClientParts::update, "update", name);
    return make_scores(round, averages_.take(round, cosines(updates), options_.momentum));
  }

  /// Its options and state, for save() and restore().
  void fields(auto& archive) {
    archive.option("momentum", options_.momentum);
    archive.state("clients", averages_);
  }

 private:
  static std::vector<double> cosines(const Round::Parts& updates) {
    const std::vector<double> ones(updates.tensors.size(), 1.0);
    if (compared_in_pairs(updates.tensors))
      return shapley::leave_one_out_cosine(gram(updates.tensors, updates.names), ones);
    return shapley::leave_one_out_cosine(updates.tensors, norms(updates.tensors, updates.names), ones);
  }

  Options options_;
  ClientAverages averages_;
};

}  // namespace fedval
