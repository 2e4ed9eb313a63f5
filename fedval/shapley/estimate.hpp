// What an estimator gives: for every player a value, its standard error, and an interval.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace fedval::shapley {

/// One player's. Where too little is known for an error, it is infinite, and so is the interval. The error is
/// the root of a sum of squares: 0, or infinite, where those leave a double's range (draws that differ by
/// less than 1e-160, or by more than 1e150).
struct Estimate {
  double value = 0;  ///< in the utility's units
  /// In the same units.
  double standard_error = std::numeric_limits<double>::infinity();
  /// Holds the true value with the sampler's `confidence` (Student's t), or, of a certified run, together
  /// with all other players' intervals and at any time, with its 1 - delta.
  double low = -std::numeric_limits<double>::infinity(),
         high = std::numeric_limits<double>::infinity();  ///< the upper end
  std::uint64_t count = 0;                                ///< draws that went into it
};

/// All players' estimates and what they cost.
struct Estimates {
  std::vector<Estimate> players;  ///< by player
  std::uint64_t units = 0;        ///< of the sampler: permutations, pairs, sweeps
  std::uint64_t evaluations = 0;  ///< utilities that were really asked for
  std::string
      stopped_by;  ///< the criterion that was met, or why none was needed; empty before the first run()
  bool cancelled = false;  ///< the progress callback stopped it before any was

  /// Values alone, by player.
  std::vector<double> values() const {
    std::vector<double> result;
    for (const Estimate& player : players) result.push_back(player.value);
    return result;
  }
};

}  // namespace fedval::shapley
