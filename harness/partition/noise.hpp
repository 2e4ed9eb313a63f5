// Noise on chosen agents' data, so that a valuation can be asked who has it.
//
//   labels     round(share x n) of the agent's n examples, drawn without replacement, get another label, each
//              of the other classes with the same chance
//   features   every byte x becomes clamp(round(x + 255 deviation z), 0, 255), z standard Gaussian
//
// Agents share one copy of the training part, and may share examples. So a noisy agent gets copies of its
// examples at the end of the training part, and its shard points to these; what was there does not change.
#pragma once

#include <cstddef>
#include <cstdint>

#include "harness/data/dataset.hpp"
#include "harness/partition/partition.hpp"

namespace fedval::harness {

/// How much noise an agent gets.
struct Noise {
  double label_share = 0;        ///< of its examples, 0 to 1
  double feature_deviation = 0;  ///< in units of the full range of a byte; 0 or more, and 0 for text
};

/// Gives one agent noise of both kinds, on one copy of its examples (also of its owners). An example that is
/// twice in the shard is copied twice, and each copy has noise of its own. No noise copies nothing. The draws
/// are those of (seed, agent), whatever was done to other agents. Clamping makes bytes near 0 and 255 noisy
/// to one side. O(n x entries). Throws Error, with nothing changed, when the agent or an example of its shard
/// does not exist, the share is not in [0, 1], the deviation is negative or not finite, or not 0 for text, or
/// when labels of a set of fewer than two classes should change.
void add_noise(Dataset& data, Shards& shards, std::size_t agent, const Noise& noise, std::uint64_t seed);

/// Noise on labels alone. After add_feature_noise it makes a second copy; add_noise makes one for both.
void add_label_noise(Dataset& data, Shards& shards, std::size_t agent, double share, std::uint64_t seed);

/// Noise on features alone; Error for text. After add_label_noise it makes a second copy; add_noise makes one
/// for both.
void add_feature_noise(Dataset& data, Shards& shards, std::size_t agent, double deviation,
                       std::uint64_t seed);

}  // namespace fedval::harness
