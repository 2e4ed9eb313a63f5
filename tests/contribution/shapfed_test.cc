#include "fedval/contribution/shapfed.hpp"

#include "fedval/tensor/std.hpp"
#include "tests/contribution/score_properties.hpp"

using namespace fedval;
using namespace fedval::tests;

namespace {

constexpr std::uint64_t seed = 641;

const auto plain = [] { return ShapFed(); };
const auto by_definition = [] { return naive::ShapFed(); };

using Rows = std::vector<Values>;

Round round_of(const std::map<int, const Rows*>& clients) {
  Round round;
  for (const auto& [id, rows] : clients) round.add(id, {.final_weight = *rows});
  return round;
}

Values values_of(const Scores& scores) {
  Values values;
  for (const auto& [id, score] : scores) values.push_back(score.value);
  return values;
}

const Rows x{{1, 0}, {0, 2}}, y{{0, 1}, {0, 1}}, minus{{-1, 0}, {0, -2}}, zero{{0, 0}, {0, 0}};

}  // namespace

TEST_CASE("gamma is the definition's, clients coming and going") {
  CAPTURE(seed);
  random::Stream stream(seed);
  SUBCASE("double") { check_rounds<double>(stream, plain, by_definition); }
  SUBCASE("float") { check_rounds<float>(stream, plain, by_definition); }
  SUBCASE("no momentum") {
    check_rounds<double>(
        stream, [] { return ShapFed({.momentum = 0}); }, [] { return naive::ShapFed{.mu = 0}; });
  }
}

TEST_CASE("classes, weights and shares follow gamma") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  Federation<double> federation(stream, {});
  ShapFed scorer;
  naive::ShapFed right;
  std::size_t clamped = 0;
  for (int r = 0; r < 30; ++r) {
    CAPTURE(r);
    Sent<double> sent = federation.next();
    if (sent.clients.contains(8)) sent.clients.at(8) = sent.clients.at(8).scaled(-1);  // always flips
    const Round round = sent.round();
    scorer.observe(round);
    const naive::Estimates gamma = right.observe(sent.naive()), weights = right.weights(sent.naive());
    naive::Real best = 0;
    std::size_t negative = 0;
    for (const naive::Estimate& value : gamma) {
      best = std::max(best, value.value);
      negative += value.value < 0;
    }
    const ShapFed::Weights found = scorer.weights(round);
    const Values shares = scorer.shares(round);
    CHECK(found.clamped == negative);
    CHECK_FALSE(found.uniform);
    clamped += negative;
    double sum = 0;
    for (std::size_t i = 0; i < gamma.size(); ++i) {
      CAPTURE(i);
      CHECK(std::abs(found.values[i] - naive::d(weights[i].value)) <= weights[i].error);
      const double share = naive::d(std::max<naive::Real>(0, gamma[i].value) / best);
      CHECK(std::abs(shares[i] - share) <= 4 * gamma[i].error / naive::d(best) + 4 * naive::unit);
      sum += found.values[i];
    }
    CHECK(std::abs(sum - 1) < 1e-14);
    REQUIRE(scorer.classes().size() == right.classes.size());
    for (const auto& [id, cosines] : right.classes)
      for (std::size_t c = 0; c < cosines.size(); ++c)
        CHECK(std::abs(scorer.classes().at(id)[c] - naive::d(cosines[c].value)) <= cosines[c].error);
  }
  CHECK(clamped > 3);
}

TEST_CASE("order, names, views, threads and a rotation of the features do not matter") {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  SUBCASE("order") { check_order<double>(stream, plain); }
  SUBCASE("names") { check_renaming<double>(stream, plain, by_definition); }
  SUBCASE("views") { check_views<float>(stream, plain); }
  SUBCASE("threads") { check_threads<float>(stream, plain); }
  SUBCASE("rotation") { check_rotation(stream, plain, by_definition); }
}

