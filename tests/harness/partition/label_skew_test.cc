// Partitions by class: counts and quotas of the sources, who may share what, a slow second version of
// only_label_skew, and refusals.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "harness/partition/deal.hpp"
#include "tests/harness/partition/labelled.hpp"

namespace fedval::harness {
namespace {

using namespace test_partition;
using dealing::nested_class_counts;
using dealing::step_class_counts;

// The real sets' sizes of classes.
const Sizes mnist_classes{5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949};
const Sizes cifar10_classes(10, 5000);

// Which classes an agent holds at all.
std::vector<std::size_t> held(const Sizes& counts) {
  std::vector<std::size_t> classes;
  for (std::size_t c = 0; c < counts.size(); ++c)
    if (counts[c] > 0) classes.push_back(c);
  return classes;
}

TEST_CASE("cla: class counts are those of the source") {
  CHECK(nested_class_counts(5, 10) == Sizes{1, 3, 5, 7, 10});
  CHECK(nested_class_counts(10, 10) == Sizes{1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  CHECK(nested_class_counts(20, 10) == Sizes{1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10});
  CHECK(nested_class_counts(1, 10) == Sizes{1});
  CHECK(nested_class_counts(3, 1) == Sizes{1, 1, 1});
  CHECK_THROWS_AS(nested_class_counts(0, 10), Error);
  CHECK_THROWS_AS(nested_class_counts(3, 0), Error);
}

// What "cla" and "cla_distinct" give agent k: floor(samples / c) of each class, the rest from the last.
Sizes nested_sizes(std::size_t count, std::size_t samples, std::size_t classes) {
  Sizes sizes(classes);
  std::fill_n(sizes.begin(), count, samples / count);
  sizes[count - 1] += samples % count;
  return sizes;
}

TEST_CASE("cla: nested classes in the given numbers, from the same pool as uni") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    random::Stream draw(seed);
    const std::size_t classes = 2 + draw.below(9), agents = 1 + draw.below(12),
                      samples = 300 + draw.below(100);
    CAPTURE(classes);
    CAPTURE(agents);
    CAPTURE(samples);
    const Dataset data = random_labels(agents * samples + 500, classes, seed);
    const Shards shards =
        partition({.kind = "cla", .agents = agents, .samples_per_agent = samples}, data, seed);
    const auto pool = all_of(partition({.agents = agents, .samples_per_agent = samples}, data, seed));
    const std::vector<Sizes> counts = class_counts(shards, data);
    CHECK(shards.size() == agents);
    for (std::size_t k = 0; k < agents; ++k) {
      CAPTURE(k);
      const std::size_t c = nested_class_counts(agents, classes)[k];
      CHECK(counts[k] == nested_sizes(c, samples, classes));
      const std::set<std::size_t> top_up(shards[k].end() - static_cast<std::ptrdiff_t>(samples % c),
                                         shards[k].end());
      CHECK(top_up.size() == samples % c);
    }
    const auto drawn = all_of(shards);
    CHECK(std::includes(pool.begin(), pool.end(), drawn.begin(), drawn.end()));
  }
}

TEST_CASE("cla: draws with replacement, so agents share and repeat examples") {
  const Dataset data = random_labels(3000, 10, 1);
  const Shards shards = partition({.kind = "cla", .agents = 5, .samples_per_agent = 600}, data, 1);
  const std::set<std::size_t> first(shards[0].begin(), shards[0].end());
  CHECK(first.size() < 600);
  const std::set<std::size_t> second(shards[1].begin(), shards[1].end());
  std::vector<std::size_t> shared;
  std::set_intersection(first.begin(), first.end(), second.begin(), second.end(), std::back_inserter(shared));
  CHECK_FALSE(shared.empty());
}

TEST_CASE("cla: draws independently, every example of a class as likely as another") {
  // The pool is all there is. Agent 1 draws 500 times among 50; how often each comes up is multinomial, so
  // that Pearson's chi-square has mean 49 and, but for terms in 1 / 500, variance 98.
  const Dataset data = sorted_labels({50, 950});
  constexpr int seeds = 400;
  double mean = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    std::vector<double> times(50);
    const Shards shards = partition({.kind = "cla", .agents = 2}, data, seed);
    for (const std::size_t i : shards[0]) ++times[i];
    for (const double t : times) mean += (t - 10) * (t - 10) / 10 / seeds;
  }
  CHECK(std::abs(mean - 49) < 5 * std::sqrt(98. / seeds));
}

TEST_CASE("cla: refuses what its pool cannot give") {
  CHECK(message({.kind = "cla", .samples_per_agent = 9}, random_labels(2000, 10, 1)) ==
        "partition: agent 5 has 9 samples for 10 classes");
  CHECK(message({.kind = "cla", .agents = 2, .samples_per_agent = 10}, sorted_labels({0, 100})) ==
        "partition: agent 1 needs class 0, of which the pool has none");
  // 11 samples for 3 classes: 3 each and 2 more of class 2, of which there is 1.
  CHECK(message({.kind = "cla", .agents = 3, .samples_per_agent = 11}, sorted_labels({16, 16, 1})) ==
        "partition: agent 3 needs 2 more samples of class 2, but the pool has 1");
}

TEST_CASE("cla_distinct: the sizes of cla, and no example held twice") {
  const Dataset mnist = sorted_labels(mnist_classes), cifar10 = sorted_labels(cifar10_classes);
  struct Case {
    const Dataset& data;
    std::size_t agents, samples;
  };
  for (const Case& each :
       {Case{mnist, 5, 600}, {mnist, 10, 600}, {mnist, 20, 600}, {mnist, 3, 1000}, {cifar10, 5, 2000}}) {
    CAPTURE(each.agents);
    CAPTURE(each.samples);
    const Shards shards = partition(
        {.kind = "cla_distinct", .agents = each.agents, .samples_per_agent = each.samples}, each.data, 1);
    CHECK(disjoint(shards));
    const std::vector<Sizes> counts = class_counts(shards, each.data);
    for (std::size_t k = 0; k < each.agents; ++k)
      CHECK(counts[k] == nested_sizes(nested_class_counts(each.agents, 10)[k], each.samples, 10));
  }
}

TEST_CASE("cla_distinct: a class that is too small is refused with the numbers") {
  // 2000 + 1000 + 666 + 500 + 400 + 333 + 285 + 250 + 222 + 200
  CHECK(message({.kind = "cla_distinct", .agents = 10, .samples_per_agent = 2000},
                sorted_labels(cifar10_classes)) ==
        "partition: cla_distinct needs 5856 examples of class 0, but the training part has 5000; take fewer "
        "samples_per_agent, or cla, whose agents may share examples");
  // Agent 2 of 2 has 5 of class 0 and, with the odd one, 6 of class 1. Exactly enough, and one too few:
  const PartitionSettings two{.kind = "cla_distinct", .agents = 2, .samples_per_agent = 11};
  CHECK(message(two, sorted_labels({16, 6})) == "no error");
  CHECK(message(two, sorted_labels({15, 7}))
            .starts_with(
                "partition: cla_distinct needs 16 examples of class 0, but the training part has 15;"));
  CHECK(
      message(two, sorted_labels({17, 5}))
          .starts_with("partition: cla_distinct needs 6 examples of class 1, but the training part has 5;"));
  CHECK(message({.kind = "cla_distinct", .samples_per_agent = 9}, random_labels(2000, 10, 1)) ==
        "partition: agent 5 has 9 samples for 10 classes");
}

TEST_CASE("label skew: class counts are those of the source") {
  CHECK(step_class_counts(5, 10, 2) == Sizes{2, 4, 6, 8, 10});
  CHECK(step_class_counts(5, 100, 20) == Sizes{20, 40, 60, 80, 100});
  CHECK(step_class_counts(4, 10, 2) == Sizes{2, 4, 6, 8});
  CHECK(step_class_counts(3, 62, 10) == Sizes{10, 36, 62});
  CHECK(step_class_counts(20, 10, 2) == Sizes(20, 2));
  CHECK(step_class_counts(1, 10, 3) == Sizes{3});
  for (const char* kind : {"step_label_skew", "only_label_skew"}) {
    CHECK(message({.kind = kind, .fewest_classes = 11}, random_labels(2000, 10, 1)) ==
          "partition: the first agent would hold 11 classes, must be 1 to 10");
    CHECK(message({.kind = kind, .fewest_classes = 0}, random_labels(2000, 10, 1)) ==
          "partition: the first agent would hold 0 classes, must be 1 to 10");
  }
}

TEST_CASE("step_label_skew: each class is cut equally among its holders, and used up") {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    CAPTURE(seed);
    random::Stream draw(seed);
    const std::size_t classes = 2 + draw.below(20), agents = 1 + draw.below(8);
    const std::size_t fewest = 1 + draw.below(classes);
    Sizes sizes;
    for (std::size_t c = 0; c < classes; ++c) sizes.push_back(8 + draw.below(60));
    const Dataset data = sorted_labels(sizes);
    const Shards shards =
        partition({.kind = "step_label_skew", .agents = agents, .fewest_classes = fewest}, data, seed);
    CHECK(disjoint(shards));
    const std::vector<Sizes> counts = class_counts(shards, data);
    for (std::size_t k = 0; k < agents; ++k)
      CHECK(held(counts[k]).size() == step_class_counts(agents, classes, fewest)[k]);
    for (std::size_t c = 0; c < classes; ++c) {
      Sizes parts;
      for (const Sizes& row : counts)
        if (row[c] > 0) parts.push_back(row[c]);
      if (parts.empty()) continue;  // nobody drew the class
      CHECK(total(parts) == sizes[c]);
      CHECK(*std::ranges::max_element(parts) - *std::ranges::min_element(parts) <= 1);
    }
  }
}

