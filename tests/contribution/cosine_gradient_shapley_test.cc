#include "fedval/contribution/cosine_gradient_shapley.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <map>
#include <utility>

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
using reward::Mode;
using Value = CosineGradientShapley::Value;

double samples_of(int id) { return 1 + 2 * id; }

Round round_of(const Updates& updates) {
  Round round;
  for (const auto& [id, update] : updates) round.add(id, {.update = update}, samples_of(id));
  return round;
}

using Vectors = std::vector<std::vector<long double>>;

long double distance(const std::vector<long double>& a, const std::vector<long double>& b) {
  long double square = 0;
  for (std::size_t k = 0; k < a.size(); ++k) square += (a[k] - b[k]) * (a[k] - b[k]);
  return std::sqrt(square);
}

/// phi_i of cos(sum_S u, sum_N u) over all coalitions S.
std::vector<long double> naive_phi(const Vectors& u) {
  const std::size_t n = u.size(), size = u[0].size(), everyone = (std::size_t{1} << n) - 1;
  const auto sum = [&](std::size_t coalition) {
    std::vector<long double> total(size, 0);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t k = 0; k < size; ++k)
        if ((coalition >> i & 1) != 0) total[k] += u[i][k];
    return total;
  };
  const std::vector<long double> whole = sum(everyone), zero(size, 0);
  const auto v = [&](std::size_t coalition) -> long double {
    const std::vector<long double> part = sum(coalition);
    long double product = 0;
    for (std::size_t k = 0; k < size; ++k) product += part[k] * whole[k];
    const long double lengths = distance(part, zero) * distance(whole, zero);
    return lengths > 0 ? product / lengths : 0;
  };
  std::vector<long double> phi(n, 0);
  for (std::size_t s = 0; s <= everyone; ++s)
    for (std::size_t i = 0; i < n; ++i) {
      if ((s >> i & 1) != 0) continue;
      const auto size_of = static_cast<double>(std::popcount(s)), all = static_cast<double>(n);
      const long double weight = std::tgamma(size_of + 1) * std::tgamma(all - size_of) / std::tgamma(all + 1);
      phi[i] += weight * (v(s | std::size_t{1} << i) - v(s));
    }
  return phi;
}

/// The algorithm of either mode from its text, over vectors of long double.
struct Naive {
  double gamma = 0.5, alpha = 0.95;
  Mode mode = Mode::paper;
  Value kind = Value::psi;
  std::map<int, long double> r = {};
  std::map<int, long double> psi = {};
  std::vector<long double> aggregate = {};

  void observe(const Updates& updates) {
    const bool paper = mode == Mode::paper;
    std::map<int, long double> weight;
    long double sum = 0;
    for (const auto& [id, update] : updates) sum += weight[id] = r.contains(id) ? r[id] : 0;
    if (sum == 0)
      for (auto& [id, w] : weight) sum += w = paper ? 1.0 : samples_of(id);
    for (auto& [id, w] : weight) w /= sum;
    aggregate.assign(updates.begin()->second.size(), 0);
    for (const auto& [id, update] : updates)
      if (const long double length = tests::naive_norm(update) + (paper ? 0.0L : 1e-7L); length > 0)
        for (std::size_t k = 0; k < update.size(); ++k)
          aggregate[k] += weight[id] * gamma * update[k] / length;
    long double square = 0;
    for (const long double value : aggregate) square += value * value;
    psi.clear();
    Vectors directions;
    for (const auto& [id, update] : updates) {
      directions.emplace_back(update.begin(), update.end());
      for (long double& entry : directions.back()) entry /= tests::naive_norm(update);
    }
    const std::vector<long double> phi = kind == Value::exact ? naive_phi(directions) : aggregate;
    std::vector<long double> unit_aggregate = aggregate;
    for (long double& entry : unit_aggregate) entry /= gamma;
    std::size_t place = 0;
    for (const auto& [id, update] : updates) {
      long double product = 0;
      for (std::size_t k = 0; k < update.size(); ++k) product += update[k] * aggregate[k];
      const long double lengths = tests::naive_norm(update) * std::sqrt(square);
      psi[id] = lengths > 0 ? product / lengths : 0;
      if (kind == Value::exact) psi[id] = phi[place];
      if (kind == Value::euclidean) psi[id] = 1 - distance(directions[place], unit_aggregate);
      ++place;
      r[id] = alpha * (r.contains(id) ? r[id] : 0) + (1 - static_cast<long double>(alpha)) * psi[id];
    }
    long double total = 0;
    for (auto& [id, value] : r) total += value = std::max(value, paper ? 0.0L : 1e-3L);
    for (auto& [id, value] : r) value = total > 0 ? value / total : 1.0L / static_cast<long double>(r.size());
  }
};

