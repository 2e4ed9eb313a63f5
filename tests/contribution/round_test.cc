#include "fedval/contribution/round.hpp"

#include <doctest/doctest.h>

#include "fedval/contribution/cosine_gradient_shapley.hpp"
#include "fedval/contribution/spectral_fed.hpp"
#include "fedval/tensor/std.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using tests::complaint_of;
using tests::Values;

namespace {

std::vector<std::string> ids(const Round& round) {
  std::vector<std::string> result;
  for (const auto& client : round.clients()) result.push_back(client.id.text());
  return result;
}

}  // namespace

TEST_CASE("numbers come in their order, names after them") {
  CHECK(ClientId(2) < ClientId(10));
  CHECK(ClientId("2") == ClientId(2));
  CHECK(ClientId(99) < ClientId("alice"));
  CHECK(ClientId("alice") < ClientId("bob"));
  CHECK(ClientId("client10") < ClientId("client2"));  // a name is a text
  CHECK(ClientId("") > ClientId(7));
  CHECK(ClientId("1e5") > ClientId(200000));
  CHECK(ClientId(std::uint64_t{18446744073709551615u}) > ClientId(std::uint64_t{9223372036854775808u}));
  CHECK(ClientId(std::string("7")).text() == "7");
}

TEST_CASE("the order of ids is strict and total") {
  const std::vector<ClientId> sorted{0, 2, 9, 10, 11, 100, "", "10a", "Zoe", "a", "ab", "b"};
  for (std::size_t i = 0; i < sorted.size(); ++i)
    for (std::size_t j = 0; j < sorted.size(); ++j) {
      CAPTURE(sorted[i].text());
      CAPTURE(sorted[j].text());
      CHECK((sorted[i] < sorted[j]) == (i < j));
      CHECK((sorted[i] == sorted[j]) == (i == j));
    }
}

TEST_CASE("clients stand in the order of their ids, whatever the order of arrival") {
  std::vector<std::string> names{"2", "3", "10", "20", "100", "a", "b"}, arrival = names;
  random::Stream stream(121);
  for (int i = 0; i < 20; ++i) {
    stream.shuffle(std::span(arrival));
    Round round;
    for (const std::string& name : arrival) round.add(name, {});
    CHECK(ids(round) == names);
  }
}

TEST_CASE("a client that is refused leaves the round as it was") {
  const Values update{1};
  Round round;
  round.add(3, {.update = update}, 5);
  CHECK(complaint_of([&] { round.add("3", {}); }) == "client 3: is in the round already");
  CHECK(complaint_of([&] { round.add(4, {}, -1); }) ==
        "client 4: has -1 samples, must be a finite number >= 0");
  CHECK_THROWS_AS(round.add(5, {}, std::nan("")), Error);
  CHECK_THROWS_AS(round.add(6, {}, std::numeric_limits<double>::infinity()), Error);
  CHECK(ids(round) == std::vector<std::string>{"3"});
  CHECK(round.clients()[0].samples == 5);
  CHECK(round.clients()[0].parts.update.given());
  round.add(4, {}, 0);
  CHECK(round.size() == 2);
}

TEST_CASE(
    "many clients added at once stand as if they had come one by one; who is refused takes all with him") {
  constexpr std::uint64_t seed = 122;
  CAPTURE(seed);
  random::Stream stream(seed);
  std::vector<std::string> names{"2", "3", "10", "20", "100", "a", "b"};
  for (int i = 0; i < 50; ++i) {
    stream.shuffle(std::span(names));
    Round one_by_one, at_once;
    std::vector<Round::Client> many;
    const std::size_t first = stream.below(names.size() + 1);
    for (std::size_t k = 0; k < names.size(); ++k) {
      const auto samples = static_cast<double>(k);
      one_by_one.add(names[k], {}, samples);
      if (k < first) at_once.add(names[k], {}, samples);
      if (k >= first) many.push_back({names[k], {}, samples});
    }
    at_once.add(many);
    CHECK(ids(at_once) == ids(one_by_one));
    for (std::size_t k = 0; k < names.size(); ++k)
      CHECK(at_once.clients()[k].samples == one_by_one.clients()[k].samples);
  }
  Round round;
  round.add(3, {});
  CHECK(complaint_of([&] { round.add({{5, {}, 1}, {3, {}, 1}}); }) == "client 3: is in the round already");
  CHECK(complaint_of([&] {
          round.add({{5, {}, 1}, {4, {}, 1}, {5, {}, 2}});
        }) == "client 5: is in the round already");
  CHECK(complaint_of([&] {
          round.add({{5, {}, 1}, {4, {}, -1}});
        }) == "client 4: has -1 samples, must be a finite number >= 0");
  CHECK(ids(round) == std::vector<std::string>{"3"});
  round.add(std::vector<Round::Client>{});
  CHECK(round.size() == 1);
}

TEST_CASE("a part that is absent is an error that names the client, the part and the score") {
  const Values update{1, 2};
  Round round;
  round.add(1, {.update = update});
  round.add("edge", {});
  CHECK(complaint_of([&] { CosineGradientShapley().observe(round); }) ==
        "client edge: CGSV needs update, which was not given");
  CHECK(complaint_of([&] { SpectralFed().observe(round); }) ==
        "client 1: SpectralFed needs final_weight, which was not given");
}

TEST_CASE("parts come in the order of ids with the names that messages use") {
  const Values two{2}, ten{10};
  Round round;
  round.add(10, {.update = ten});
  round.add(2, {.update = two});
  const Round::Parts parts = round.parts(&ClientParts::update, "update", "test");
  CHECK(parts.names == std::vector<std::string>{"client 2: update", "client 10: update"});
  REQUIRE(parts.tensors.size() == 2);
  double first = 0;
  parts.tensors[0].read(0, {&first, 1});
  CHECK(first == 2);
}

TEST_CASE("a score without an error model says so") {
  CHECK(std::isnan(Score{1.0}.variance));
  CHECK(std::isnan(Score{1.0}.deviation()));
  CHECK(Score{1.0, 4.0}.deviation() == 2);
}
