// The dirichlet partition: exact laws of its shares, an independent reference in long double, alpha from tiny
// to huge, the smallest shard, refusals.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>

#include "harness/partition/partition.hpp"
#include "tests/harness/partition/labelled.hpp"

namespace fedval::harness {
namespace {

using namespace test_partition;

PartitionSettings dirichlet(std::size_t agents, double alpha, std::size_t smallest = 1) {
  return {.kind = "dirichlet", .agents = agents, .alpha = alpha, .smallest_shard = smallest};
}

// Agents' shares of each class, [agent][class].
using Matrix = std::vector<std::vector<double>>;

// What partition() deals, as shares. An agent's largest p is at least 1/C, so its share of that class is at
// least 1/(1 + C(N-1)): with 2 C N examples a class nobody is ever empty, and nothing is drawn twice.
Matrix dealt_shares(const Dataset& data, std::size_t agents, double alpha, std::uint64_t seed) {
  const std::size_t per_class = data.train.size() / data.classes;
  REQUIRE(per_class >= 2 * data.classes * agents);
  const Shards shards = partition(dirichlet(agents, alpha), data, seed);
  Matrix shares;
  for (const Sizes& row : class_counts(shards, data)) {
    shares.emplace_back();
    for (const std::size_t count : row)
      shares.back().push_back(static_cast<double>(count) / static_cast<double>(per_class));
  }
  return shares;
}

// The same from the definition, by the standard library. In long double, whose range holds what alpha = .01
// gives: about e^-4400.
Matrix reference_shares(std::size_t classes, std::size_t agents, double alpha, std::mt19937_64& bits) {
  std::gamma_distribution<long double> gamma(alpha);
  std::vector<std::vector<long double>> p(agents, std::vector<long double>(classes));
  for (auto& row : p) {
    for (auto& x : row) x = gamma(bits);
    const long double sum = std::accumulate(row.begin(), row.end(), 0.0L);
    for (auto& x : row) x /= sum;
  }
  Matrix shares(agents, std::vector<double>(classes));
  for (std::size_t c = 0; c < classes; ++c) {
    long double sum = 0;
    for (const auto& row : p) sum += row[c];
    for (std::size_t k = 0; k < agents; ++k) shares[k][c] = static_cast<double>(p[k][c] / sum);
  }
  return shares;
}

// Mean and its standard error.
class Average {
 public:
  void add(double x) { ++n_, sum_ += x, squares_ += x * x; }
  double mean() const { return sum_ / n_; }
  double error() const { return std::sqrt(std::max(0.0, squares_ / n_ - mean() * mean()) / n_); }

 private:
  double n_ = 0, sum_ = 0, squares_ = 0;
};

TEST_CASE("dirichlet: every example is dealt once, every class cut") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    random::Stream draw(seed);
    Sizes sizes(1 + draw.below(12));
    for (std::size_t& size : sizes) size = 200 + draw.below(500);
    const std::size_t agents = 1 + draw.below(6);
    const Dataset data = sorted_labels(sizes);
    const double alpha = std::exp(draw.uniform(std::log(.01), std::log(100)));
    CAPTURE(alpha);
    const Shards shards = partition(dirichlet(agents, alpha), data, seed);
    CHECK(disjoint(shards));
    CHECK(all_of(shards).size() == data.train.size());
  }
}

TEST_CASE("dirichlet: of one class each agent has 1/N, whatever alpha") {
  // p = 1 for every agent, so that the cuts are at whole numbers too.
  for (const double alpha : {.01, 1., 100.}) {
    CHECK(sizes_of(partition(dirichlet(5, alpha), sorted_labels({100}), 1)) == Sizes(5, 20));
    CHECK(sizes_of(partition(dirichlet(100, alpha), sorted_labels({100}), 1)) == Sizes(100, 1));
    CHECK(sizes_of(partition(dirichlet(3, alpha), sorted_labels({11}), 1)) == Sizes{4, 3, 4});
  }
}