TEST_CASE("step_label_skew: every agent draws its classes by itself, each as likely as another") {
  // Three agents with 2, 3 and 4 of 5 classes. Of agents 1 and 2 both hold a class with 2/5 x 3/5.
  constexpr int seeds = 4000;
  const Dataset data = sorted_labels(Sizes(5, 6));
  std::vector<std::vector<double>> holds(3, std::vector<double>(5));
  std::vector<double> both(5);
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const auto counts = class_counts(
        partition({.kind = "step_label_skew", .agents = 3, .fewest_classes = 2}, data, seed), data);
    for (std::size_t c = 0; c < 5; ++c) {
      for (std::size_t k = 0; k < 3; ++k) holds[k][c] += counts[k][c] > 0;
      both[c] += counts[0][c] > 0 && counts[1][c] > 0;
    }
  }
  const auto near = [](double count, double p) {
    return std::abs(count - seeds * p) < 5 * std::sqrt(seeds * p * (1 - p));
  };
  for (std::size_t c = 0; c < 5; ++c) {
    CAPTURE(c);
    for (std::size_t k = 0; k < 3; ++k) CHECK(near(holds[k][c], static_cast<double>(2 + k) / 5));
    CHECK(near(both[c], 6. / 25));
  }
}

TEST_CASE("only_label_skew: the quotas are 2000, 1620, 1240, 860, 480") {
  // One class, so all want the same: the size at which an agent is first left with fewer than 100 tells what
  // those before it took.
  const auto outcome = [](std::size_t there) {
    return message({.kind = "only_label_skew", .fewest_classes = 1}, sorted_labels({there}));
  };
  const auto refused = [](int agent) {
    return "partition: only_label_skew leaves agent " + std::to_string(agent) +
           " nothing: each of its 1 classes has fewer than 100 examples left; lower least_of_class or "
           "most_of_class";
  };
  CHECK(outcome(99) == refused(1));
  CHECK(outcome(100) == refused(2));
  std::size_t taken = 0;
  for (int agent = 2; const std::size_t quota : {2000, 1620, 1240, 860}) {
    taken += quota;
    CAPTURE(agent);
    CHECK(outcome(taken - 1) == refused(agent));
    CHECK(outcome(taken + 99) == refused(agent));
    CHECK(outcome(taken + 100) == (agent < 5 ? refused(agent + 1) : "no error"));
    ++agent;
  }
  // Cut to the smallest agent, the last, which takes what is left and never more than its 480.
  for (const auto& [more, size] :
       {std::pair<std::size_t, std::size_t>{100, 100}, {479, 479}, {480, 480}, {900, 480}})
    CHECK(sizes_of(partition({.kind = "only_label_skew", .fewest_classes = 1}, sorted_labels({taken + more}),
                             1)) == Sizes(5, size));
}

