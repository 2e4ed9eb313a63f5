#include "fedval/contribution/cosine_gradient_shapley.hpp"

#include <doctest/doctest.h>

#include <map>

#include "fedval/tensor/std.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using tests::bits;
using tests::complaint_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 141;
using Updates = std::map<int, Values>;

Round round_of(const Updates& updates) {
  Round round;
  for (const auto& [id, update] : updates) round.add(id, {.update = update});
  return round;
}

/// The algorithm from its text, over vectors of long double.
struct Naive {
  double gamma = 0.5, alpha = 0.95;
  std::map<int, long double> r = {};
  std::map<int, long double> psi = {};
  std::vector<long double> aggregate = {};

  void observe(const Updates& updates) {
    std::map<int, long double> weight;
    long double sum = 0;
    for (const auto& [id, update] : updates) sum += weight[id] = r.contains(id) ? r[id] : 0;
    for (auto& [id, w] : weight) w = sum > 0 ? w / sum : 1.0L / static_cast<long double>(updates.size());
    aggregate.assign(updates.begin()->second.size(), 0);
    for (const auto& [id, update] : updates)
      if (const long double length = tests::naive_norm(update); length > 0)
        for (std::size_t k = 0; k < update.size(); ++k)
          aggregate[k] += weight[id] * gamma * update[k] / length;
    long double square = 0;
    for (const long double value : aggregate) square += value * value;
    psi.clear();
    for (const auto& [id, update] : updates) {
      long double product = 0;
      for (std::size_t k = 0; k < update.size(); ++k) product += update[k] * aggregate[k];
      const long double lengths = tests::naive_norm(update) * std::sqrt(square);
      psi[id] = lengths > 0 ? product / lengths : 0;
      r[id] = alpha * (r.contains(id) ? r[id] : 0) + (1 - static_cast<long double>(alpha)) * psi[id];
    }
    long double total = 0;
    for (auto& [id, value] : r) total += value = std::max(value, 0.0L);
    for (auto& [id, value] : r) value = total > 0 ? value / total : 1.0L / static_cast<long double>(r.size());
  }
};

/// D = 50 entries, a few clients, 20 rounds: 1e-13 is some hundred roundings.
constexpr double tolerance = 1e-13;

Updates draw(random::Stream& stream, double common = 0.5) {
  const Values direction = tests::normals(stream, 50);
  Updates updates;
  for (int id = 0; id < 7; ++id) {
    Values update = tests::normals(stream, 50);
    for (std::size_t k = 0; k < 50; ++k) update[k] += common * direction[k];
    if (stream.below(3) != 0) updates[id] = update;
  }
  if (updates.empty()) updates[3] = direction;
  return updates;
}

}  // namespace

TEST_CASE("scores, importance and aggregate are the algorithm's, clients coming and going") {
  CAPTURE(seed);
  for (const double alpha : {0.95, 0.5, 0.0}) {
    CAPTURE(alpha);
    random::Stream stream(seed);
    CosineGradientShapley scorer({.gamma = 0.15, .alpha = alpha});
    Naive naive{.gamma = 0.15, .alpha = alpha};
    for (int i = 0; i < 20; ++i) {
      CAPTURE(i);
      const Updates updates = draw(stream);
      const Round round = round_of(updates);
      const Scores scores = scorer.observe(round);
      naive.observe(updates);
      REQUIRE(scores.size() == updates.size());
      std::size_t next = 0;
      for (const auto& [id, psi] : naive.psi) {
        CHECK(scores[next].first == ClientId(id));
        CHECK(std::abs(scores[next++].second.value - psi) < tolerance);
      }
      REQUIRE(scorer.importance().size() == naive.r.size());
      for (const auto& [id, r] : naive.r) CHECK(std::abs(scorer.importance().at(id) - r) < tolerance);
      CHECK_FALSE(scorer.uniform());
      Values out(50, std::nan(""));
      scorer.aggregate(round, out);
      double worst = 0;
      for (std::size_t k = 0; k < 50; ++k)
        worst = std::max(worst, static_cast<double>(std::abs(out[k] - naive.aggregate[k])));
      CHECK(worst < tolerance);
    }
  }
}

TEST_CASE("the first round by hand") {
  CosineGradientShapley scorer({.gamma = 2, .alpha = 0.5});
  const Updates updates{{1, {3, 0}}, {2, {0, 0.1}}};
  const Round round = round_of(updates);
  for (const auto& [id, score] : scorer.observe(round))
    CHECK(score.value == doctest::Approx(std::sqrt(0.5)).epsilon(1e-15));
  CHECK(scorer.importance().at(1) == doctest::Approx(0.5).epsilon(1e-15));
  Values out(2);
  scorer.aggregate(round, out);  // (2, 0) and (0, 2), each weighted 1/2
  CHECK(out[0] == doctest::Approx(1).epsilon(1e-15));
  CHECK(out[1] == doctest::Approx(1).epsilon(1e-15));
}

TEST_CASE("the order of arrival does not change a bit") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  CosineGradientShapley sorted, shuffled;
  for (int i = 0; i < 10; ++i) {
    const Updates updates = draw(stream);
    const Round first = round_of(updates);
    std::vector<int> order;
    for (const auto& [id, update] : updates) order.push_back(id);
    stream.shuffle(std::span(order));
    Round second;
    for (const int id : order) second.add(id, {.update = updates.at(id)});
    const Scores a = sorted.observe(first), b = shuffled.observe(second);
    REQUIRE(a.size() == b.size());
    for (std::size_t k = 0; k < a.size(); ++k) CHECK(bits(a[k].second.value) == bits(b[k].second.value));
    Values left(50), right(50);
    sorted.aggregate(first, left);
    shuffled.aggregate(second, right);
    CHECK(bits(left) == bits(right));
  }
}

