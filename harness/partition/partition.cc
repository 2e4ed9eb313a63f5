#include "harness/partition/partition.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "fedval/error.hpp"
#include "fedval/random/philox.hpp"

namespace fedval::harness {
namespace {

using random::Stream;
using Indices = std::vector<std::size_t>;

// Streams of this room begin with "part", so that no other user of the seed shares them.
constexpr std::uint64_t pool_stream = 0x7061727400000000;
constexpr std::uint64_t first_agent_stream = pool_stream + 1;

void check(std::span<const std::uint8_t> labels, std::size_t classes, std::size_t agents,
           std::size_t samples_per_agent) {
  if (agents == 0) fail("partition: 0 agents");
  if (samples_per_agent == 0) fail("partition: 0 samples an agent, so every shard would be empty");
  if (agents > labels.size())
    fail("partition: ", agents, " agents, but the training part of the data has ", labels.size(), " samples");
  // Compared by division, since the product may not fit.
  if (samples_per_agent > labels.size() / agents) {
    const bool fits = samples_per_agent <= std::numeric_limits<std::size_t>::max() / agents;
    fail("partition: ", agents, " agents x ", samples_per_agent, " samples",
         fits ? " = " + std::to_string(agents * samples_per_agent) : "",
         ", but the training part of the data has ", labels.size());
  }
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] >= classes)
      fail("partition: label ", i, " is ", int{labels[i]}, ", but there are ", classes, " classes");
}

Indices draw_pool(std::size_t available, std::size_t wanted, std::uint64_t seed) {
  Indices pool(available);
  std::iota(pool.begin(), pool.end(), std::size_t{0});
  Stream(seed, pool_stream).shuffle(std::span(pool));
  pool.resize(wanted);
  return pool;
}

Shards cut(const Indices& pool, const std::vector<std::size_t>& sizes) {
  Shards shards;
  auto first = pool.begin();
  for (const std::size_t size : sizes) {
    const auto last = first + static_cast<std::ptrdiff_t>(size);
    shards.emplace_back(first, last);
    first = last;
  }
  return shards;
}

// One agent's shard of "cla": classes 0 .. count - 1, by_class holding the pool's samples of each class.
Indices nested_shard(const std::vector<Indices>& by_class, std::size_t agent, std::size_t count,
                     std::size_t samples, std::uint64_t seed) {
  if (samples < count) fail("partition: agent ", agent, " has ", samples, " samples for ", count, " classes");
  Stream draw(seed, first_agent_stream + agent);
  Indices shard;
  for (std::size_t c = 0; c < count; ++c) {
    if (by_class[c].empty())
      fail("partition: agent ", agent, " needs class ", c, ", of which the pool has none");
    for (std::size_t i = 0; i < samples / count; ++i)
      shard.push_back(by_class[c][draw.below(by_class[c].size())]);
  }
  const std::size_t missing = samples - shard.size();
  Indices rest = by_class[count - 1];
  if (missing > rest.size())
    fail("partition: agent ", agent, " needs ", missing, " more samples of class ", count - 1,
         ", but the pool has ", rest.size());
  draw.shuffle(std::span(rest));
  shard.insert(shard.end(), rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(missing));
  return shard;
}

Shards nested_classes(const Indices& pool, std::span<const std::uint8_t> labels, std::size_t classes,
                      std::size_t agents, std::size_t samples, std::uint64_t seed) {
  std::vector<Indices> by_class(classes);
  for (const std::size_t i : pool) by_class[labels[i]].push_back(i);
  const auto counts = class_counts(agents, classes);
  Shards shards;
  for (std::size_t agent = 0; agent < agents; ++agent)
    shards.push_back(nested_shard(by_class, agent, counts[agent], samples, seed));
  return shards;
}

}  // namespace

std::vector<std::string> partition_names() { return {"uni", "pow", "cla"}; }

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

std::vector<std::size_t> class_counts(std::size_t agents, std::size_t classes) {
  if (agents == 0) fail("partition: 0 agents");
  if (classes == 0) fail("partition: 0 classes");
  std::vector<std::size_t> counts{1};
  for (std::size_t k = 1; k < agents; ++k) counts.push_back(1 + (classes - 1) * k / (agents - 1));
  return counts;
}

Shards partition(const std::string& kind, std::span<const std::uint8_t> labels, std::size_t classes,
                 std::size_t agents, std::size_t samples_per_agent, std::uint64_t seed) {
  const auto names = partition_names();
  if (std::find(names.begin(), names.end(), kind) == names.end()) {
    std::string known;
    for (const auto& name : names) known += (known.empty() ? "" : ", ") + name;
    fail("partition: no kind is called \"", kind, "\"; known are ", known);
  }
  check(labels, classes, agents, samples_per_agent);
  const std::size_t wanted = agents * samples_per_agent;
  const Indices pool = draw_pool(labels.size(), wanted, seed);
  if (kind == "uni") return cut(pool, std::vector<std::size_t>(agents, samples_per_agent));
  if (kind == "pow") return cut(pool, power_sizes(agents, wanted));
  return nested_classes(pool, labels, classes, agents, samples_per_agent, seed);
}

}  // namespace fedval::harness