/// D = 50 entries, a few clients, 20 rounds: 1e-13 is some hundred roundings.
constexpr double tolerance = 1e-13;

Updates draw(random::Stream& stream, double common = 0.5, int pool = 7) {
  const Values direction = tests::normals(stream, 50);
  Updates updates;
  for (int id = 0; id < pool; ++id) {
    Values update = tests::normals(stream, 50);
    for (std::size_t k = 0; k < 50; ++k) update[k] += common * direction[k];
    if (stream.below(3) != 0) updates[id] = update;
  }
  if (updates.empty()) updates[3] = direction;
  return updates;
}

/// Rounds of clients that come and go, out of `pool`, in both modes.
void check_rounds(int pool, int rounds) {
  for (const auto& setting :
       {std::pair(Mode::paper, 0.95), std::pair(Mode::paper, 0.5), std::pair(Mode::paper, 0.0),
        std::pair(Mode::authors_code, 0.95), std::pair(Mode::authors_code, 0.5)}) {
    const Mode mode = setting.first;
    const double alpha = setting.second;
    CAPTURE(alpha);
    CAPTURE(static_cast<int>(mode));
    random::Stream stream(seed);
    CosineGradientShapley scorer({.gamma = 0.15, .alpha = alpha, .mode = mode});
    Naive naive{.gamma = 0.15, .alpha = alpha, .mode = mode};
    for (int i = 0; i < rounds; ++i) {
      CAPTURE(i);
      Updates updates = draw(stream, 0.5, pool);
      for (auto& [id, update] : updates)
        if (stream.below(4) == 0)  // so short that 1e-7 shows, or turned against the others
          for (double& value : update) value *= stream.below(2) == 0 ? 1e-8 : -1;
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

}  // namespace

TEST_CASE("scores, importance and aggregate are the algorithm's, clients coming and going") {
  CAPTURE(seed);
  check_rounds(7, 20);
}

TEST_CASE("they are where clients are as many as can be compared in pairs, and more") {
  CAPTURE(seed);
  check_rounds(3 * static_cast<int>(most_in_pairs) / 2, 5);  // two of three take part
  check_rounds(500, 3);
}

TEST_CASE("the exact value and the Euclidean one take psi's place, and steer") {
  CAPTURE(seed);
  for (const Mode mode : {Mode::paper, Mode::authors_code})
    for (const Value value : {Value::exact, Value::euclidean}) {
      CAPTURE(static_cast<int>(mode));
      CAPTURE(static_cast<int>(value));
      random::Stream stream(seed, 4);
      CosineGradientShapley scorer({.gamma = 0.15, .alpha = 0.7, .mode = mode, .value = value});
      Naive naive{.gamma = 0.15, .alpha = 0.7, .mode = mode, .kind = value};
      for (int i = 0; i < 10; ++i) {
        CAPTURE(i);
        Updates updates = draw(stream, 1.5);
        // Alone, an update is the aggregate, and rounding's root is left of their distance.
        while (updates.size() < 3) updates = draw(stream, 1.5);
        if (i % 3 == 1)
          for (double& entry : updates.begin()->second) entry *= -2;
        const Round round = round_of(updates);
        const Scores scores = scorer.observe(round);
        naive.observe(updates);
        REQUIRE(scores.size() == updates.size());
        std::size_t next = 0;
        for (const auto& [id, expected] : naive.psi)
          CHECK(std::abs(scores[next++].second.value - expected) < 4 * tolerance);
        for (const auto& [id, r] : naive.r) CHECK(std::abs(scorer.importance().at(id) - r) < 4 * tolerance);
        Values out(50);
        scorer.aggregate(round, out);
        double worst = 0;
        for (std::size_t k = 0; k < 50; ++k)
          worst = std::max(worst, static_cast<double>(std::abs(out[k] - naive.aggregate[k])));
        CHECK(worst < tolerance);
      }
    }
}

TEST_CASE("values by hand: orthogonal, alike, opposed") {
  const auto values = [](Value value, const Updates& updates) {
    CosineGradientShapley scorer({.value = value});
    Values result;
    for (const auto& [id, score] : scorer.observe(round_of(updates))) result.push_back(score.value);
    return result;
  };
  const Updates orthogonal{{1, {3, 0}}, {2, {0, 0.1}}}, alike{{1, {1, 2}}, {2, {2, 4}}};
  const Updates opposed{{1, {1, 0}}, {2, {5, 0}}, {3, {-1, 0}}}, zero{{1, {0, 0}}, {2, {1, 0}}};
  const auto near = [](const Values& found, const Values& expected, double error = 1e-15) {
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) CHECK(std::abs(found[i] - expected[i]) <= error);
  };
  near(values(Value::exact, orthogonal), {0.5, 0.5});
  near(values(Value::exact, alike), {0.5, 0.5});
  // v = 1, 1, -1 alone; 1 for the first two, 0 for either with the third, which cancels; 1 for all.
  near(values(Value::exact, opposed), {5.0 / 6, 5.0 / 6, -2.0 / 3});
  near(values(Value::exact, zero), {0, 1});
  near(values(Value::euclidean, orthogonal), {1 - std::sqrt(0.5), 1 - std::sqrt(0.5)});
  near(values(Value::euclidean, alike), {1, 1}, 1e-7);
  near(values(Value::euclidean, opposed), {1.0 / 3, 1.0 / 3, -1.0 / 3});  // the aggregate is (1/3, 0)
  near(values(Value::euclidean, zero), {0, 0.5});
}

TEST_CASE("who fell to an importance of 0 comes back by the exact value too") {
  const Updates against{{0, {1, 0}}, {1, {1, 0.1}}, {2, {-1, 0}}},
      with{{0, {1, 0}}, {1, {1, 0.1}}, {2, {1, 0}}};
  for (const Value value : {Value::psi, Value::exact, Value::euclidean}) {
    CosineGradientShapley scorer({.value = value});
    scorer.observe(round_of(against));
    CHECK(scorer.importance().at(2) == 0);
    scorer.observe(round_of(with));
    CHECK(scorer.importance().at(2) > 0.001);
  }
}

TEST_CASE("more clients than the exact value takes are refused, and nothing is learnt") {
  CAPTURE(seed);
  random::Stream stream(seed, 5);
  CosineGradientShapley scorer({.value = Value::exact}), psi;
  Updates updates{{0, tests::normals(stream, 3)}, {1, tests::normals(stream, 3)}};
  scorer.observe(round_of(updates));
  const std::string before = save(scorer);
  for (int id = 0; id < 25; ++id) updates[id] = tests::normals(stream, 3);
  CHECK(complaint_of([&] { scorer.observe(round_of(updates)); }) ==
        "CGSV: a round of 25 clients, but the exact value takes at most 24");
  CHECK(save(scorer) == before);
  CHECK(psi.observe(round_of(updates)).size() == 25);
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

// The rows of the modes' table that concern the score, one by one.
TEST_CASE("a first round is weighed alike, or by data size") {
  const Updates updates{{0, {1, 0}}, {1, {0, 1}}};  // of one sample and three
  const Round round = round_of(updates);
  Values out(2);
  CosineGradientShapley paper({.gamma = 1}), code({.gamma = 1, .mode = Mode::authors_code});
  paper.observe(round);
  paper.aggregate(round, out);
  CHECK(out[0] == doctest::Approx(0.5).epsilon(1e-15));
  CHECK(out[1] == doctest::Approx(0.5).epsilon(1e-15));
  const Scores scores = code.observe(round);
  code.aggregate(round, out);
  CHECK(out[0] == doctest::Approx(0.25).epsilon(1e-6));  // 1e-7 of it is lost
  CHECK(out[1] == doctest::Approx(0.75).epsilon(1e-6));
  CHECK(scores[0].second.value == doctest::Approx(1 / std::sqrt(10)).epsilon(1e-14));
  CHECK(scores[1].second.value == doctest::Approx(3 / std::sqrt(10)).epsilon(1e-14));
}

TEST_CASE("from the second round on, importance weighs in either mode") {
  const Updates updates{{0, {1, 0}}, {1, {0, 1}}};
  const Round round = round_of(updates);
  CosineGradientShapley code({.gamma = 1, .mode = Mode::authors_code});
  code.observe(round);
  const double r = code.importance().at(0);
  CHECK(r == doctest::Approx(0.25).epsilon(1e-14));  // psi was in the proportion of the data
  Round swapped;
  swapped.add(0, {.update = updates.at(0)}, 1000);
  swapped.add(1, {.update = updates.at(1)}, 1);
  code.observe(swapped);
  Values out(2);
  code.aggregate(swapped, out);
  CHECK(out[0] == doctest::Approx(r).epsilon(1e-6));
  CHECK(out[1] == doctest::Approx(1 - r).epsilon(1e-6));
}

TEST_CASE("an upload is scaled exactly, or by its length and 1e-7") {
  const Updates updates{{1, {3e-7, 4e-7}}};  // of length 5e-7
  const Round round = round_of(updates);
  for (const Mode mode : {Mode::paper, Mode::authors_code}) {
    CosineGradientShapley scorer({.gamma = 2, .mode = mode});
    CHECK(scorer.observe(round)[0].second.value == doctest::Approx(1).epsilon(1e-14));
    Values out(2);
    scorer.aggregate(round, out);
    const double length = mode == Mode::paper ? 2 : 2 * 5.0 / 6;
    CHECK(out[0] == doctest::Approx(0.6 * length).epsilon(1e-14));
    CHECK(out[1] == doctest::Approx(0.8 * length).epsilon(1e-14));
  }
}

TEST_CASE("who points the other way is left nothing, or 1e-3") {
  const Updates updates{{0, {1, 0}}, {1, {1, 0}}, {2, {-1, 0}}};  // psi = 1, 1, -1
  const Round round = round_of(updates);
  CosineGradientShapley paper, code({.mode = Mode::authors_code});
  paper.observe(round);
  Round alike;  // as many samples each, so that the majority decides there too
  for (const auto& [id, update] : updates) alike.add(id, {.update = update});
  code.observe(alike);
  CHECK(paper.importance().at(2) == 0);
  CHECK(code.importance().at(2) == doctest::Approx(0.001 / 0.101).epsilon(1e-14));  // .05, .05 and .001
}

TEST_CASE("nobody of positive importance falls back to uniform in the paper; the floor needs no fallback") {
  const Updates zeros{{1, {0, 0}}, {2, {0, 0}}};
  const Round round = round_of(zeros);
  CosineGradientShapley code({.mode = Mode::authors_code});
  for (const auto& [id, score] : code.observe(round)) CHECK(score.value == 0);
  CHECK_FALSE(code.uniform());
  CHECK(code.importance().at(1) == 0.5);
  Values out(2, std::nan(""));
  code.aggregate(round, out);
  CHECK(out == Values{0, 0});
}

TEST_CASE("many clients: errors name one, nothing is learnt, and any order of arrival has the same bits") {
  CAPTURE(seed);
  random::Stream stream(seed, 7);
  Updates updates = draw(stream, 0.5, 600);
  std::vector<int> arrival;
  for (const auto& [id, update] : updates) arrival.push_back(id);
  REQUIRE(arrival.size() > most_in_pairs);
  stream.shuffle(std::span(arrival));
  Round other;
  for (const int id : arrival) other.add(id, {.update = updates.at(id)}, samples_of(id));
  CosineGradientShapley one, two;
  const Scores a = one.observe(round_of(updates)), b = two.observe(other);
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(bits(a[i].second.value) == bits(b[i].second.value));
  CHECK(save(one) == save(two));
  const std::string before = save(one);
  updates.at(arrival[0])[3] = std::nan("");
  CHECK(complaint_of([&] { one.observe(round_of(updates)); }) ==
        "client " + std::to_string(arrival[0]) + ": update[3] is NaN");
  CHECK(save(one) == before);
}

TEST_CASE("a first round without data is refused in the authors' code, and nothing is learnt") {
  const Updates updates{{1, {1, 0}}, {2, {0, 1}}};
  Round round;
  for (const auto& [id, update] : updates) round.add(id, {.update = update}, 0);
  CosineGradientShapley paper, code({.mode = Mode::authors_code});
  CHECK_NOTHROW(paper.observe(round));
  CHECK(complaint_of([&] { code.observe(round); }) ==
        "CGSV: a first round is weighed by data size, but no client has samples");
  CHECK(code.importance().empty());
}

TEST_CASE("a saved score goes on in its own mode, and in no other") {
  CAPTURE(seed);
  random::Stream stream(seed, 3);
  const CosineGradientShapley::Options options{.mode = Mode::authors_code};
  CosineGradientShapley scorer(options), restored(options), paper;
  for (int i = 0; i < 3; ++i) scorer.observe(round_of(draw(stream)));
  restore(save(scorer), restored);
  CHECK(save(restored) == save(scorer));
  const Updates next = draw(stream);
  const Scores a = scorer.observe(round_of(next)), b = restored.observe(round_of(next));
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(bits(a[i].second.value) == bits(b[i].second.value));
  CHECK(restored.importance() == scorer.importance());
  CHECK(complaint_of([&] { restore(save(scorer), paper); }) == "state of CGSV: saved with another mode");
}

TEST_CASE("a saved score goes on with its own value, and with no other; psi's texts are without it") {
  CAPTURE(seed);
  random::Stream stream(seed, 6);
  const auto made = [](Value value) { return CosineGradientShapley({.value = value}); };
  for (const Value value : {Value::psi, Value::exact, Value::euclidean}) {
    CosineGradientShapley scorer = made(value), restored = made(value);
    for (int i = 0; i < 3; ++i) scorer.observe(round_of(draw(stream)));
    restore(save(scorer), restored);
    CHECK(save(restored) == save(scorer));
    const Updates next = draw(stream);
    const Scores a = scorer.observe(round_of(next)), b = restored.observe(round_of(next));
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(bits(a[i].second.value) == bits(b[i].second.value));
    CHECK(restored.importance() == scorer.importance());
    for (const Value other : {Value::psi, Value::exact, Value::euclidean}) {
      CosineGradientShapley reader = made(other);
      CHECK((complaint_of([&] { restore(save(scorer), reader); }) == "no error") == (other == value));
    }
  }
  CosineGradientShapley reader = made(Value::euclidean);
  CHECK(complaint_of([&] { restore(save(made(Value::exact)), reader); }) ==
        "state of CGSV: saved with another value");
  CHECK(save(CosineGradientShapley()) ==
        "fedval-state-1 CGSV\ngamma 1p-1\nalpha 1.e666666666666p-1\nmode 0\nimportance 0\nuniform 0\n");
}

TEST_CASE("options outside their range are refused") {
  for (const double gamma : {0.0, -1.0, std::nan("")})
    CHECK_THROWS_AS(CosineGradientShapley({.gamma = gamma}), Error);
  for (const double alpha : {-0.1, 1.0, std::nan("")})
    CHECK_THROWS_AS(CosineGradientShapley({.alpha = alpha}), Error);
}