TEST_CASE("only_label_skew: an agent stops once it is above fewest x most, not at it") {
  // A single agent takes `most` of each of its classes, all of which it may hold: 3 x 10 is not above.
  const auto size = [](std::size_t fewest, Sizes classes) {
    return partition({.kind = "only_label_skew",
                      .agents = 1,
                      .fewest_classes = fewest,
                      .most_of_class = 10,
                      .least_of_class = 4},
                     sorted_labels(classes), 1)[0]
        .size();
  };
  CHECK(size(3, {10, 10, 10}) == 30);
  CHECK(size(3, {10, 11, 50}) == 30);
  CHECK(size(3, {10, 3, 4}) == 14);
  // Two agents with quotas of 10 and 7, the first with 1 class and the second with both: stopped at 14.
  const Dataset data = sorted_labels({100, 100});
  const Shards shards = partition(
      {.kind = "only_label_skew", .agents = 2, .fewest_classes = 1, .most_of_class = 10, .least_of_class = 4},
      data, 1);
  CHECK(sizes_of(shards) == Sizes{10, 10});
  CHECK(held(class_counts(shards, data)[1]).size() == 2);
}

// What each agent takes of each class before all are cut to one size, example by example.
std::vector<Sizes> slow_takes(const PartitionSettings& settings, const Sizes& classes, std::uint64_t seed) {
  const std::size_t n = settings.agents, most = settings.most_of_class, least = settings.least_of_class;
  const Sizes counts = step_class_counts(n, classes.size(), settings.fewest_classes);
  Sizes left = classes;
  std::vector<Sizes> takes(n, Sizes(classes.size()));
  for (std::size_t i = 0; i < n; ++i) {
    Sizes order(classes.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    dealing::agent_stream(seed, i).shuffle(std::span(order));  // the one thing it has from the code
    std::size_t quota = least;
    for (std::size_t j = i; j < n; ++j) quota += (most - least) / n;
    for (std::size_t j = 0; j < counts[i] && total(takes[i]) <= settings.fewest_classes * most; ++j) {
      const std::size_t c = order[j];
      if (left[c] < least) continue;
      for (std::size_t q = 0; q < quota && left[c] > 0; ++q, --left[c]) ++takes[i][c];
    }
  }
  return takes;
}

void check_against_slow(const PartitionSettings& settings, const Sizes& classes, std::uint64_t seed) {
  CAPTURE(seed);
  const Dataset data = sorted_labels(classes);
  const std::vector<Sizes> takes = slow_takes(settings, classes, seed);
  std::size_t smallest = std::numeric_limits<std::size_t>::max();
  for (std::size_t k = 0; k < takes.size(); ++k) {
    smallest = std::min(smallest, total(takes[k]));
    if (smallest > 0) continue;
    CHECK(message(settings, data, seed)
              .starts_with("partition: only_label_skew leaves agent " + std::to_string(k + 1) + " nothing"));
    return;
  }
  const Shards shards = partition(settings, data, seed);
  CHECK(disjoint(shards));
  CHECK(sizes_of(shards) == Sizes(settings.agents, smallest));
  const std::vector<Sizes> counts = class_counts(shards, data);
  for (std::size_t k = 0; k < takes.size(); ++k) {
    if (total(takes[k]) == smallest) CHECK(counts[k] == takes[k]);
    for (std::size_t c = 0; c < classes.size(); ++c) CHECK(counts[k][c] <= takes[k][c]);
  }
}

TEST_CASE("only_label_skew: takes, skips, stops and cuts as a slow version does") {
  const PartitionSettings ten{.kind = "only_label_skew"};
  for (std::uint64_t seed = 1; seed <= 20; ++seed) check_against_slow(ten, cifar10_classes, seed);
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    check_against_slow(
        {.kind = "only_label_skew", .fewest_classes = 20, .most_of_class = 400, .least_of_class = 100},
        Sizes(100, 500), seed);
    check_against_slow(
        {.kind = "only_label_skew", .fewest_classes = 20, .most_of_class = 80, .least_of_class = 20},
        Sizes(100, 100), seed);
  }
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    random::Stream draw(seed);
    Sizes classes(1 + draw.below(10));
    for (std::size_t& size : classes) size = 6 + draw.below(80);
    const std::size_t least = 1 + draw.below(20);
    check_against_slow({.kind = "only_label_skew",
                        .agents = 1 + draw.below(6),
                        .fewest_classes = 1 + draw.below(classes.size()),
                        .most_of_class = least + draw.below(50),
                        .least_of_class = least},
                       classes, seed);
  }
}

