// Scores and functions that are used by several threads at once, each score by one: nothing that they share
// is written. The thread sanitizer watches the same.
#include <bit>
#include <thread>

#include "fedval/random/philox.hpp"
#include "fedval/shapley/semivalue.hpp"
#include "fedval/statistics/quantile.hpp"
#include "tests/contribution/every_score.hpp"

using namespace fedval;
using namespace fedval::tests;

namespace {

constexpr std::uint64_t seed = 1907;

/// What one thread finds, as text, bit for bit.
using Found = std::vector<std::string>;

/// body() by several threads at the same time.
std::vector<Found> at_once(std::size_t count, const std::function<Found()>& body) {
  std::vector<Found> found(count);
  std::vector<std::jthread> threads;
  for (Found& mine : found) threads.emplace_back([&] { mine = body(); });
  threads.clear();
  return found;
}

void check_same_alone_and_together(const std::function<Found()>& body) {
  const Found alone = body();
  CHECK_FALSE(alone.empty());
  for (const Found& one : at_once(4, body)) CHECK(one == alone);
}

}  // namespace

TEST_CASE("every score on the same rounds, one in each thread") {
  CAPTURE(seed);
  random::Stream stream(seed);
  Federation<double> federation(stream, {4, 7, 9, true});
  std::vector<Sent<double>> rounds;
  for (int r = 0; r < 3; ++r) rounds.push_back(federation.next(6));
  for (const Entry& each : every_score()) {
    CAPTURE(each.name);
    check_same_alone_and_together([&] {
      const Scorer scorer = each.make();
      Found states;
      for (const Sent<double>& sent : rounds) {
        for (const auto& [id, score] : scorer.observe(sent.round()))
          states.push_back(std::to_string(score.value));
        states.push_back(scorer.state());
      }
      return states;
    });
  }
}

TEST_CASE("weights of semivalues, and quantiles") {
  check_same_alone_and_together([] {
    std::vector<double> values;
    const auto take = [&](const std::vector<double>& more) {
      values.insert(values.end(), more.begin(), more.end());
    };
    for (std::size_t n = 1; n < 30; ++n) {
      take(shapley::beta_weights(n, 4, 1));
      take(shapley::Semivalue::beta(4, 1).size_weights(n));
      take(shapley::Semivalue::banzhaf().size_weights(n));
      values.push_back(statistics::student_quantile(0.95, static_cast<double>(n)));
    }
    Found texts;
    for (const double value : values) texts.push_back(std::to_string(std::bit_cast<std::uint64_t>(value)));
    return texts;
  });
}
