// Who takes part in a round: exact fractions, rates within their binomial spread, nothing but (seed, round).
#include "harness/federation/participation.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

using namespace fedval::harness;

namespace {

/// Five standard deviations of a binomial share of n draws; more happens once in two million times.
double spread(double p, double n) { return 5 * std::sqrt(p * (1 - p) / n); }

}  // namespace

TEST_CASE("everyone takes part, in their order and to the end, where nothing else is set") {
  for (std::size_t round = 0; round < 5; ++round) {
    const auto all = participants_of({}, 4, 1, round);
    REQUIRE(all.size() == 4);
    for (std::size_t i = 0; i < 4; ++i) CHECK(all[i] == Participant{i, 1});
  }
}

TEST_CASE("the fraction is exact in every round: rounded up, one at least, in order, nobody twice") {
  struct Case {
    double fraction;
    std::size_t agents, drawn;
  };
  for (const auto& [fraction, agents, drawn] :
       {Case{0.1, 10, 1}, Case{0.11, 10, 2}, Case{0.3, 10, 3}, Case{0.7, 10, 7}, Case{0.29, 100, 29},
        Case{0.07, 100, 7}, Case{1e-9, 10, 1}, Case{0.5, 1, 1}, Case{1, 7, 7}, Case{0.34, 3, 2},
        Case{0.999, 5, 5}}) {
    CAPTURE(fraction);
    std::set<std::size_t> ever;
    for (std::size_t round = 0; round < 300; ++round) {
      const auto here = participants_of({.fraction = fraction}, agents, 3, round);
      REQUIRE(here.size() == drawn);
      for (std::size_t i = 0; i < drawn; ++i) {
        CHECK(here[i].agent < agents);
        CHECK(here[i].share == 1);
        if (i > 0) CHECK(here[i - 1].agent < here[i].agent);
        ever.insert(here[i].agent);
      }
    }
    // Of 100 agents and 7 a round, one is never drawn in 300 rounds with probability 100 x .93^300 < 1e-7.
    CHECK(ever.size() == agents);
  }
}

TEST_CASE("each agent is drawn as often as the others") {
  constexpr std::size_t rounds = 20'000;
  std::vector<double> times(5);
  for (std::size_t round = 0; round < rounds; ++round)
    for (const Participant& who : participants_of({.fraction = 0.4}, 5, 11, round)) ++times[who.agent];
  for (const double n : times) CHECK(std::abs(n / rounds - 0.4) < spread(0.4, rounds));
}

TEST_CASE("dropout: each answers with its probability, and someone always does") {
  constexpr std::size_t agents = 4, rounds = 20'000;
  constexpr double dropout = 0.3;
  std::vector<double> answers(agents);
  for (std::size_t round = 0; round < rounds; ++round) {
    const auto here = participants_of({.dropout = dropout}, agents, 5, round);
    CHECK_FALSE(here.empty());
    for (const Participant& who : here) ++answers[who.agent];
  }
  // Where all drop out, .3^4 of the rounds, one answers all the same.
  const double p = 1 - dropout + std::pow(dropout, agents) / agents;
  for (const double n : answers) CHECK(std::abs(n / rounds - p) < spread(p, rounds));
  std::set<std::size_t> last;  // the one that remains is not always the same
  for (std::size_t round = 0; round < 200; ++round) {
    const auto here = participants_of({.dropout = 1.0}, agents, 5, round);
    REQUIRE(here.size() == 1);
    last.insert(here.front().agent);
    CHECK((participants_of({.dropout = 1.0}, 1, 5, round) == std::vector<Participant>{{0, 1}}));
  }
  CHECK(last.size() == agents);
}

TEST_CASE("stragglers: their rate, and shares that are uniform on [0, 1)") {
  constexpr std::size_t agents = 4, rounds = 10'000;
  constexpr double rate = 0.25;
  std::vector<double> shares;
  double half = 0;
  for (std::size_t round = 0; round < rounds; ++round) {
    const auto here = participants_of({.stragglers = rate}, agents, 8, round);
    CHECK(here.size() == agents);
    for (const Participant& who : here)
      if (who.share < 1) shares.push_back(who.share);
  }
  const auto n = static_cast<double>(shares.size());
  CHECK(std::abs(n / (agents * rounds) - rate) < spread(rate, agents * rounds));
  double sum = 0;
  for (const double share : shares) {
    CHECK(share >= 0);
    sum += share;
    half += share < 0.5;
  }
  CHECK(std::abs(sum / n - 0.5) < 5 * std::sqrt(1 / (12 * n)));  // a uniform's variance is 1/12
  CHECK(std::abs(half / n - 0.5) < spread(0.5, n));
  for (const Participant& who : participants_of({.stragglers = 1}, agents, 8, 0)) CHECK(who.share < 1);
}

TEST_CASE("a round is drawn from (seed, round) alone") {
  const ParticipationSettings settings{.fraction = 0.5, .dropout = 0.2, .stragglers = 0.5};
  const auto once = participants_of(settings, 20, 1, 7);
  for (std::size_t round = 0; round < 7; ++round) participants_of(settings, 20, 1, round);
  CHECK((participants_of(settings, 20, 1, 7) == once));
  CHECK((participants_of(settings, 20, 1, 8) != once));
  CHECK((participants_of(settings, 20, 2, 7) != once));
}
