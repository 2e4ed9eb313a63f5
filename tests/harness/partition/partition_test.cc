// Partitions: the sizes that the source gives, what shards may share, seeds, and every refusal.
#include "harness/partition/partition.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <numeric>
#include <set>
#include <string>

#include "fedval/error.hpp"
#include "fedval/random/philox.hpp"

namespace fedval::harness {
namespace {

using Sizes = std::vector<std::size_t>;

std::vector<std::uint8_t> random_labels(std::size_t count, std::size_t classes, std::uint64_t seed) {
  random::Stream draw(seed);
  std::vector<std::uint8_t> labels(count);
  for (auto& label : labels) label = static_cast<std::uint8_t>(draw.below(classes));
  return labels;
}

Sizes sizes_of(const Shards& shards) {
  Sizes sizes;
  for (const auto& shard : shards) sizes.push_back(shard.size());
  return sizes;
}

std::set<std::size_t> all_of(const Shards& shards) {
  std::set<std::size_t> all;
  for (const auto& shard : shards) all.insert(shard.begin(), shard.end());
  return all;
}

std::string message(const std::string& kind, const std::vector<std::uint8_t>& labels, std::size_t classes,
                    std::size_t agents, std::size_t samples) {
  try {
    partition(kind, labels, classes, agents, samples, 1);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST_CASE("partition: power-law sizes are those of the source") {
  CHECK(power_sizes(5, 3000) == Sizes{71, 336, 600, 865, 1128});
  CHECK(power_sizes(10, 6000) == Sizes{71, 189, 306, 424, 542, 659, 777, 895, 1012, 1125});
  CHECK(power_sizes(10, 20000).front() == 236);
  CHECK(power_sizes(10, 20000).back() == 3760);
  CHECK(power_sizes(1, 17) == Sizes{17});
}

TEST_CASE("partition: power-law sizes add up and grow") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    random::Stream draw(seed);
    const std::size_t agents = 1 + draw.below(40);
    const std::size_t pool = agents * (100 + draw.below(2000));
    CAPTURE(agents);
    CAPTURE(pool);
    const Sizes sizes = power_sizes(agents, pool);
    CHECK(sizes.size() == agents);
    CHECK(std::accumulate(sizes.begin(), sizes.end(), std::size_t{0}) == pool);
    CHECK(std::is_sorted(sizes.begin(), sizes.end() - 1));
    CHECK(sizes.front() > 0);
    CHECK(sizes.back() > 0);
    if (agents % 2 == 1 && agents > 1) CHECK(sizes[agents / 2] == pool / agents);
  }
}

TEST_CASE("partition: class counts are those of the source") {
  CHECK(class_counts(5, 10) == Sizes{1, 3, 5, 7, 10});
  CHECK(class_counts(10, 10) == Sizes{1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  CHECK(class_counts(20, 10) == Sizes{1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10});
  CHECK(class_counts(1, 10) == Sizes{1});
  CHECK(class_counts(3, 1) == Sizes{1, 1, 1});
  CHECK_THROWS_AS(class_counts(0, 10), Error);
  CHECK_THROWS_AS(class_counts(3, 0), Error);
}

TEST_CASE("partition: uni and pow are disjoint parts of the capped pool") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    random::Stream draw(seed);
    const std::size_t agents = 1 + draw.below(12);
    const std::size_t samples = 30 + draw.below(60);
    const std::size_t available = agents * samples + draw.below(3) * 100;
    CAPTURE(agents);
    CAPTURE(samples);
    CAPTURE(available);
    const auto labels = random_labels(available, 10, seed);
    const Shards equal = partition("uni", labels, 10, agents, samples, seed);
    const Shards power = partition("pow", labels, 10, agents, samples, seed);
    CHECK(sizes_of(equal) == Sizes(agents, samples));
    CHECK(sizes_of(power) == power_sizes(agents, agents * samples));
    for (const Shards* shards : {&equal, &power}) {
      CHECK(all_of(*shards).size() == agents * samples);
      CHECK(*all_of(*shards).rbegin() < available);
    }
    CHECK(all_of(equal) == all_of(power));  // one pool, whatever the kind
  }
}

TEST_CASE("partition: cla holds nested classes in the given numbers, from the same pool") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    random::Stream draw(seed);
    const std::size_t classes = 2 + draw.below(9);
    const std::size_t agents = 1 + draw.below(12);
    const std::size_t samples = 300 + draw.below(100);
    CAPTURE(classes);
    CAPTURE(agents);
    CAPTURE(samples);
    const auto labels = random_labels(agents * samples + 500, classes, seed);
    const Shards shards = partition("cla", labels, classes, agents, samples, seed);
    const auto pool = all_of(partition("uni", labels, classes, agents, samples, seed));
    const Sizes counts = class_counts(agents, classes);
    CHECK(sizes_of(shards) == Sizes(agents, samples));
    for (std::size_t agent = 0; agent < agents; ++agent) {
      CAPTURE(agent);
      const std::size_t c = counts[agent];
      Sizes held(classes);
      for (const std::size_t i : shards[agent]) ++held[labels[i]];
      Sizes expected(classes);
      std::fill_n(expected.begin(), c, samples / c);
      expected[c - 1] += samples % c;
      CHECK(held == expected);
      const std::set<std::size_t> top_up(shards[agent].end() - static_cast<std::ptrdiff_t>(samples % c),
                                         shards[agent].end());
      CHECK(top_up.size() == samples % c);
    }
    const auto drawn = all_of(shards);
    CHECK(std::includes(pool.begin(), pool.end(), drawn.begin(), drawn.end()));
  }
}