TEST_CASE("a round that is refused leaves the state as it was") {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  const Updates first{{1, tests::normals(stream, 50)}, {2, tests::normals(stream, 50)}};
  const Updates next{{1, tests::normals(stream, 50)}, {3, tests::normals(stream, 50)}};
  Updates nan = next, longer = next;
  nan[3][17] = std::nan("");
  longer[3].push_back(1);
  CosineGradientShapley tried, untouched;
  const Round good = round_of(first), with_nan = round_of(nan), with_longer = round_of(longer);
  tried.observe(good);
  untouched.observe(good);
  CHECK(complaint_of([&] { tried.observe(with_nan); }) == "client 3: update[17] is NaN");
  CHECK(complaint_of([&] { tried.observe(with_longer); }) ==
        "client 3: update has 51 entries (shape [51]), client 1: update has 50 (shape [50])");
  Round absent = round_of(next);
  absent.add(4, {});
  CHECK_THROWS_AS(tried.observe(absent), Error);

  CHECK(tried.importance() == untouched.importance());
  Values left(50), right(50);
  tried.aggregate(good, left);  // still that of the round observed last
  untouched.aggregate(good, right);
  CHECK(bits(left) == bits(right));
  const Round retry = round_of(next);
  const Scores a = tried.observe(retry), b = untouched.observe(retry);
  for (std::size_t i = 0; i < 2; ++i) CHECK(bits(a[i].second.value) == bits(b[i].second.value));
  CHECK(tried.importance() == untouched.importance());
}

TEST_CASE("an empty round changes nothing; one client is its own aggregate") {
  CosineGradientShapley scorer;
  CHECK(scorer.observe(Round()).empty());
  CHECK(scorer.importance().empty());
  const Updates updates{{4, {3, 4}}};
  const Round round = round_of(updates);
  CHECK(scorer.observe(round)[0].second.value == doctest::Approx(1).epsilon(1e-15));
  CHECK(scorer.importance().at(4) == 1);
  Values out(2);
  scorer.aggregate(round, out);
  CHECK(out[0] == doctest::Approx(0.3).epsilon(1e-15));
  CHECK(out[1] == doctest::Approx(0.4).epsilon(1e-15));
  CHECK(scorer.observe(Round()).empty());
  CHECK(scorer.importance().at(4) == 1);
}

TEST_CASE("updates of zeros score 0, and importance falls to uniform and says so") {
  CosineGradientShapley scorer;
  const Updates zeros{{1, {0, 0}}, {2, {0, 0}}};
  const Round round = round_of(zeros);
  for (const auto& [id, score] : scorer.observe(round)) CHECK(score.value == 0);
  CHECK(scorer.uniform());
  CHECK(scorer.importance().at(1) == 0.5);
  Values out(2, std::nan(""));
  scorer.aggregate(round, out);
  CHECK(out == Values{0, 0});
  // One that works again takes over from one that does not.
  const Updates mixed{{1, {0, 0}}, {2, {1, 2}}};
  const Scores scores = scorer.observe(round_of(mixed));
  CHECK(scores[0].second.value == 0);
  CHECK(scores[1].second.value == doctest::Approx(1).epsilon(1e-15));
  CHECK_FALSE(scorer.uniform());
  CHECK(scorer.importance().at(2) > scorer.importance().at(1));
}

TEST_CASE("the aggregate of another round is refused, and nothing is written") {
  const Updates observed{{1, {1, 0}}, {2, {0, 1}}}, fewer{{1, {1, 0}}}, others{{1, {1, 0}}, {3, {0, 1}}};
  CosineGradientShapley scorer;
  const Round round = round_of(observed), short_round = round_of(fewer), other_round = round_of(others);
  Values out{7, 7};
  CHECK_THROWS_AS(scorer.aggregate(round, out), Error);  // nothing was observed yet
  scorer.observe(round);
  CHECK(complaint_of([&] { scorer.aggregate(short_round, out); }) ==
        "CGSV: aggregate() of 1 clients, but observe() last saw 2");
  CHECK_THROWS_AS(scorer.aggregate(other_round, out), Error);  // as many clients, but not the same
  CHECK(out == Values{7, 7});
}

TEST_CASE("uploads are rescaled to one norm at every scale of a double") {
  for (const double scale : {1e300, 1e-300, 1.5e308, 1e-310, 5e-324}) {
    CAPTURE(scale);
    const Updates updates{{1, Values(4, scale)}, {2, {1, 1, 1, 1}}};
    const Round round = round_of(updates);
    CosineGradientShapley scorer({.gamma = 2, .alpha = 0.5});
    for (const auto& [id, score] : scorer.observe(round))
      CHECK(score.value == doctest::Approx(1).epsilon(1e-14));
    Values out(4);
    scorer.aggregate(round, out);
    for (const double value : out) CHECK(value == doctest::Approx(1).epsilon(1e-14));
  }
}

TEST_CASE("options outside their range are refused") {
  for (const double gamma : {0.0, -1.0, std::nan("")})
    CHECK_THROWS_AS(CosineGradientShapley({.gamma = gamma}), Error);
  for (const double alpha : {-0.1, 1.0, std::nan("")})
    CHECK_THROWS_AS(CosineGradientShapley({.alpha = alpha}), Error);
}
