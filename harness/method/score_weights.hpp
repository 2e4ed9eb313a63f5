// Aggregation weights from a value for each client.
//
//   w_i = v_i / sum_j v_j over the v above 1e-9, 0 for the others;   1 / N where no v_i is
//
// Scores here have a scale of about one (entropies over ln C, cosines, weights). What is 0 by theory, such as
// the entropy of a final layer of rank one, comes out of float updates as 1e-18 to 1e-11; weights made of it
// would be shares of rounding errors.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fedval/contribution/round.hpp"

namespace fedval::harness {

struct ScoreWeights {
  std::vector<double> values;  ///< in the order of the scores; they sum to one
  std::vector<std::string>
      notes;  ///< what a reader of the results must know: who was clamped, uniform weights
};

/// Values up to this one weigh nothing.
inline constexpr double least_score = 1e-9;

/// The weights; where a value below 0 weighs 0, a note names the client. O(N). Error names the client whose
/// value is not finite; `what` is what messages call a value, such as "gamma".
ScoreWeights score_weights(const Scores& scores, std::string_view what);

}  // namespace fedval::harness