// Shares of one class are to each other as the agents' p, of the law Beta(alpha, (C - 1) alpha). P(a <= r b)
// for two such numbers and r <= 1, in closed form; P(a <= b / r) = 1 - P(a <= r b).
struct Ratio {
  double alpha;
  std::size_t classes;
  double (*below)(double r);
};
const std::array<Ratio, 3> closed_forms{{
    {1, 2, [](double r) { return r / 2; }},                        // a, b uniform
    {2, 2, [](double r) { return .9 * r * r - .4 * r * r * r; }},  // density 6 b (1 - b)
    {1, 3, [](double r) { return 2 * r / 3 - r * r / 6; }},        // density 2 (1 - b)
}};

TEST_CASE("dirichlet: ratios of agents' shares have the law that follows from Dir(alpha 1)") {
  constexpr int seeds = 3000, pairs = 10;
  for (const Ratio& law : closed_forms) {
    CAPTURE(law.alpha);
    CAPTURE(law.classes);
    CHECK(law.below(1) == doctest::Approx(.5));
    const Dataset data = sorted_labels(Sizes(law.classes, 2000));
    std::array<double, 3> first{}, second{};
    constexpr std::array<double, 3> ratios{.131, .371, .713};  // of no two counts
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      const Matrix dealt = dealt_shares(data, 2 * pairs, law.alpha, seed);
      for (std::size_t k = 0; k < 2 * pairs; k += 2)
        for (std::size_t j = 0; j < 3; ++j) {
          first[j] += dealt[k][0] < ratios[j] * dealt[k + 1][0];
          second[j] += dealt[k + 1][0] < ratios[j] * dealt[k][0];
        }
    }
    for (std::size_t j = 0; j < 3; ++j) {
      CAPTURE(ratios[j]);
      const double p = law.below(ratios[j]), error = 5 * std::sqrt(p * (1 - p) / (seeds * pairs)) + .001;
      CHECK(std::abs(first[j] / (seeds * pairs) - p) < error);
      CHECK(std::abs(second[j] / (seeds * pairs) - p) < error);
    }
  }
}

TEST_CASE("dirichlet: the agents' own p are Dir(alpha 1)") {
  // As many agents as classes: sum_c share_kc s_c = 1 for every k gives the columns' sums s, and with them
  // p_kc = share_kc s_c. Here 2 x 2, s = (1 - 2 q2) / (q1 - q2) with q agent 1's shares. Where q1 is near q2
  // counts are too coarse for s, in the reference such pairs are left out too.
  constexpr int seeds = 3000;
  const Dataset data = sorted_labels(Sizes(2, 500));
  for (const double alpha : {.5, 1., 3.}) {
    CAPTURE(alpha);
    std::mt19937_64 bits(1);
    std::array<Average, 3> dealt, reference;
    const auto add = [](std::array<Average, 3>& to, double q1, double q2) {
      if (std::abs(q1 - q2) < .1) return;
      const double p = q1 * (1 - 2 * q2) / (q1 - q2);
      to[0].add(p);
      to[1].add(p * p);
      to[2].add(p > .8);
    };
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      const Matrix shares = dealt_shares(data, 2, alpha, seed);
      add(dealt, shares[0][0], shares[0][1]);
      const Matrix other = reference_shares(2, 2, alpha, bits);
      add(reference, other[0][0], other[0][1]);
    }
    for (std::size_t m = 0; m < 3; ++m) {
      CAPTURE(m);
      CHECK(std::abs(dealt[m].mean() - reference[m].mean()) <
            5 * std::hypot(dealt[m].error(), reference[m].error()) + .005);
    }
  }
}

TEST_CASE("dirichlet: logarithms of agents' shares differ with variance 2 (psi'(alpha) - psi'(C alpha))") {
  // Of p of Dir(alpha 1_C), log p_c has the variance psi'(alpha) - psi'(C alpha).
  const auto trigamma = [](int n) {   // of a whole number
    double sum = 1.6449340668482264;  // pi^2 / 6
    for (int j = 1; j < n; ++j) sum -= 1. / (j * j);
    return sum;
  };
  constexpr std::size_t pairs = 10, classes = 5;
  const Dataset data = sorted_labels(Sizes(classes, 2000));
  for (const int alpha : {3, 4, 6}) {
    CAPTURE(alpha);
    Average differences, squares;  // averages over a seed's pairs and classes, which are not independent
    for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
      const Matrix dealt = dealt_shares(data, 2 * pairs, alpha, seed);
      double sum = 0, square = 0;
      for (std::size_t k = 0; k < 2 * pairs; k += 2)
        for (std::size_t c = 0; c < classes; ++c) {
          const double x = std::log(dealt[k][c] / dealt[k + 1][c]);
          sum += x / (pairs * classes);
          square += x * x / (pairs * classes);
        }
      differences.add(sum);
      squares.add(square);
    }
    const double expected = 2 * (trigamma(alpha) - trigamma(alpha * static_cast<int>(classes)));
    CHECK(std::abs(differences.mean()) < 5 * differences.error());
    CHECK(std::abs(squares.mean() - expected) < 5 * squares.error() + .002 * expected);
  }
}

