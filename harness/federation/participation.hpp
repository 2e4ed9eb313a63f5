// Who takes part in a round, and who does not finish.
//
//   drawn: max(ceil(fraction N), 1) agents; each never answers with probability `dropout`, but one answers
//   always; each that answers is a straggler with probability `stragglers`: it does a share ~ U(0, 1) of its
//   steps
//
// It depends on (settings, seed, round) alone, so a run that was stopped draws the same again.
#pragma once

#include <cstdint>
#include <vector>

#include "harness/config/settings.hpp"

namespace fedval::harness {

struct Participant {
  std::size_t agent = 0;  ///< from 0
  double share = 1;       ///< of its steps
  bool operator==(const Participant&) const = default;
};

/// Who sends an update in a round (from 0), in the order of the agents. O(agents).
std::vector<Participant> participants_of(const ParticipationSettings& settings, std::size_t agents,
                                         std::uint64_t seed, std::size_t round);

}  // namespace fedval::harness