TEST_CASE("a common scale and sign do not matter: gradients and differences of weights give the same") {
  CAPTURE(seed);
  random::Stream stream(seed, 3);
  for (const double scale : {-1.0, 1e30, -1e-30, 1e200, -1e-200})
    check_invariance<double>(stream, {}, plain, by_definition, [&](const Sent<double>& sent) {
      return sent.changed([&](const Upload<double>& upload) { return upload.scaled(scale); });
    });
}

TEST_CASE("three rounds by hand") {
  ShapFed scorer({.momentum = 0.5});
  const auto near = [](const Values& a, const Values& b) {
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::abs(a[i] - b[i]) < 1e-15);
  };
  // Uniform at first: class means (1, 1) / 2 and (0, 3) / 2.
  const double half = std::sqrt(0.5), first = (half + 1) / 2;
  const Round both = round_of({{1, &x}, {2, &y}});
  near(values_of(scorer.observe(both)), {first, first});
  near(scorer.weights(both).values, {0.5, 0.5});
  near(scorer.shares(both), {1, 1});
  // The third comes with the mean of the others: weights 1/3. Class means (1 - 1, 1) / 3 and (0, 2 + 1 - 2)
  // / 3.
  const Round three = round_of({{1, &x}, {2, &y}, {3, &minus}});
  near(values_of(scorer.observe(three)), {(first + 0.5) / 2, (first + 1) / 2, -0.5});
  const ShapFed::Weights weights = scorer.weights(three);
  const double sum = first + 0.75;
  near(weights.values, {(first + 0.5) / 2 / sum, (first + 1) / 2 / sum, 0});
  CHECK(weights.clamped == 1);
  CHECK_FALSE(weights.uniform);
  near(scorer.shares(three), {(first + 0.5) / (first + 1), 1, 0});
  // A client of weight 0 is no part of the aggregate: of the first and the third, the first is alone in it.
  near(values_of(scorer.observe(round_of({{1, &x}, {3, &minus}}))), {(first + 0.5) / 4 + 0.5, -0.75});
  CHECK(scorer.classes().size() == 3);
  CHECK(scorer.classes().at(2) == scorer.classes().at(2));
  near(scorer.classes().at(3), {-0.5, -1});
}

TEST_CASE(
    "where no gamma is positive, weights are uniform and everyone receives all, and the result says so") {
  ShapFed scorer;
  const Round opposed = round_of({{1, &x}, {2, &minus}, {3, &zero}, {4, &zero}});
  CHECK(values_of(scorer.observe(opposed)) == Values{0, 0, 0, 0});
  const ShapFed::Weights weights = scorer.weights(opposed);
  CHECK(weights.values == Values{0.25, 0.25, 0.25, 0.25});
  CHECK(weights.uniform);
  CHECK(weights.clamped == 0);
  CHECK(scorer.shares(opposed) == Values{1, 1, 1, 1});
  CHECK(values_of(scorer.observe(opposed)) == Values{0, 0, 0, 0});

  ShapFed negative({.momentum = 0});
  negative.observe(round_of({{1, &x}, {2, &x}, {3, &minus}}));
  const Round one = round_of({{3, &minus}});
  CHECK(negative.weights(one).clamped == 1);
  CHECK(negative.weights(one).uniform);
  CHECK(negative.weights(one).values == Values{1});
  CHECK(negative.shares(one) == Values{1});
  CHECK(values_of(negative.observe(one)) == Values{1});  // alone it is the aggregate
}

TEST_CASE("one client, identical clients, zeros") {
  CHECK(values_of(ShapFed().observe(round_of({{1, &x}}))) == Values{1});
  CHECK(values_of(ShapFed().observe(round_of({{1, &zero}}))) == Values{0});
  for (const double value : values_of(ShapFed().observe(round_of({{1, &x}, {2, &x}, {3, &x}}))))
    CHECK(std::abs(value - 1) < 1e-15);
}

