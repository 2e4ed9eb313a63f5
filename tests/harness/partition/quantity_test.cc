// Partitions by quantity: sizes as the sources give them, whole shares that rounding must not touch,
// refusals.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "harness/partition/deal.hpp"
#include "tests/harness/partition/labelled.hpp"

namespace fedval::harness {
namespace {

using namespace test_partition;
using dealing::power_sizes;

TEST_CASE("pow: sizes are those of the source") {
  CHECK(power_sizes(5, 3000) == Sizes{71, 336, 600, 865, 1128});
  CHECK(power_sizes(10, 6000) == Sizes{71, 189, 306, 424, 542, 659, 777, 895, 1012, 1125});
  CHECK(power_sizes(10, 20000).front() == 236);
  CHECK(power_sizes(10, 20000).back() == 3760);
  CHECK(power_sizes(1, 17) == Sizes{17});
  const Dataset mnist = random_labels(60000, 10, 1), cifar = random_labels(50000, 10, 1);
  CHECK(sizes_of(partition({.kind = "pow", .agents = 5, .samples_per_agent = 600}, mnist, 1)) ==
        Sizes{71, 336, 600, 865, 1128});
  CHECK(sizes_of(partition({.kind = "pow", .agents = 10, .samples_per_agent = 2000}, cifar, 1)) ==
        power_sizes(10, 20000));
  CHECK(sizes_of(partition({.kind = "pow", .agents = 7}, cifar, 1)) == power_sizes(7, 50000));
}

TEST_CASE("pow: sizes add up, grow and follow the law") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    random::Stream draw(seed);
    const std::size_t agents = 1 + draw.below(40), pool = agents * (100 + draw.below(2000)) + draw.below(50);
    CAPTURE(agents);
    CAPTURE(pool);
    const Sizes sizes = power_sizes(agents, pool);
    CHECK(sizes.size() == agents);
    CHECK(total(sizes) == pool);
    CHECK(std::is_sorted(sizes.begin(), sizes.end() - 1));
    CHECK(sizes.back() > 0);
    const double low = std::pow(.01, 1 / 1.65911332899), high = std::pow(.99, 1 / 1.65911332899);
    std::vector<double> b(agents, low);
    for (std::size_t k = 1; k < agents; ++k)
      b[k] += (high - low) * static_cast<double>(k) / static_cast<double>(agents - 1);
    const double sum = std::accumulate(b.begin(), b.end(), 0.0);
    for (std::size_t k = 0; k + 1 < agents; ++k) {
      const double above = static_cast<double>(sizes[k]) - b[k] / sum * static_cast<double>(pool);
      CHECK(above > -1e-6);
      CHECK(above < 1);
    }
    if (agents % 2 == 1 && agents > 1 && pool % agents == 0) CHECK(sizes[agents / 2] == pool / agents);
  }
}

TEST_CASE("uni, iid: equal shards of the pool, and the same by either name") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    random::Stream draw(seed);
    const std::size_t agents = 1 + draw.below(12), samples = 30 + draw.below(60);
    const Dataset data = random_labels(agents * samples + draw.below(3) * 100, 10, seed);
    const Shards equal =
        partition({.kind = "uni", .agents = agents, .samples_per_agent = samples}, data, seed);
    const Shards power =
        partition({.kind = "pow", .agents = agents, .samples_per_agent = samples}, data, seed);
    CHECK(sizes_of(equal) == Sizes(agents, samples));
    CHECK(sizes_of(power) == power_sizes(agents, agents * samples));
    for (const Shards* shards : {&equal, &power}) {
      CHECK(disjoint(*shards));
      CHECK(*all_of(*shards).rbegin() < data.train.size());
    }
    CHECK(all_of(equal) == all_of(power));  // one pool, whatever the kind
    CHECK(equal == partition({.kind = "iid", .agents = agents, .samples_per_agent = samples}, data, seed));
  }
  CHECK(sizes_of(partition({.kind = "iid", .agents = 3}, random_labels(11, 2, 1), 1)) == Sizes{3, 3, 3});
}

TEST_CASE("step_quantity: .10, .15, .20, .25, .30 of every class") {
  const PartitionSettings five{.kind = "step_quantity"};
  const Dataset cifar10 = sorted_labels(Sizes(10, 5000));
  const Shards shards = partition(five, cifar10, 1);
  CHECK(disjoint(shards));
  const std::vector<Sizes> counts = class_counts(shards, cifar10);
  for (std::size_t k = 0; k < 5; ++k) CHECK(counts[k] == Sizes(10, 500 + 250 * k));

  const Dataset uneven = sorted_labels({5003, 999, 19, 6742});  // rounded down, by hand
  CHECK(class_counts(partition(five, uneven, 1), uneven) == std::vector<Sizes>{{500, 99, 1, 674},
                                                                               {750, 149, 2, 1011},
                                                                               {1000, 199, 3, 1348},
                                                                               {1250, 249, 4, 1685},
                                                                               {1500, 299, 5, 2022}});
}

