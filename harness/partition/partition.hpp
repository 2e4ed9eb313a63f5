// How the training part is dealt to the agents. All kinds take from one capped pool: agents x
// samples-per-agent training samples drawn at random without replacement.
//
//   uni   equal shards
//   pow   sizes by a power law: b = linspace(.01^(1/a), .99^(1/a), N), a = 1.65911332899;
//         shard k gets ceil(b_k / sum b * pool), the last one what is left
//   cla   equal sizes, unequal classes: agent k holds classes 0 .. c_k - 1, c = floor(linspace(1, classes,
//   N))
//
// Source: Xu, Lyu, Ma, Miao, Foo, Low, "Gradient-Driven Rewards to Guarantee Fairness in Collaborative
// Machine Learning", NeurIPS 2021, and the authors' public code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace fedval::harness {

/// Indices into the training part, one vector an agent.
using Shards = std::vector<std::vector<std::size_t>>;

/// The names that partition knows.
std::vector<std::string> partition_names();

/// Shard sizes of "pow", ascending but for rounding in the last; they add up to `pool`. 5 agents and 3000
/// give 71, 336, 600, 865, 1128. Throws Error when agents is 0 or a shard would be empty.
std::vector<std::size_t> power_sizes(std::size_t agents, std::size_t pool);

/// Class counts of "cla", from 1 up to `classes`; 5 agents and 10 classes give 1, 3, 5, 7, 10. A single agent
/// has 1 class. Throws Error when agents or classes is 0.
std::vector<std::size_t> class_counts(std::size_t agents, std::size_t classes);

/// Deals the training part to `agents` agents; the same arguments give the same shards. `labels` are those of
/// the training part, below `classes`. O(labels + agents x samples_per_agent).
///
/// Shards of "uni" and "pow" are disjoint and cover the pool. In "cla" each of an agent's c classes gives
/// floor(samples_per_agent / c) samples of the pool drawn with replacement, so shards overlap and repeat
/// samples; the few that are missing are drawn from class c - 1 without replacement.
///
/// Throws Error for an unknown kind (listing the known ones), for no agents, more samples than the training
/// part has, a shard that would be empty, a label out of range, and in "cla" for an agent with fewer samples
/// than classes or a class of which the pool has too few.
Shards partition(const std::string& kind, std::span<const std::uint8_t> labels, std::size_t classes,
                 std::size_t agents, std::size_t samples_per_agent, std::uint64_t seed);

}  // namespace fedval::harness