TEST_CASE("only_label_skew: where an agent stops early, no class is favoured; the cut favours none either") {
  // Agent 3 holds 6 of 10 classes, takes 1240 of each and stops above 4000, after 4. Every agent ends with
  // 4000, of which agent 1 has 2000 of each of 2 classes, and agent 3 on average 1000 of each of its 4.
  constexpr int seeds = 200;
  const Dataset data = sorted_labels(cifar10_classes);
  std::vector<double> holds(10);
  double first = 0, last = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    CAPTURE(seed);
    const auto counts = class_counts(partition({.kind = "only_label_skew"}, data, seed), data);
    const std::size_t size = total(counts[0]);
    if (size == 4000) CHECK(held(counts[0]).size() == 2);
    for (std::size_t c = 0; c < 10; ++c) holds[c] += counts[2][c] > 0;
    const auto drawn = slow_takes({.kind = "only_label_skew"}, cifar10_classes, seed)[2];
    Sizes order(10);
    std::iota(order.begin(), order.end(), std::size_t{0});
    dealing::agent_stream(seed, 2).shuffle(std::span(order));
    // Of what it took, each example is kept with the same probability.
    const double kept = static_cast<double>(size) / static_cast<double>(total(drawn));
    first += static_cast<double>(counts[2][order[0]]) - kept * static_cast<double>(drawn[order[0]]);
    last += static_cast<double>(counts[2][order[3]]) - kept * static_cast<double>(drawn[order[3]]);
  }
  for (const double count : holds) CHECK(std::abs(count - seeds * .4) < 5 * std::sqrt(seeds * .4 * .6));
  // The number kept of at most 1240 is hypergeometric, its variance below 1240 / 4.
  CHECK(std::abs(first) < 5 * std::sqrt(seeds * 1240 / 4.));
  CHECK(std::abs(last) < 5 * std::sqrt(seeds * 1240 / 4.));
}

TEST_CASE("only_label_skew: impossible quotas are refused, huge ones are not") {
  const Dataset data = random_labels(2000, 10, 1);
  const auto refusal = [&](std::size_t most, std::size_t least) {
    return message({.kind = "only_label_skew", .most_of_class = most, .least_of_class = least}, data);
  };
  CHECK(refusal(99, 100) == "partition: least_of_class is 100, must be 1 to most_of_class, which is 99");
  CHECK(refusal(99, 0) == "partition: least_of_class is 0, must be 1 to most_of_class, which is 99");
  CHECK(
      refusal(2000, 500) ==
      "partition: only_label_skew leaves agent 1 nothing: each of its 2 classes has fewer than 500 examples "
      "left; lower least_of_class or most_of_class");
  // fewest x most is 2^64: the agent takes all there is.
  const PartitionSettings huge{.kind = "only_label_skew", .agents = 1, .most_of_class = std::size_t{1} << 63};
  CHECK(sizes_of(partition(huge, sorted_labels({170, 180}), 1)) == Sizes{350});
}

}  // namespace
}  // namespace fedval::harness
