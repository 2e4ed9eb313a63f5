// Scores and functions that several threads use at once, each score by one, and scores that use several
// threads themselves: results are what they are alone. A write that two threads share and that changes no
// result, as lgamma's of signgam, only the thread sanitizer sees (tests/sanitize.sh).
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "fedval/random/philox.hpp"
#include "fedval/shapley/semivalue.hpp"
#include "fedval/statistics/quantile.hpp"
#include "tests/contribution/every_score.hpp"
#include "tests/support/threads.hpp"

using namespace fedval;
using namespace fedval::tests;

namespace {

constexpr std::uint64_t seed = 1907;

/// What one thread finds, as text, bit for bit.
using Found = std::vector<std::string>;

std::string digits(double value) { return std::to_string(bits(value)); }

/// Each body in a thread of its own, all at the same time; all find what they find alone.
void check_same_alone_and_together(const std::vector<std::function<Found()>>& bodies) {
  std::vector<Found> alone, together(bodies.size());
  for (const auto& body : bodies) alone.push_back(body());
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < bodies.size(); ++i) threads.emplace_back([&, i] { together[i] = bodies[i](); });
  threads.clear();
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    CAPTURE(i);
    CHECK_FALSE(alone[i].empty());
    CHECK(together[i] == alone[i]);
  }
}

}  // namespace

TEST_CASE("all scores at once on the same rounds, one in each thread") {
  CAPTURE(seed);
  random::Stream stream(seed);
  Federation<double> federation(stream, {4, 7, 9, true});
  std::vector<Sent<double>> rounds;
  for (int r = 0; r < 3; ++r) rounds.push_back(federation.next(6));
  std::vector<std::function<Found()>> bodies;
  for (int copies = 0; copies < 2; ++copies)
    for (const Entry& each : every_score())
      bodies.emplace_back([&rounds, make = each.make] {
        const Scorer scorer = make();
        Found found;
        for (const Sent<double>& sent : rounds) {
          for (const auto& [id, score] : scorer.observe(sent.round())) found.push_back(digits(score.value));
          found.push_back(scorer.state());
        }
        return found;
      });
  check_same_alone_and_together(bodies);
}

TEST_CASE("every score has the same bits with one thread and with many, on models that keep them busy") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  Federation<double> federation(stream, {10, 3000, 200'000, true}, 5);
  std::vector<Sent<double>> rounds;
  for (int r = 0; r < 2; ++r) rounds.push_back(federation.next(4));
  for (const Entry& each : every_score()) {
    CAPTURE(each.name);
    std::vector<Found> found;
    for (const int count : {1, 2, 5}) {
      const Threads scope(count);
      const Scorer scorer = each.make();
      found.emplace_back();
      for (const Sent<double>& sent : rounds) {
        for (const auto& [id, score] : scorer.observe(sent.round()))
          found.back().push_back(digits(score.value));
        found.back().push_back(scorer.state());
      }
    }
    CHECK(found[1] == found[0]);
    CHECK(found[2] == found[0]);
  }
}

TEST_CASE("weights of semivalues, and quantiles") {
  const auto body = [] {
    Found found;
    const auto take = [&](const std::vector<double>& values) {
      for (const double value : values) found.push_back(digits(value));
    };
    for (std::size_t n = 1; n < 30; ++n) {
      take(shapley::beta_weights(n, 4, 1));
      take(shapley::Semivalue::beta(4, 1).size_weights(n));
      take(shapley::Semivalue::banzhaf().size_weights(n));
      take({statistics::student_quantile(0.95, static_cast<double>(n))});
    }
    return found;
  };
  check_same_alone_and_together({body, body, body, body});
}
