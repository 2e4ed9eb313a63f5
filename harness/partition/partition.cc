#include "harness/partition/partition.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "fedval/error.hpp"
#include "harness/partition/deal.hpp"

namespace fedval::harness {
namespace dealing {

std::vector<Indices> Deal::by_class() const {
  std::vector<Indices> result(data.classes);
  for (const std::size_t i : pool) result[data.train.labels[i]].push_back(i);
  return result;
}

void append(Indices& shard, const Indices& values, std::size_t begin, std::size_t end) {
  shard.insert(shard.end(), values.begin() + static_cast<std::ptrdiff_t>(begin),
               values.begin() + static_cast<std::ptrdiff_t>(end));
}

Shards cut(const Indices& values, const std::vector<std::size_t>& sizes) {
  Shards shards(sizes.size());
  std::size_t begin = 0;
  for (std::size_t k = 0; k < sizes.size(); ++k) {
    append(shards[k], values, begin, begin + sizes[k]);
    begin += sizes[k];
  }
  return shards;
}

}  // namespace dealing

namespace {

struct Kind {
  std::string_view name;
  Shards (*deal)(const dealing::Deal&);
  bool whole = false;  // its pool is the whole training part, whatever an agent's samples
};

constexpr std::array<Kind, 11> kinds{{{"uni", dealing::equal},
                                      {"iid", dealing::equal},
                                      {"pow", dealing::power},
                                      {"step_quantity", dealing::step_quantity},
                                      {"free_rider", dealing::free_rider},
                                      {"cla", dealing::nested_classes},
                                      {"cla_distinct", dealing::distinct_classes, true},
                                      {"step_label_skew", dealing::step_label_skew},
                                      {"only_label_skew", dealing::only_label_skew},
                                      {"dirichlet", dealing::dirichlet},
                                      {"natural", dealing::natural, true}}};

void check(const PartitionSettings& settings, const Dataset& data) {
  const std::size_t agents = settings.agents, samples = settings.samples_per_agent, there = data.train.size();
  if (agents == 0) fail("partition: 0 agents");
  if (agents > there)
    fail("partition: ", agents, " agents, but the training part of the data has ", there, " samples");
  // Compared by division, since the product may not fit.
  if (settings.kind != "natural" && samples > there / agents) {
    const bool fits = samples <= std::numeric_limits<std::size_t>::max() / agents;
    fail("partition: ", agents, " agents x ", samples, " samples",
         fits ? " = " + std::to_string(agents * samples) : "", ", but the training part of the data has ",
         there);
  }
  for (std::size_t i = 0; i < there; ++i)
    if (data.train.labels[i] >= data.classes)
      fail("partition: label ", i, " is ", int{data.train.labels[i]}, ", but there are ", data.classes,
           " classes");
}

}  // namespace

std::vector<std::string_view> partition_names() {
  std::vector<std::string_view> names;
  names.reserve(kinds.size());
  for (const Kind& kind : kinds) names.push_back(kind.name);
  return names;
}

Shards partition(const PartitionSettings& settings, const Dataset& data, std::uint64_t seed) {
  const auto kind = std::ranges::find(kinds, settings.kind, &Kind::name);
  if (kind == kinds.end()) {
    std::string known;
    for (const Kind& k : kinds) known += (known.empty() ? "" : ", ") + std::string(k.name);
    fail("partition: no kind is called \"", settings.kind, "\"; known are ", known);
  }
  check(settings, data);
  const std::size_t there = data.train.size();
  const bool capped = settings.samples_per_agent > 0;
  dealing::Deal deal{settings, data, seed, capped ? settings.samples_per_agent : there / settings.agents,
                     Indices(there)};
  std::iota(deal.pool.begin(), deal.pool.end(), std::size_t{0});
  dealing::pool_stream(seed).shuffle(std::span(deal.pool));
  if (capped && !kind->whole) deal.pool.resize(settings.agents * settings.samples_per_agent);
  Shards shards = kind->deal(deal);
  for (std::size_t k = 0; k < shards.size(); ++k)
    if (shards[k].empty()) fail("partition: ", settings.kind, " leaves agent ", k + 1, " without examples");
  return shards;
}

std::vector<std::vector<std::size_t>> class_counts(const Shards& shards, const Dataset& data) {
  std::vector<std::vector<std::size_t>> counts;
  for (const Indices& shard : shards) {
    counts.emplace_back(data.classes, 0);
    for (const std::size_t i : shard) ++counts.back()[data.train.labels[i]];
  }
  return counts;
}

}  // namespace fedval::harness