TEST_CASE("dirichlet: shares as an independent reference draws them") {
  // Every statistic below has a derivative of at most 2 in a share, and a count is within 1 of its share.
  constexpr std::size_t per_class = 500;
  constexpr double coarse = 2. / per_class;
  constexpr int seeds = 1000;
  for (const auto& [agents, classes, alpha] : {std::tuple<std::size_t, std::size_t, double>{5, 10, .1},
                                               {5, 10, .01},
                                               {3, 4, .5},
                                               {8, 2, 2},
                                               {2, 5, 1}}) {
    CAPTURE(agents);
    CAPTURE(classes);
    CAPTURE(alpha);
    const Dataset data = sorted_labels(Sizes(classes, per_class));
    std::mt19937_64 bits(1);
    std::array<std::vector<Average>, 2> statistics;
    const auto add = [](std::vector<Average>& to, const Matrix& shares) {
      to.resize(7);
      double largest = 0, size = 0;
      for (const auto& row : shares) largest = std::max(largest, row[0]);
      for (const double share : shares[0]) size += share / static_cast<double>(shares[0].size());
      to[0].add(shares.front()[0]);
      to[1].add(shares.back().back());
      to[2].add(shares[0][0] * shares[0][0]);
      to[3].add(shares[0][0] * shares[0][1]);  // one agent, two classes
      to[4].add(shares[0][0] * shares[1][1]);  // two agents, two classes
      to[5].add(largest);
      to[6].add(size * size);
    };
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      add(statistics[0], dealt_shares(data, agents, alpha, seed));
      add(statistics[1], reference_shares(classes, agents, alpha, bits));
    }
    for (std::size_t s = 0; s < 7; ++s) {
      CAPTURE(s);
      const auto &dealt = statistics[0][s], &reference = statistics[1][s];
      CHECK(std::abs(dealt.mean() - reference.mean()) <
            5 * std::hypot(dealt.error(), reference.error()) + coarse);
    }
    CHECK(std::abs(statistics[0][0].mean() - 1 / static_cast<double>(agents)) <
          5 * statistics[0][0].error() + coarse);
    CHECK(std::abs(statistics[0][1].mean() - 1 / static_cast<double>(agents)) <
          5 * statistics[0][1].error() + coarse);
  }
}

TEST_CASE("dirichlet: alpha = .01 gives almost every class to one agent, and no stray example to another") {
  const Dataset data = sorted_labels(Sizes(10, 1000));
  std::size_t owned = 0, classes = 0;
  std::array<std::size_t, 5> single{};
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    const auto counts = class_counts(partition(dirichlet(5, .01), data, seed), data);
    for (std::size_t c = 0; c < 10; ++c) {
      std::size_t most = 0;
      for (std::size_t k = 0; k < 5; ++k) {
        most = std::max(most, counts[k][c]);
        single[k] += counts[k][c] == 1;
      }
      owned += most >= 950;
      ++classes;
    }
  }
  std::mt19937_64 bits(1);
  std::size_t expected = 0;
  for (int seed = 1; seed <= 1000; ++seed) {
    const Matrix shares = reference_shares(10, 5, .01, bits);
    for (std::size_t c = 0; c < 10; ++c)
      expected += std::ranges::any_of(shares, [&](const auto& row) { return row[c] >= .95; });
  }
  CHECK(owned > classes * 8 / 10);
  // Classes of one seed are not independent; were all ten one event, the variance would be 10 p (1-p).
  const double p = static_cast<double>(expected) / static_cast<double>(classes);
  CHECK(std::abs(static_cast<double>(owned) / static_cast<double>(classes) - p) <
        5 * std::sqrt(2 * 10 * p * (1 - p) / static_cast<double>(classes)) + .005);
  // One example stands for a share of .5 to 1.5 in 1000, of a probability like the integral of alpha / share,
  // .011. Cuts rounded down would give the last agents many more: one for every share, however small.
  for (const std::size_t count : single) CHECK(count < classes * 2 / 100);
}