TEST_CASE("partition: cla draws with replacement, so agents share and repeat samples") {
  const auto labels = random_labels(3000, 10, 1);
  const Shards shards = partition("cla", labels, 10, 5, 600, 1);
  const std::set<std::size_t> first(shards[0].begin(), shards[0].end());
  CHECK(first.size() < 600);
  const std::set<std::size_t> second(shards[1].begin(), shards[1].end());
  std::vector<std::size_t> shared;
  std::set_intersection(first.begin(), first.end(), second.begin(), second.end(), std::back_inserter(shared));
  CHECK_FALSE(shared.empty());
}

TEST_CASE("partition: the seed decides") {
  CHECK(partition_names() == std::vector<std::string>{"uni", "pow", "cla"});
  const auto labels = random_labels(4000, 10, 1);
  for (const auto& kind : partition_names()) {
    CAPTURE(kind);
    const Shards shards = partition(kind, labels, 10, 5, 600, 1);
    CHECK(shards == partition(kind, labels, 10, 5, 600, 1));
    CHECK(shards != partition(kind, labels, 10, 5, 600, 2));
  }
}

TEST_CASE("partition: bad requests are refused with the numbers") {
  const auto labels = random_labels(2000, 10, 1);
  for (const auto& kind : partition_names()) {
    CAPTURE(kind);
    CHECK(message(kind, labels, 10, 5, 600) ==
          "partition: 5 agents x 600 samples = 3000, but the training part of the data has 2000");
    CHECK(message(kind, labels, 10, 2, std::numeric_limits<std::size_t>::max()) ==
          "partition: 2 agents x 18446744073709551615 samples, but the training part of the data has 2000");
    CHECK(message(kind, labels, 10, 2001, 1) ==
          "partition: 2001 agents, but the training part of the data has 2000 samples");
    CHECK(message(kind, labels, 10, 0, 600) == "partition: 0 agents");
    CHECK(message(kind, labels, 10, 5, 0) == "partition: 0 samples an agent, so every shard would be empty");
    CHECK(message(kind, {3, 10, 2}, 10, 1, 1) == "partition: label 1 is 10, but there are 10 classes");
  }
  CHECK(message("uniform", labels, 10, 5, 100) ==
        "partition: no kind is called \"uniform\"; known are uni, pow, cla");
  CHECK(message("pow", labels, 10, 20, 1) ==
        "partition: pow leaves the last of 20 agents nothing of 20 samples");
  CHECK_THROWS_AS(power_sizes(0, 10), Error);
  CHECK_THROWS_AS(power_sizes(1, 0), Error);
  CHECK_THROWS_AS(power_sizes(11, 10), Error);
}

TEST_CASE("partition: cla refuses what its pool cannot give") {
  CHECK(message("cla", random_labels(2000, 10, 1), 10, 5, 9) ==
        "partition: agent 4 has 9 samples for 10 classes");
  CHECK(message("cla", std::vector<std::uint8_t>(100, 1), 2, 2, 10) ==
        "partition: agent 0 needs class 0, of which the pool has none");
  // 11 samples for 3 classes: 3 each and 2 more of class 2, of which there is 1.
  std::vector<std::uint8_t> labels(33, 0);
  std::fill_n(labels.begin(), 16, std::uint8_t{1});
  labels.back() = 2;
  CHECK(message("cla", labels, 3, 3, 11) ==
        "partition: agent 2 needs 2 more samples of class 2, but the pool has 1");
}

}  // namespace
}  // namespace fedval::harness
