#include "fedval/contribution/client_states.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using tests::bits;
using tests::complaint_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 607;
constexpr double unit = 0x1p-53;

Round round_of(const std::vector<ClientId>& ids) {
  Round round;
  for (const ClientId& id : ids) round.add(id, {});
  return round;
}

}  // namespace

TEST_CASE("first states are equal shares, newcomers' the mean of all known, those away included") {
  ClientStates states;
  CHECK(states.empty());
  CHECK(states.of(round_of({})).empty());
  CHECK(states.of(round_of({"a"})) == Values{1});
  CHECK(states.of(round_of({"a", "b", "c", "d"})) == Values(4, 0.25));
  CHECK(states.empty());  // who asks sets nothing

  states.set(round_of({"c", "a"}), {2, 4});  // in the order of the ids: a 2, c 4
  CHECK_FALSE(states.empty());
  CHECK(states.of(round_of({"a", "b", "c"})) == Values{2, 3, 4});
  CHECK(states.of(round_of({"b", "x"})) == Values{3, 3});
  CHECK(states.of(round_of({})).empty());
  states.set(round_of({"b"}), {9});
  CHECK(states.of(round_of({"z", "a", "b", "c"})) == Values{2, 9, 4, 5});
  states.set(round_of({}), {});
  states.set(round_of({"a", "c"}), {0, 0});
  CHECK(states.all() == std::map<ClientId, double>{{"a", 0}, {"b", 9}, {"c", 0}});
  CHECK(states.of(round_of({"new"})) == Values{3});
}

TEST_CASE("whoever comes, the states are a plain table's") {
  CAPTURE(seed);
  random::Stream stream(seed);
  ClientStates states;
  std::vector<std::pair<std::uint64_t, double>> table;  // in the order of arrival
  for (int r = 0; r < 200; ++r) {
    CAPTURE(r);
    std::vector<ClientId> ids;
    std::vector<std::uint64_t> numbers;
    for (std::uint64_t id = 0; id < 25; ++id)
      if (stream.below(4) == 0) numbers.push_back(id);
    stream.shuffle(std::span(numbers));
    for (const std::uint64_t id : numbers) ids.emplace_back(id);
    const Round round = round_of(ids);
    std::sort(numbers.begin(), numbers.end());
    const Values found = states.of(round);
    REQUIRE(found.size() == numbers.size());
    long double known = 0, most = 0;
    for (const auto& [id, value] : table) {
      known += value;
      most = std::max(most, std::abs(static_cast<long double>(value)));
    }
    const auto count = static_cast<long double>(table.empty() ? numbers.size() : table.size());
    const long double newcomer = (table.empty() ? 1 : known) / count;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const auto place = std::find_if(table.begin(), table.end(),
                                      [&](const auto& entry) { return entry.first == numbers[i]; });
      if (place != table.end()) CHECK(found[i] == place->second);
      // A sum of 25 and a division.
      if (place == table.end())
        CHECK(std::abs(found[i] - static_cast<double>(newcomer)) <=
              26 * unit * static_cast<double>(1 + most));
    }
    const Values values = tests::normals(stream, numbers.size());
    states.set(round, values);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      std::erase_if(table, [&](const auto& entry) { return entry.first == numbers[i]; });
      table.emplace_back(numbers[i], values[i]);
    }
    CHECK(states.all().size() == table.size());
  }
}

TEST_CASE("averages: the first value starts, and its share fades as momentum^t") {
  for (const double mu : {0.0, 0.5, 0.9, 0.999}) {
    CAPTURE(mu);
    ClientAverages averages;
    const Round round = round_of({"a", "b"});
    CHECK(averages.empty());
    CHECK(averages.take(round_of({}), {}, mu).empty());
    CHECK(averages.empty());
    CHECK(averages.take(round, {3, -8}, mu) == Values{3, -8});
    CHECK_FALSE(averages.empty());
    for (int t = 1; t <= 50; ++t) {
      CAPTURE(t);
      const Values found = averages.take(round, {1, 2}, mu);
      const double share = std::pow(mu, t);
      // Three roundings a round of what is below 10, and old ones fade.
      CHECK(std::abs(found[0] - (1 + 2 * share)) <= 30 * t * unit);
      CHECK(std::abs(found[1] - (2 - 10 * share)) <= 30 * t * unit);
    }
  }
}

TEST_CASE("an average is its client's: those away keep it, newcomers start their own") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  ClientAverages together;
  std::vector<ClientAverages> alone(12);
  for (int r = 0; r < 60; ++r) {
    CAPTURE(r);
    std::vector<std::uint64_t> present;
    for (std::uint64_t id = 0; id < alone.size(); ++id)
      if (stream.below(3) == 0) present.push_back(id);
    std::vector<ClientId> ids(present.rbegin(), present.rend());  // whatever the order they come in
    const Values values = tests::normals(stream, present.size());
    const Values found = together.take(round_of(ids), values, 0.7);
    REQUIRE(found.size() == present.size());
    for (std::size_t i = 0; i < present.size(); ++i)
      CHECK(bits(found[i]) == bits(alone[present[i]].take(round_of({present[i]}), {values[i]}, 0.7)[0]));
  }
}

TEST_CASE("scores from values are of unknown error, in the order of the ids") {
  const Scores scores = make_scores(round_of({10, "b", 2}), {1, 2, 3});
  REQUIRE(scores.size() == 3);
  const std::vector<ClientId> ids{2, 10, "b"};
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(scores[i].first == ids[i]);
    CHECK(scores[i].second.value == static_cast<double>(i + 1));
    CHECK(std::isnan(scores[i].second.variance));
  }
  CHECK(make_scores(round_of({}), {}).empty());
}

TEST_CASE("a momentum outside [0, 1) is refused") {
  const auto complaint = [](double momentum) {
    return complaint_of([&] { check_momentum(momentum, "Score"); });
  };
  CHECK(complaint(1) == "Score: momentum is 1, must be in [0, 1)");
  CHECK(complaint(-0.25) == "Score: momentum is -0.25, must be in [0, 1)");
  CHECK(complaint(std::nan("")) == "Score: momentum is nan, must be in [0, 1)");
  CHECK(complaint(INFINITY) == "Score: momentum is inf, must be in [0, 1)");
  for (const double good : {0.0, 0.5, 1 - unit}) CHECK(complaint(good) == "no error");
}
