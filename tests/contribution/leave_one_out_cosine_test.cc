#include "fedval/contribution/leave_one_out_cosine.hpp"

#include "fedval/tensor/std.hpp"
#include "tests/contribution/score_properties.hpp"

using namespace fedval;
using namespace fedval::tests;

namespace {

constexpr std::uint64_t seed = 1733;

/// The definition: directions as vectors, the others summed anew for everyone.
struct Naive {
  double mu = 0.9;
  naive::Averages averages = {};

  naive::Estimates observe(const naive::Round& round) {
    const std::size_t n = round.clients.size();
    naive::Estimates cosines;
    for (std::size_t i = 0; i < n; ++i) {
      const naive::Vec& own = round.clients[i].update;
      naive::Vec others = naive::Vec::Zero(own.size());
      for (std::size_t j = 0; j < n; ++j)
        if (const naive::Vec& other = round.clients[j].update; j != i && other.norm() > 0)
          others += other / other.norm();
      const naive::Real length = others.norm();
      if (own.norm() == 0 || length == 0) {
        cosines.push_back({0, 0});
        continue;
      }
      // Cosines of D products; n of them are <u_i, .>, n^2 the squared length.
      const double each = 2 * (naive::d(own.size()) + 4) * naive::unit, count = naive::d(n);
      const double product = count * (each + count * naive::unit), square = count * product;
      const double s = naive::d(length);
      cosines.push_back({own.dot(others) / (own.norm() * length),
                         2 * product / s + 2 * square / (s * s) + 4 * naive::unit});
    }
    return averages.take(round, cosines, mu);
  }
};

const auto plain = [] { return LeaveOneOutCosine(); };
const auto by_definition = [] { return Naive(); };

Values values_of(LeaveOneOutCosine& scorer, const std::map<int, Values>& updates) {
  Round round;
  for (const auto& [id, update] : updates) round.add(id, {.update = update});
  Values values;
  for (const auto& [id, score] : scorer.observe(round)) values.push_back(score.value);
  return values;
}

void near(const Values& found, const Values& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(std::abs(found[i] - expected[i]) < 1e-15);
}

}  // namespace

TEST_CASE("scores are the definition's, clients coming and going") {
  CAPTURE(seed);
  random::Stream stream(seed);
  SUBCASE("double") { check_rounds<double>(stream, plain, by_definition); }
  SUBCASE("float") { check_rounds<float>(stream, plain, by_definition); }
  SUBCASE("no momentum") {
    check_rounds<double>(
        stream, [] { return LeaveOneOutCosine({.momentum = 0}); }, [] { return Naive{.mu = 0}; });
  }
}

TEST_CASE("order, names, scales, views and threads do not matter") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  SUBCASE("order") { check_order<double>(stream, plain); }
  SUBCASE("names") { check_renaming<double>(stream, plain, by_definition); }
  SUBCASE("scales") { check_own_scales(stream, plain, by_definition); }
  SUBCASE("views") { check_views<float>(stream, plain); }
  SUBCASE("threads") { check_threads<float>(stream, plain); }
  SUBCASE("rotation") { check_rotation(stream, plain, by_definition); }
}

TEST_CASE("rounds by hand") {
  LeaveOneOutCosine scorer({.momentum = 0.75});
  const double half = std::sqrt(0.5);
  near(values_of(scorer, {{1, {3, 0}}, {2, {0, 0.1}}, {3, {2, 2}}}),
       {half / std::sqrt(2 + 2 * half), half / std::sqrt(2 + 2 * half), 1});
  const double first = half / std::sqrt(2 + 2 * half);
  // The second is away; a newcomer starts at its first cosine.
  near(values_of(scorer, {{1, {1, 0}}, {3, {-1, 0}}, {4, {0, 0}}}), {0.75 * first - 0.25, 0.5, 0});
  near(values_of(scorer, {{2, {5, 5}}, {4, {1, 1}}}), {0.75 * first + 0.25, 0.25});
  near(values_of(scorer, {{4, {1, 1}}}), {0.75 * 0.25});  // alone
}

TEST_CASE("others that cancel have no direction") {
  LeaveOneOutCosine scorer;
  near(values_of(scorer, {{1, {1, 2}}, {2, {2, 4}}, {3, {-1, -2}}}), {0, 0, -1});
}

TEST_CASE("clients as many as can be compared in pairs, and more, copies and opposites among them") {
  CAPTURE(seed);
  random::Stream stream(seed, 5);
  for (const std::size_t pool : {most_in_pairs, most_in_pairs + 1, 2 * most_in_pairs}) {
    CAPTURE(pool);
    Federation<float> federation(stream, {3, 4, 5, true}, pool);
    LeaveOneOutCosine scorer;
    Naive right;
    for (int r = 0; r < 3; ++r) {
      const Sent<float> sent = federation.next(r == 1 ? 0 : pool);
      check_scores(scorer.observe(sent.round()), sent.naive(), right.observe(sent.naive()));
    }
  }
}

TEST_CASE("noise is near 0, who turns against the others far below") {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  const Values common = normals(stream, 10000);
  std::map<int, Values> updates;
  for (int id = 0; id < 6; ++id) {
    updates[id] = normals(stream, 10000);
    for (std::size_t k = 0; k < 10000; ++k)
      updates[id][k] += id == 0 ? 0.0 : id == 1 ? -common[k] : common[k];
  }
  LeaveOneOutCosine scorer;
  const Values values = values_of(scorer, updates);
  CHECK(std::abs(values[0]) < 5 / std::sqrt(10000.0));
  CHECK(values[1] < -0.5);
  for (int id = 2; id < 6; ++id) CHECK(values[static_cast<std::size_t>(id)] > 0.3);
}

TEST_CASE("a refused round leaves the state as it was; an empty one has no scores") {
  CAPTURE(seed);
  random::Stream stream(seed, 3);
  Federation<double> federation(stream, {});
  LeaveOneOutCosine scorer;
  scorer.observe(federation.next().round());
  const Values x{1, 2}, longer{1, 2, 3}, nan{1, std::nan("")};
  const auto round_of = [&](const Values& second) {
    Round round;
    round.add(1, {.update = x});
    round.add(2, {.update = second});
    return round;
  };
  check_refused(scorer, round_of(nan), "client 2: update[1] is NaN");
  check_refused(scorer, round_of(longer),
                "client 2: update has 3 entries (shape [3]), client 1: update has 2 (shape [2])");
  Round absent;
  absent.add("a", {});
  check_refused(scorer, absent, "client a: LeaveOneOutCosine needs update, which was not given");
  check_empty(scorer);
}

TEST_CASE("a saved score goes on with the same bits, and with no other momentum") {
  CAPTURE(seed);
  random::Stream stream(seed, 4);
  Federation<double> federation(stream, {});
  LeaveOneOutCosine scorer, restored, other({.momentum = 0.5});
  for (int r = 0; r < 4; ++r) scorer.observe(federation.next().round());
  restore(save(scorer), restored);
  for (int r = 0; r < 3; ++r) {
    const Sent<double> sent = federation.next();
    check_same_bits(restored.observe(sent.round()), scorer.observe(sent.round()));
    CHECK(save(restored) == save(scorer));
  }
  CHECK(complaint_of([&] { restore(save(scorer), other); }) ==
        "state of LeaveOneOutCosine: saved with another momentum");
  for (const double momentum : {-0.1, 1.0, std::nan("")})
    CHECK(complaint_of([&] {
            LeaveOneOutCosine({.momentum = momentum});
          }).starts_with("LeaveOneOutCosine: momentum is "));
}
