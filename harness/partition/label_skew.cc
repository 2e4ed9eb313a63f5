// Partitions by class: agents that know few classes beside agents that know many.
#include <algorithm>
#include <numeric>

#include "fedval/error.hpp"
#include "harness/partition/deal.hpp"

namespace fedval::harness::dealing {
namespace {

/// The classes of each agent, drawn at random without replacement, in the order drawn.
std::vector<Indices> draw_classes(const Deal& deal) {
  std::vector<Indices> held;
  for (const std::size_t count :
       step_class_counts(deal.agents(), deal.data.classes, deal.settings.fewest_classes)) {
    Indices classes(deal.data.classes);
    std::iota(classes.begin(), classes.end(), std::size_t{0});
    agent_stream(deal.seed, held.size()).shuffle(std::span(classes));
    classes.resize(count);
    held.push_back(std::move(classes));
  }
  return held;
}

/// How many classes each agent holds in "cla", which its samples must be enough for.
std::vector<std::size_t> nested_counts(const Deal& deal) {
  std::vector<std::size_t> counts = nested_class_counts(deal.agents(), deal.data.classes);
  for (std::size_t k = 0; k < counts.size(); ++k)
    if (deal.samples < counts[k])
      fail("partition: agent ", k + 1, " has ", deal.samples, " samples for ", counts[k], " classes");
  return counts;
}

}  // namespace

std::vector<std::size_t> nested_class_counts(std::size_t agents, std::size_t classes) {
  if (agents == 0) fail("partition: 0 agents");
  if (classes == 0) fail("partition: 0 classes");
  std::vector<std::size_t> counts{1};
  for (std::size_t k = 1; k < agents; ++k) counts.push_back(1 + (classes - 1) * k / (agents - 1));
  return counts;
}

std::vector<std::size_t> step_class_counts(std::size_t agents, std::size_t classes, std::size_t fewest) {
  if (fewest == 0 || fewest > classes)
    fail("partition: the first agent would hold ", fewest, " classes, must be 1 to ", classes);
  const std::size_t step = agents > 1 ? (classes - fewest) / (agents - 1) : 0;
  std::vector<std::size_t> counts;
  for (std::size_t k = 0; k < agents; ++k) counts.push_back(fewest + k * step);
  return counts;
}

Shards nested_classes(const Deal& deal) {
  const std::vector<Indices> by_class = deal.by_class();
  Shards shards;
  for (const std::size_t count : nested_counts(deal)) {
    const std::size_t agent = shards.size() + 1;
    random::Stream draw = agent_stream(deal.seed, agent - 1);
    Indices shard;
    for (std::size_t c = 0; c < count; ++c) {
      if (by_class[c].empty())
        fail("partition: agent ", agent, " needs class ", c, ", of which the pool has none");
      for (std::size_t i = 0; i < deal.samples / count; ++i)
        shard.push_back(by_class[c][draw.below(by_class[c].size())]);
    }
    Indices rest = by_class[count - 1];
    const std::size_t missing = deal.samples - shard.size();
    if (missing > rest.size())
      fail("partition: agent ", agent, " needs ", missing, " more samples of class ", count - 1,
           ", but the pool has ", rest.size());
    draw.shuffle(std::span(rest));
    append(shard, rest, 0, missing);
    shards.push_back(std::move(shard));
  }
  return shards;
}

Shards distinct_classes(const Deal& deal) {
  const std::vector<std::size_t> counts = nested_counts(deal);
  const std::vector<Indices> by_class = deal.by_class();
  const auto wanted = [&](std::size_t k, std::size_t c) {
    if (c >= counts[k]) return std::size_t{0};
    return deal.samples / counts[k] + (c + 1 == counts[k] ? deal.samples % counts[k] : 0);
  };
  Shards shards(deal.agents());
  for (std::size_t c = 0; c < by_class.size(); ++c) {
    std::size_t needed = 0, begin = 0;
    for (std::size_t k = 0; k < shards.size(); ++k) needed += wanted(k, c);
    if (needed > by_class[c].size())
      fail("partition: cla_distinct needs ", needed, " examples of class ", c, ", but the training part has ",
           by_class[c].size(), "; take fewer samples_per_agent, or cla, whose agents may share examples");
    for (std::size_t k = 0; k < shards.size(); ++k) {
      append(shards[k], by_class[c], begin, begin + wanted(k, c));
      begin += wanted(k, c);
    }
  }
  return shards;
}

Shards step_label_skew(const Deal& deal) {
  const std::vector<Indices> by_class = deal.by_class(), held = draw_classes(deal);
  std::vector<Indices> holders(by_class.size());
  for (std::size_t k = 0; k < held.size(); ++k)
    for (const std::size_t c : held[k]) holders[c].push_back(k);
  Shards shards(deal.agents());
  for (std::size_t c = 0; c < by_class.size(); ++c) {
    const std::size_t size = by_class[c].size(), parts = holders[c].size();
    for (std::size_t h = 0; h < parts; ++h)
      append(shards[holders[c][h]], by_class[c], size * h / parts, size * (h + 1) / parts);
  }
  return shards;
}

Shards only_label_skew(const Deal& deal) {
  const std::size_t least = deal.settings.least_of_class, most = deal.settings.most_of_class;
  if (least == 0 || least > most)
    fail("partition: least_of_class is ", least, ", must be 1 to most_of_class, which is ", most);
  const std::vector<Indices> by_class = deal.by_class(), held = draw_classes(deal);
  std::vector<std::size_t> used(by_class.size(), 0);
  Shards shards(deal.agents());
  for (std::size_t k = 0; k < shards.size(); ++k) {
    const std::size_t quota = least + (deal.agents() - k) * ((most - least) / shards.size());
    for (const std::size_t c : held[k]) {
      const std::size_t left = by_class[c].size() - used[c];
      if (left < least) continue;
      const std::size_t taken = std::min(left, quota);
      append(shards[k], by_class[c], used[c], used[c] + taken);
      used[c] += taken;
      // More than fewest x most, by division: the product may not fit.
      if ((shards[k].size() - 1) / deal.settings.fewest_classes >= most) break;
    }
    if (shards[k].empty())
      fail("partition: only_label_skew leaves agent ", k + 1, " nothing: each of its ", held[k].size(),
           " classes has fewer than ", least, " examples left; lower least_of_class or most_of_class");
  }
  const std::size_t size = std::ranges::min_element(shards, {}, &Indices::size)->size();
  for (std::size_t k = 0; k < shards.size(); ++k) {
    agent_stream(deal.seed, deal.agents() + k).shuffle(std::span(shards[k]));
    shards[k].resize(size);
  }
  return shards;
}

}  // namespace fedval::harness::dealing