TEST_CASE("step_quantity: exact for a step of 1/d, also where a share is a whole number") {
  std::size_t whole = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    random::Stream draw(seed);
    const std::size_t n = 1 + draw.below(12), d = n * (n - 1) / 2 + 1 + draw.below(40);
    // share of agent k = 1/n - (n-1)/(2d) + k/d = (2d - n(n-1) + 2kn) / 2nd
    Sizes sizes;
    for (int c = 0; c < 3; ++c)
      sizes.push_back(2 * n * d * (1 + draw.below(3)) + draw.below(2) * draw.below(99));
    const Dataset data = sorted_labels(sizes);
    const Shards shards =
        partition({.kind = "step_quantity", .agents = n, .step = 1 / static_cast<double>(d)}, data, seed);
    const std::vector<Sizes> counts = class_counts(shards, data);
    for (std::size_t k = 0; k < n; ++k)
      for (std::size_t c = 0; c < 3; ++c) {
        CHECK(counts[k][c] == sizes[c] * (2 * d - n * (n - 1) + 2 * k * n) / (2 * n * d));
        whole += sizes[c] % (2 * n * d) == 0;
      }
    CHECK(disjoint(shards));
  }
  CHECK(whole > 1000);
  const Dataset data = sorted_labels({40, 7});
  CHECK(class_counts(partition({.kind = "step_quantity", .agents = 4, .step = 0}, data, 1), data) ==
        std::vector<Sizes>(4, {10, 1}));
}

TEST_CASE("step_quantity: steps that leave an agent nothing are refused") {
  const Dataset data = sorted_labels(Sizes(10, 50));
  const auto refusal = [&](std::size_t agents, double step) {
    return message({.kind = "step_quantity", .agents = agents, .step = step}, data);
  };
  CHECK(refusal(5, .1) ==
        "partition: step_quantity has a step of 0.1, must be from 0 to below 0.1, or one of 5 agents gets "
        "nothing");
  CHECK(refusal(4, .5) ==
        "partition: step_quantity has a step of 0.5, must be from 0 to below 0.166667, or one "
        "of 4 agents gets nothing");
  CHECK(refusal(5, -.01) ==
        "partition: step_quantity has a step of -0.01, must be from 0 to below 0.1, or one of "
        "5 agents gets nothing");
  CHECK(refusal(5, std::numeric_limits<double>::quiet_NaN())
            .starts_with("partition: step_quantity has a step of "));
  CHECK(refusal(5, .0999) == "partition: step_quantity leaves agent 1 without examples");
  CHECK(refusal(5, .09) == "no error");
  CHECK(refusal(1, 1) == "no error");
}

TEST_CASE("free_rider: the last agent repeats a few examples of its own up to the average size") {
  const Dataset data = random_labels(60000, 10, 1);
  for (const std::size_t samples : {std::size_t{600}, std::size_t{605}}) {
    CAPTURE(samples);
    Shards shards = partition({.kind = "free_rider", .agents = 5, .samples_per_agent = samples}, data, 1);
    CHECK(sizes_of(shards) == Sizes(5, samples));
    std::map<std::size_t, std::size_t> times;
    for (const std::size_t i : shards.back()) ++times[i];
    CHECK(times.size() == 10);
    for (const auto& [i, count] : times) CHECK((count == 60 || count == 61));
    shards.pop_back();
    CHECK(disjoint(shards));
    const auto others = all_of(shards);
    for (const auto& [i, count] : times) CHECK_FALSE(others.contains(i));
  }
  CHECK(sizes_of(partition({.kind = "free_rider", .agents = 7}, data, 1)) == Sizes(7, 8571));
}

TEST_CASE("free_rider: from one example to as many as the others have") {
  const Dataset data = random_labels(40, 10, 1);
  for (const std::size_t own : {std::size_t{1}, std::size_t{3}, std::size_t{8}}) {
    const Shards shards = partition({.kind = "free_rider", .agents = 5, .free_rider_samples = own}, data, 1);
    CHECK(sizes_of(shards) == Sizes(5, 8));
    CHECK(all_of({shards.back()}).size() == own);
    CHECK(all_of(shards).size() == 32 + own);
  }
  const auto refusal = [&](std::size_t own) {
    return message({.kind = "free_rider", .agents = 5, .free_rider_samples = own}, data);
  };
  CHECK(refusal(9) ==
        "partition: free_rider gives the last agent 9 examples of its own, must be 1 to 8, what an agent "
        "holds");
  CHECK(refusal(0) ==
        "partition: free_rider gives the last agent 0 examples of its own, must be 1 to 8, what an agent "
        "holds");
}

TEST_CASE("pow: shards that would be empty are refused") {
  CHECK(message({.kind = "pow", .agents = 20, .samples_per_agent = 1}, random_labels(2000, 10, 1)) ==
        "partition: pow leaves the last of 20 agents nothing of 20 samples");
  CHECK_THROWS_AS(power_sizes(0, 10), Error);
  CHECK_THROWS_AS(power_sizes(1, 0), Error);
  CHECK_THROWS_AS(power_sizes(11, 10), Error);
}

}  // namespace
}  // namespace fedval::harness
