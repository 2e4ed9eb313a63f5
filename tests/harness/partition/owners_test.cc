// The natural partition: an agent is an owner with all, or at most so many, of that owner's examples.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "tests/harness/partition/labelled.hpp"

namespace fedval::harness {
namespace {

using namespace test_partition;

// Writers with so many examples each, in turns as long as they last; classes as FEMNIST's, 62.
Dataset written(const Sizes& counts) {
  std::vector<std::uint8_t> labels;
  std::vector<std::uint32_t> owners;
  std::vector<std::string> names;
  for (std::size_t turn = 0; turn < std::ranges::max(counts); ++turn)
    for (std::size_t owner = 0; owner < counts.size(); ++owner)
      if (turn < counts[owner]) {
        labels.push_back(static_cast<std::uint8_t>((turn + owner) % 62));
        owners.push_back(static_cast<std::uint32_t>(owner));
      }
  Dataset data = labelled(std::move(labels), 62);
  data.train.owners = std::move(owners);
  for (std::size_t owner = 0; owner < counts.size(); ++owner)
    data.owner_names.push_back("writer " + std::to_string(owner));
  return data;
}

PartitionSettings natural(std::size_t agents, std::size_t most = 0) {
  return {.kind = "natural", .agents = agents, .samples_per_agent = most};
}

// The one owner whose examples a shard has.
std::size_t owner_of(const Indices& shard, const Dataset& data) {
  std::set<std::size_t> owners;
  for (const std::size_t i : shard) owners.insert(data.train.owners[i]);
  REQUIRE(owners.size() == 1);
  return *owners.begin();
}

TEST_CASE("natural: with as many agents as owners, agent k has all that owner k has") {
  const Sizes counts{30, 1, 211, 17, 90};
  const Dataset data = written(counts);
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Shards shards = partition(natural(5), data, seed);
    CHECK(sizes_of(shards) == counts);
    CHECK(disjoint(shards));
    for (std::size_t k = 0; k < 5; ++k) CHECK(owner_of(shards[k], data) == k);
  }
}

TEST_CASE("natural: a hundred of many writers, in their order, each as likely as another") {
  Sizes counts;
  for (std::size_t owner = 0; owner < 150; ++owner) counts.push_back(3 + 7 * owner % 40);
  const Dataset data = written(counts);
  constexpr int seeds = 400;
  std::vector<int> taken(counts.size());
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const Shards shards = partition(natural(100), data, seed);
    REQUIRE(shards.size() == 100);
    Sizes owners;
    for (const Indices& shard : shards) {
      owners.push_back(owner_of(shard, data));
      CHECK(std::set(shard.begin(), shard.end()).size() == counts[owners.back()]);
      CHECK(shard.size() == counts[owners.back()]);
      ++taken[owners.back()];
    }
    CHECK(std::is_sorted(owners.begin(), owners.end()));
  }
  for (const int times : taken) CHECK(std::abs(times - seeds * 2 / 3.) < 5 * std::sqrt(seeds * 2 / 9.));
}

TEST_CASE("natural: samples_per_agent caps an owner's examples, at random") {
  const Sizes counts{40, 5, 20, 21};
  const Dataset data = written(counts);
  constexpr int seeds = 400;
  std::map<std::size_t, int> kept;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const Shards shards = partition(natural(4, 20), data, seed);
    CHECK(sizes_of(shards) == Sizes{20, 5, 20, 20});
    CHECK(disjoint(shards));
    for (std::size_t k = 0; k < 4; ++k) CHECK(owner_of(shards[k], data) == k);
    for (const std::size_t i : shards[0]) ++kept[i];
  }
  CHECK(kept.size() == 40);
  for (const auto& [i, times] : kept) CHECK(std::abs(times - seeds / 2.) < 5 * std::sqrt(seeds / 4.));
  // A cap, not a size: agents x cap may be more than there is.
  CHECK(sizes_of(partition(natural(4, 1000), data, 1)) == counts);
  CHECK(sizes_of(partition(natural(4, static_cast<std::size_t>(-1)), data, 1)) == counts);
}

TEST_CASE("natural: owners in the test part alone are no agents") {
  const Dataset data = written({10, 0, 12, 0});
  const Shards shards = partition(natural(2), data, 1);
  CHECK(sizes_of(shards) == Sizes{10, 12});
  CHECK(owner_of(shards[1], data) == 2);
  CHECK(message(natural(3), data) == "partition: 3 agents, but labels has 2 owners of training examples");
}

TEST_CASE("natural: data that does not say whose an example is, or is wrong about it, is refused") {
  CHECK(message(natural(3), random_labels(100, 10, 1)) ==
        "partition: natural needs data with owners, and labels does not say whose an example is");
  Dataset data = written({3, 3});
  data.train.owners[4] = 2;
  CHECK(message(natural(1), data) == "partition: example 4 is of owner 2, but there are 2 owners");
  CHECK(message(natural(7), data) == "partition: 7 agents, but the training part of the data has 6 samples");
}

}  // namespace
}  // namespace fedval::harness