TEST_CASE("dirichlet: works at every alpha, from one agent a class to equal shares") {
  const Dataset data = sorted_labels(Sizes(10, 1000));
  for (const double alpha : {1e-300, 1e-100, 1e-5})
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      CAPTURE(alpha);
      CAPTURE(seed);
      const auto counts = class_counts(partition(dirichlet(5, alpha), data, seed), data);
      // An agent's p is 1 for one class and next to nothing for the others. A class that m agents have is cut
      // into m parts, any other goes to the agent with the largest next to nothing.
      for (std::size_t c = 0; c < 10; ++c) {
        Sizes parts;
        for (const Sizes& row : counts)
          if (row[c] > 0) parts.push_back(row[c]);
        CHECK(total(parts) == 1000);
        CHECK(*std::ranges::max_element(parts) - *std::ranges::min_element(parts) <= 1);
      }
    }
  // A share's relative deviation is below sqrt((C - 1) / (C alpha)) sqrt(2), to first order.
  for (const double alpha : {1e6, 1e16, 1e20, 1e30, 1e300, 1e308})
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      CAPTURE(alpha);
      CAPTURE(seed);
      for (const Sizes& row : class_counts(partition(dirichlet(5, alpha), data, seed), data))
        for (const std::size_t count : row)
          CHECK(std::abs(static_cast<double>(count) - 200) <= 1 + 200 * 6 * std::sqrt(2 / alpha));
    }
}

TEST_CASE("dirichlet: classes may be missing or tiny") {
  const Dataset data = sorted_labels({0, 1, 500, 2, 0});
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const Shards shards = partition(dirichlet(3, .5), data, seed);
    CHECK(disjoint(shards));
    CHECK(all_of(shards).size() == 503);
  }
}

TEST_CASE("dirichlet: drawn again until the smallest shard is large enough, and only then") {
  const Dataset data = sorted_labels(Sizes(10, 100));
  std::size_t again = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    CAPTURE(seed);
    const Shards any = partition(dirichlet(5, .1), data, seed);
    const Shards large = partition(dirichlet(5, .1, 100), data, seed);
    const auto smallest = [](const Shards& shards) { return std::ranges::min(sizes_of(shards)); };
    CHECK(smallest(large) >= 100);
    CHECK(disjoint(large));
    CHECK(all_of(large).size() == 1000);
    CHECK((large == any) == (smallest(any) >= 100));
    again += large != any;
    CHECK(partition(dirichlet(5, .1, smallest(any)), data, seed) == any);
  }
  CHECK(again > 10);
  CHECK(again < 100);
}

TEST_CASE("dirichlet: what cannot be is refused") {
  const Dataset data = sorted_labels(Sizes(10, 100));
  CHECK(message(dirichlet(5, .1, 201), data) ==
        "partition: smallest_shard is 201, but 5 agents share 1000 examples");
  CHECK(message({.kind = "dirichlet", .samples_per_agent = 50, .smallest_shard = 51}, data) ==
        "partition: smallest_shard is 51, but 5 agents share 250 examples");
  CHECK(message(dirichlet(5, .01, 180), sorted_labels(Sizes(9, 100))) ==
        "partition: dirichlet with alpha = 0.01 left an agent with fewer than 180 examples, 1000 times in a "
        "row; raise alpha or lower smallest_shard");
  CHECK(message(dirichlet(5, 1e308, 199), data) == "no error");
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(message(dirichlet(5, 0), data) == "partition: alpha is 0, must be finite and at least 1e-300");
  CHECK(message(dirichlet(5, -1), data) == "partition: alpha is -1, must be finite and at least 1e-300");
  CHECK(message(dirichlet(5, 1e-301), data) ==
        "partition: alpha is 1e-301, must be finite and at least 1e-300");
  CHECK(message(dirichlet(5, infinity), data) ==
        "partition: alpha is inf, must be finite and at least 1e-300");
  CHECK(message(dirichlet(5, std::nan("")), data) ==
        "partition: alpha is nan, must be finite and at least 1e-300");
}

}  // namespace
}  // namespace fedval::harness
