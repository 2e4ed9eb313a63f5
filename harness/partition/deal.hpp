// What the kinds of partition share: the pool, cuts, and who draws from which stream of random numbers.
#pragma once

#include <cstdint>

#include "fedval/random/philox.hpp"
#include "harness/partition/partition.hpp"

namespace fedval::harness::dealing {

/// One partition to be made. The pool is in random order.
struct Deal {
  const PartitionSettings& settings;
  const Dataset& data;
  std::uint64_t seed;
  std::size_t samples;  // an agent's, on average, rounded down
  Indices pool;

  std::size_t agents() const { return settings.agents; }
  /// The pool's examples of each class, in the pool's order.
  std::vector<Indices> by_class() const;
};

// The streams begin with "part", so that no other user of the seed shares them.
inline random::Stream pool_stream(std::uint64_t seed) { return random::Stream(seed, 0x7061727400000000); }
inline random::Stream agent_stream(std::uint64_t seed, std::size_t agent) {
  return random::Stream(seed, 0x7061727400000001 + agent);
}
inline random::Stream attempt_stream(std::uint64_t seed, std::size_t attempt) {
  return random::Stream(seed, 0x7061727480000000 + attempt);
}

/// Cuts the values, in their order, into shards of these sizes.
Shards cut(const Indices& values, const std::vector<std::size_t>& sizes);
/// Appends values[begin, end).
void append(Indices& shard, const Indices& values, std::size_t begin, std::size_t end);

// by quantity
Shards equal(const Deal& deal);
Shards power(const Deal& deal);
Shards step_quantity(const Deal& deal);
Shards free_rider(const Deal& deal);
// by class
Shards nested_classes(const Deal& deal);
Shards distinct_classes(const Deal& deal);
Shards step_label_skew(const Deal& deal);
Shards only_label_skew(const Deal& deal);
Shards dirichlet(const Deal& deal);
// by owner
Shards natural(const Deal& deal);

/// Shard sizes of "pow", ascending but for rounding in the last; they add up to `pool`. 5 agents and 3000
/// give 71, 336, 600, 865, 1128. Error when agents is 0 or a shard would be empty.
std::vector<std::size_t> power_sizes(std::size_t agents, std::size_t pool);

/// Numbers of classes in "cla", from 1 up to `classes`; 5 agents and 10 classes give 1, 3, 5, 7, 10. A single
/// agent has 1. Error when agents or classes is 0.
std::vector<std::size_t> nested_class_counts(std::size_t agents, std::size_t classes);

/// Numbers of classes in "step_label_skew": 5 agents, 10 classes, fewest 2 give 2, 4, 6, 8, 10. Error when
/// fewest is 0 or above classes.
std::vector<std::size_t> step_class_counts(std::size_t agents, std::size_t classes, std::size_t fewest);

}  // namespace fedval::harness::dealing
