// What all kinds of partition share: what they depend on, whom they favour, the smallest cases, refusals.
#include "harness/partition/partition.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "tests/harness/partition/labelled.hpp"

namespace fedval::harness {
namespace {

using namespace test_partition;

const std::vector<std::string_view> kinds{"uni",
                                          "iid",
                                          "pow",
                                          "step_quantity",
                                          "free_rider",
                                          "cla",
                                          "cla_distinct",
                                          "step_label_skew",
                                          "only_label_skew",
                                          "dirichlet",
                                          "natural"};

// Settings that every kind can meet with the data below.
PartitionSettings settings_of(std::string_view kind, std::size_t samples = 0) {
  return {.kind = std::string(kind),
          .agents = 5,
          .samples_per_agent = samples,
          .alpha = 1,
          .most_of_class = 12,
          .least_of_class = 2};
}

// The examples of each class dealt to the owners in turn.
Dataset owned(Dataset data, std::size_t owners) {
  std::map<std::size_t, std::size_t> seen;
  for (const auto label : data.train.labels)
    data.train.owners.push_back(static_cast<std::uint32_t>(seen[label]++ % owners));
  for (std::size_t i = 0; i < owners; ++i) data.owner_names.push_back("centre " + std::to_string(i));
  return data;
}

bool is(std::string_view kind, std::initializer_list<std::string_view> others) {
  return std::ranges::find(others, kind) != others.end();
}

TEST_CASE("partition: the kinds and their order") { CHECK(partition_names() == kinds); }

TEST_CASE("partition: the seed decides, whatever was dealt before") {
  const Dataset data = owned(random_labels(4000, 10, 1), 8);
  for (const std::string_view kind : kinds)
    for (const std::size_t samples : {0, 60}) {
      CAPTURE(kind);
      CAPTURE(samples);
      const PartitionSettings settings = settings_of(kind, samples);
      if (kind == "cla_distinct" && samples == 0) continue;  // too many of class 0
      const Shards shards = partition(settings, data, 1);
      const Shards other = partition(settings, data, 2);
      CHECK(shards.size() == 5);
      CHECK(shards != other);
      CHECK(shards == partition(settings, data, 1));
      CHECK(other == partition(settings, data, 2));
      CHECK(disjoint(shards) == !is(kind, {"cla", "free_rider"}));
      for (const Indices& shard : shards) CHECK_FALSE(shard.empty());
      CHECK(*all_of(shards).rbegin() < 4000);
    }
}

TEST_CASE(
    "partition: nothing counts but labels, the kind's own settings and the seed; natural's owners too") {
  const Dataset data = owned(random_labels(4000, 10, 1), 8);
  Dataset same = data;
  same.name = "other";
  same.description = "other";
  same.shape = {1, 28, 28, 0, 0};
  same.train.pixels.assign(10, 3);
  same.test.labels.assign(10, 3);
  same.held_out.labels.assign(10, 3);
  Dataset nobodys = data;
  nobodys.train.owners.clear();
  nobodys.owner_names.clear();
  for (const std::string_view kind : kinds) {
    CAPTURE(kind);
    const PartitionSettings settings = settings_of(kind, 60);
    const Shards shards = partition(settings, data, 1);
    CHECK(partition(settings, same, 1) == shards);
    if (kind != "natural") CHECK(partition(settings, nobodys, 1) == shards);
    PartitionSettings changed = settings;
    if (kind != "dirichlet") changed.alpha = 7, changed.smallest_shard = 2;
    if (kind != "step_quantity") changed.step = .01;
    if (!is(kind, {"step_label_skew", "only_label_skew"})) changed.fewest_classes = 3;
    if (kind != "only_label_skew") changed.most_of_class = 50, changed.least_of_class = 3;
    if (kind != "free_rider") changed.free_rider_samples = 3;
    CHECK(partition(changed, data, 1) == shards);
  }
}

TEST_CASE("partition: the capped pool is the same for every kind that has one, and part of the whole") {
  const Dataset data = owned(random_labels(4000, 10, 1), 8);
  const auto pool = all_of(partition(settings_of("uni", 60), data, 1));
  CHECK(pool.size() == 300);
  for (const std::string_view kind : kinds) {
    if (is(kind, {"cla_distinct", "natural"})) continue;
    CAPTURE(kind);
    const auto held = all_of(partition(settings_of(kind, 60), data, 1));
    CHECK(std::ranges::includes(pool, held));
    if (is(kind, {"uni", "iid", "pow", "dirichlet"})) CHECK(held == pool);
  }
}

TEST_CASE("partition: no example of a class is favoured") {
  // Over the seeds, an agent must hold the first, the last and one between of class 0 equally often.
  constexpr int seeds = 600;
  const Dataset data = owned(sorted_labels(Sizes(4, 120)), 6);
  for (const std::string_view kind : kinds)
    for (const std::size_t samples : {0, 24}) {
      if (is(kind, {"cla", "cla_distinct"}) && samples == 0) continue;
      if (kind == "natural") continue;  // owners decide
      CAPTURE(kind);
      CAPTURE(samples);
      PartitionSettings settings = settings_of(kind, samples);
      settings.fewest_classes = 4;
      settings.most_of_class = 6;
      settings.least_of_class = 1;
      std::map<std::size_t, double> held;
      double average = 0;
      for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        const auto all = all_of({partition(settings, data, seed)[1]});
        for (const std::size_t i : {0, 60, 119}) held[i] += all.contains(i);
        average +=
            static_cast<double>(std::ranges::count_if(all, [](std::size_t i) { return i < 120; })) / 120;
      }
      const double p = average / seeds;
      for (const auto& [i, times] : held) {
        CAPTURE(i);
        CHECK(std::abs(times - average) < 5 * std::sqrt(seeds * p * (1 - p)));
      }
    }
}

TEST_CASE("partition: one agent has the whole pool, or what the kind lets it have") {
  const Dataset data = owned(sorted_labels(Sizes(5, 8)), 1);
  for (const std::string_view kind : kinds) {
    CAPTURE(kind);
    PartitionSettings settings = settings_of(kind);
    settings.agents = 1;
    settings.least_of_class = 1;
    if (kind == "cla_distinct") {
      CHECK(message(settings, data).starts_with("partition: cla_distinct needs 40 examples of class 0"));
      settings.samples_per_agent = 8;
    }
    const Shards shards = partition(settings, data, 1);
    REQUIRE(shards.size() == 1);
    const Sizes counts = class_counts(shards, data)[0];
    if (kind == "cla")
      CHECK(counts == Sizes{40, 0, 0, 0, 0});
    else if (kind == "cla_distinct")
      CHECK(counts == Sizes{8, 0, 0, 0, 0});
    else if (is(kind, {"step_label_skew", "only_label_skew"}))
      CHECK((std::ranges::count(counts, 8u) == 2 && total(counts) == 16));
    else
      CHECK(total(counts) == 40);
    if (kind != "cla") CHECK(all_of(shards).size() == (kind == "free_rider" ? 10 : total(counts)));
  }
}

TEST_CASE("partition: as many agents as examples") {
  const Dataset data = owned(sorted_labels({20}), 20);
  const auto outcome = [&](std::string_view kind) {
    PartitionSettings settings = settings_of(kind);
    settings.agents = 20;
    settings.step = 0;
    settings.fewest_classes = 1;
    settings.most_of_class = settings.least_of_class = settings.free_rider_samples = 1;
    const std::string text = message(settings, data);
    if (text == "no error") CHECK(sizes_of(partition(settings, data, 1)) == Sizes(20, 1));
    return text;
  };
  for (const std::string_view kind : kinds) {
    CAPTURE(kind);
    CHECK(outcome(kind) ==
          (kind == "pow" ? "partition: pow leaves the last of 20 agents nothing of 20 samples" : "no error"));
  }
  // Of two classes, 10 examples cannot be cut among 20 agents.
  CHECK(message({.kind = "step_quantity", .agents = 20, .step = 0}, sorted_labels({10, 10})) ==
        "partition: step_quantity leaves agent 1 without examples");
}

TEST_CASE("partition: one class") {
  const Dataset data = owned(sorted_labels({40}), 4);
  const std::map<std::string_view, Sizes> expected{
      {"pow", {2, 8, 13, 17}}, {"step_quantity", {7, 9, 11, 13}}, {"only_label_skew", {5, 5, 5, 5}}};
  for (const std::string_view kind : kinds) {
    CAPTURE(kind);
    PartitionSettings settings = settings_of(kind);
    settings.agents = 4;
    settings.fewest_classes = 1;
    settings.most_of_class = 8;
    settings.least_of_class = 4;
    CHECK(sizes_of(partition(settings, data, 1)) ==
          (expected.contains(kind) ? expected.at(kind) : Sizes(4, 10)));
  }
}

TEST_CASE("partition: class_counts counts an example as often as it is held") {
  const Dataset data = sorted_labels({2, 3, 0});
  CHECK(class_counts({{0, 1, 4}, {4, 4, 2, 0}, {}}, data) ==
        std::vector<Sizes>{{2, 1, 0}, {1, 3, 0}, {0, 0, 0}});
}

TEST_CASE("partition: bad requests are refused with the numbers") {
  const Dataset data = owned(random_labels(2000, 10, 1), 8);
  for (const std::string_view kind : kinds) {
    CAPTURE(kind);
    const auto refusal = [&](const Dataset& of, std::size_t agents, std::size_t samples) {
      return message({.kind = std::string(kind), .agents = agents, .samples_per_agent = samples}, of);
    };
    CHECK(refusal(data, 2001, 1) ==
          "partition: 2001 agents, but the training part of the data has 2000 samples");
    CHECK(refusal(data, 0, 600) == "partition: 0 agents");
    CHECK(refusal(owned(labelled({3, 10, 2}, 10), 3), 1, 1) ==
          "partition: label 1 is 10, but there are 10 classes");
    CHECK(refusal(labelled({}, 10), 1, 0) ==
          "partition: 1 agents, but the training part of the data has 0 samples");
    if (kind == "natural") continue;  // its samples_per_agent is a cap
    CHECK(refusal(data, 5, 600) ==
          "partition: 5 agents x 600 samples = 3000, but the training part of the data has 2000");
    CHECK(refusal(data, 3, 667) ==
          "partition: 3 agents x 667 samples = 2001, but the training part of the data has 2000");
    CHECK(refusal(data, 2, std::numeric_limits<std::size_t>::max()) ==
          "partition: 2 agents x 18446744073709551615 samples, but the training part of the data has 2000");
  }
  CHECK(message({.kind = "uniform"}, data) ==
        "partition: no kind is called \"uniform\"; known are uni, iid, pow, step_quantity, free_rider, cla, "
        "cla_distinct, step_label_skew, only_label_skew, dirichlet, natural");
}

}  // namespace
}  // namespace fedval::harness