TEST_CASE("a client receives its share of the aggregate") {
  const std::vector<float> theta{1, -2, 4};
  std::vector<float> own{3, 2, 0};
  ShapFed::personalise(0.25, theta, own);
  CHECK(own == std::vector<float>{2.5f, 1, 1});
  ShapFed::personalise(0, theta, own);
  CHECK(own == std::vector<float>{2.5f, 1, 1});
  ShapFed::personalise(1, theta, own);
  CHECK(own == theta);
  const std::vector<float> longer{1, 2, 3, 4};
  for (const double share : {-0.01, 1.01, std::nan("")})
    CHECK(complaint_of([&] { ShapFed::personalise(share, theta, own); }).starts_with("ShapFed: share is"));
  CHECK_THROWS_AS(ShapFed::personalise(0.5, longer, own), Error);
  CHECK(own == theta);
}

TEST_CASE("an empty round changes nothing") {
  ShapFed scorer;
  check_empty(scorer);
  scorer.observe(round_of({{1, &x}, {2, &y}}));
  check_empty(scorer);
  CHECK(scorer.weights(Round()).values.empty());
  CHECK(scorer.shares(Round()).empty());
}

TEST_CASE("what is refused is named, and as if it had never been") {
  CAPTURE(seed);
  random::Stream stream(seed, 4);
  Federation<double> federation(stream, {4, 7, 9, true});
  ShapFed scorer, untouched;
  const Sent<double> first = federation.next(6);
  for (ShapFed* each : {&scorer, &untouched}) each->observe(first.round());
  const Sent<double> next = federation.next(6);
  const ClientId id = std::prev(next.clients.end())->first;
  const std::string name = "client " + id.text();
  const auto with = [&](auto&& change) {
    Round round;
    for (const auto& [other, upload] : next.clients) {
      ClientParts parts = upload.parts();
      if (other == id) change(parts);
      round.add(other, parts);
    }
    return round;
  };
  check_refused(scorer, with([](ClientParts& parts) { parts.final_weight = {}; }),
                name + ": ShapFed needs final_weight, which was not given");
  check_refused(
      scorer, with([](ClientParts& parts) { parts.final_bias = {}; }),
      name + ": ShapFed needs final_bias, which client " + next.clients.begin()->first.text() + " gave");
  const Values five(5, 1.0);
  check_refused(scorer, with([&](ClientParts& parts) { parts.final_bias = five; }),
                name + ": final_bias has 5 entries for 4 classes");
  Sent<double> bad = next;
  bad.clients[id].weight(2, 5) = NAN;
  check_refused(scorer, bad.round(), name + ": final_weight[2, 5] is NaN");
  bad = next;
  bad.clients[id].bias[1] = -INFINITY;
  check_refused(scorer, bad.round(), name + ": final_bias[1] is -infinite");
  check_same_bits(scorer.observe(next.round()), untouched.observe(next.round()));

  // Another number of classes than a client had.
  const Rows five_classes(5, Values{1, 2});
  const ClientId known = next.clients.begin()->first;
  Round changed;
  changed.add(known, {.final_weight = five_classes});
  check_refused(scorer, changed,
                "client " + known.text() + ": final_weight has 5 classes, had 4 in an earlier round");
  Round mixed;
  mixed.add("newcomer", {.final_weight = five_classes});
  mixed.add(known, {.final_weight = five_classes});
  check_refused(scorer, mixed,
                "client " + known.text() + ": final_weight has 5 classes, had 4 in an earlier round");
  Round unknown;
  unknown.add("newcomer", {.final_weight = five_classes});
  CHECK(complaint_of([&] { scorer.weights(unknown); }) == "client newcomer: ShapFed has not observed it yet");
  CHECK(complaint_of([&] { scorer.shares(unknown); }) == "client newcomer: ShapFed has not observed it yet");
}

TEST_CASE("the momentum must be in [0, 1)") {
  for (const double momentum : {-0.1, 1.0, std::nan("")})
    CHECK(complaint_of([&] { ShapFed({.momentum = momentum}); }).starts_with("ShapFed: momentum"));
}
