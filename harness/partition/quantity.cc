// Partitions by quantity: every agent sees every class, some see more examples than others.
#include <algorithm>
#include <cmath>

#include "fedval/error.hpp"
#include "harness/partition/deal.hpp"

namespace fedval::harness::dealing {

std::vector<std::size_t> power_sizes(std::size_t agents, std::size_t pool) {
  if (agents == 0) fail("partition: 0 agents");
  const double exponent = 1 / 1.65911332899;
  const double low = std::pow(0.01, exponent);
  const double high = std::pow(0.99, exponent);
  // The points are evenly spaced, so their sum is N times the middle.
  const double sum = 0.5 * (low + high) * static_cast<double>(agents);
  std::vector<std::size_t> sizes;
  std::size_t left = pool;
  for (std::size_t k = 0; k + 1 < agents; ++k) {
    const double b = low + (high - low) * static_cast<double>(k) / static_cast<double>(agents - 1);
    // For odd N the middle shard is pool / N exactly; rounding must not lift it to the next integer.
    const double size = std::ceil(b / sum * static_cast<double>(pool) * (1 - 1e-12));
    sizes.push_back(std::min(left, static_cast<std::size_t>(size)));
    left -= sizes.back();
  }
  sizes.push_back(left);
  if (left == 0) fail("partition: pow leaves the last of ", agents, " agents nothing of ", pool, " samples");
  return sizes;
}

Shards equal(const Deal& deal) {
  return cut(deal.pool, std::vector<std::size_t>(deal.agents(), deal.samples));
}

Shards power(const Deal& deal) { return cut(deal.pool, power_sizes(deal.agents(), deal.pool.size())); }

Shards step_quantity(const Deal& deal) {
  const auto agents = static_cast<double>(deal.agents());
  const double gap = deal.settings.step, smallest = 1 / agents - (agents - 1) * gap / 2;
  if (!(gap >= 0 && smallest > 0))
    fail("partition: step_quantity has a step of ", gap, ", must be from 0 to below ",
         2 / (agents * (agents - 1)), ", or one of ", deal.agents(), " agents gets nothing");
  Shards shards(deal.agents());
  for (const Indices& of_class : deal.by_class()) {
    std::size_t begin = 0;
    for (std::size_t k = 0; k < shards.size(); ++k) {
      const double share = smallest + static_cast<double>(k) * gap;
      // A share that is a whole number of examples must not lose one to rounding.
      const auto size = static_cast<std::size_t>(share * static_cast<double>(of_class.size()) + 1e-9);
      append(shards[k], of_class, begin, begin + size);
      begin += size;
    }
  }
  return shards;
}

Shards free_rider(const Deal& deal) {
  Shards shards = equal(deal);
  Indices& rider = shards.back();
  const std::size_t own = deal.settings.free_rider_samples;
  if (own == 0 || own > rider.size())
    fail("partition: free_rider gives the last agent ", own, " examples of its own, must be 1 to ",
         rider.size(), ", what an agent holds");
  for (std::size_t i = own; i < rider.size(); ++i) rider[i] = rider[i - own];
  return shards;
}

}  // namespace fedval::harness::dealing
