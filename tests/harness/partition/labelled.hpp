// Data sets that are nothing but labels, and what the tests ask of shards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/random/philox.hpp"
#include "harness/partition/partition.hpp"

namespace fedval::harness::test_partition {

using Sizes = std::vector<std::size_t>;

inline Dataset labelled(std::vector<std::uint8_t> labels, std::size_t classes) {
  Dataset data{.name = "labels", .description = "labels alone", .classes = classes};
  data.train.labels = std::move(labels);
  return data;
}

/// So many examples of class 0, then of class 1, and so on.
inline Dataset sorted_labels(const Sizes& counts) {
  std::vector<std::uint8_t> labels;
  for (std::size_t c = 0; c < counts.size(); ++c)
    labels.insert(labels.end(), counts[c], static_cast<std::uint8_t>(c));
  return labelled(std::move(labels), counts.size());
}

inline Dataset random_labels(std::size_t count, std::size_t classes, std::uint64_t seed) {
  random::Stream draw(seed);
  std::vector<std::uint8_t> labels(count);
  for (auto& label : labels) label = static_cast<std::uint8_t>(draw.below(classes));
  return labelled(std::move(labels), classes);
}

inline Sizes sizes_of(const Shards& shards) {
  Sizes sizes;
  for (const Indices& shard : shards) sizes.push_back(shard.size());
  return sizes;
}

inline std::size_t total(const Sizes& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), std::size_t{0});
}

inline std::set<std::size_t> all_of(const Shards& shards) {
  std::set<std::size_t> all;
  for (const Indices& shard : shards) all.insert(shard.begin(), shard.end());
  return all;
}

/// Whether no example is held twice.
inline bool disjoint(const Shards& shards) { return all_of(shards).size() == total(sizes_of(shards)); }

/// What partition() refuses with.
inline std::string message(const PartitionSettings& settings, const Dataset& data, std::uint64_t seed = 1) {
  try {
    partition(settings, data, seed);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace fedval::harness::test_partition
