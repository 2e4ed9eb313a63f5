#include "fedval/contribution/class_alignment.hpp"

#include "fedval/tensor/std.hpp"
#include "tests/contribution/score_properties.hpp"

using namespace fedval;
using namespace fedval::tests;

namespace {

constexpr std::uint64_t seed = 631;

const auto plain = [] { return ClassAlignment(); };
const auto by_definition = [] { return naive::ClassAlignment(); };

using Rows = std::vector<Values>;
using Cosines = std::vector<Values>;

/// Layers without bias, all of a size.
Cosines cosines_of(const std::vector<Rows>& layers, const Values& weights) {
  Round round;
  for (std::size_t i = 0; i < layers.size(); ++i) round.add(i, {.final_weight = layers[i]});
  return class_cosines(round, weights, "test");
}

void check_near(const Cosines& a, const Cosines& b, double tolerance = 4e-16) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(i);
    REQUIRE(a[i].size() == b[i].size());
    for (std::size_t c = 0; c < a[i].size(); ++c) {
      CAPTURE(c);
      INFO(a[i][c], " and ", b[i][c]);
      CHECK(std::abs(a[i][c] - b[i][c]) <= tolerance);
    }
  }
}

Rows integers(random::Stream& stream, std::size_t rows = 3, std::size_t columns = 5) {
  Rows result(rows, Values(columns));
  for (Values& row : result)
    for (double& value : row) value = static_cast<double>(stream.below(17)) - 8;
  return result;
}

Rows scaled(Rows rows, double factor) {
  for (Values& row : rows)
    for (double& value : row) value *= factor;
  return rows;
}

}  // namespace

TEST_CASE("scores are the definition's, clients coming and going") {
  CAPTURE(seed);
  random::Stream stream(seed);
  SUBCASE("double") { check_rounds<double>(stream, plain, by_definition); }
  SUBCASE("float") { check_rounds<float>(stream, plain, by_definition); }
  SUBCASE("raw, with momentum") {
    check_rounds<double>(
        stream, [] { return ClassAlignment({.momentum = 0.9, .raw = true}); },
        [] { return naive::ClassAlignment{.mu = 0.9, .raw = true}; });
  }
}

TEST_CASE("cosines with weights of any sign and scale are the definition's") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  for (const Layer& layer : layers()) {
    Federation<double> federation(stream, layer);
    for (int r = 0; r < 5; ++r) {
      const Sent<double> sent = federation.next();
      const Values weights = normals(stream, sent.clients.size());
      naive::Estimates exact;
      for (const double w : weights) exact.push_back({w, 0});
      const std::vector<naive::Estimates> expected = naive::class_cosines(sent.naive(), exact);
      for (const double scale : {1.0, 1e-200, 1e200}) {
        Values scaled_weights = weights;
        for (double& w : scaled_weights) w *= scale;
        const Cosines cosines = class_cosines(sent.round(), scaled_weights, "test");
        REQUIRE(cosines.size() == expected.size());
        for (std::size_t i = 0; i < cosines.size(); ++i) {
          REQUIRE(cosines[i].size() == expected[i].size());
          for (std::size_t c = 0; c < cosines[i].size(); ++c) {
            CAPTURE(scale);
            INFO(cosines[i][c], ", naive ", naive::d(expected[i][c].value));
            CHECK(std::abs(cosines[i][c] - naive::d(expected[i][c].value)) <= 2 * expected[i][c].error);
          }
        }
      }
    }
  }
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

TEST_CASE("a common scale and sign do not matter") {
  CAPTURE(seed);
  random::Stream stream(seed, 3);
  for (const double scale : {1e30, -1e-30, 1e200, -1e-200, 1e-290}) {
    CAPTURE(scale);
    check_invariance<double>(stream, {}, plain, by_definition, [&](const Sent<double>& sent) {
      return sent.changed([&](const Upload<double>& upload) { return upload.scaled(scale); });
    });
  }
}

TEST_CASE("a common power of two changes no bit, down to the smallest numbers and beside a row of zeros") {
  CAPTURE(seed);
  random::Stream stream(seed, 4);
  for (int trial = 0; trial < 20; ++trial) {
    CAPTURE(trial);
    std::vector<Rows> layers;
    for (int i = 0; i < 4; ++i) layers.push_back(integers(stream));
    if (trial % 2 == 0) layers[1][2].assign(5, 0.0);
    const Values weights{0.3, 0.25, 0.25, 0.2};
    const Cosines right = cosines_of(layers, weights);
    for (const double scale : {0x1p-1070, 0x1p-1040, 0x1p-700, 0x1p700, 0x1p1020}) {
      CAPTURE(scale);
      std::vector<Rows> other = layers;
      for (Rows& rows : other) rows = scaled(rows, scale);
      check_near(cosines_of(other, weights), right, 0);
    }
  }
}

TEST_CASE("who has no weight does not matter to the others, however large") {
  CAPTURE(seed);
  random::Stream stream(seed, 5);
  const Rows a = integers(stream), b = integers(stream), c = integers(stream);
  const Cosines right = cosines_of({a, b}, {0.5, 1});
  for (const double scale : {1.0, 1e100, 1e300}) {
    CAPTURE(scale);
    Cosines with = cosines_of({scaled(a, 1e-50), scaled(b, 1e-50), scaled(c, scale)}, {0.5, 1, 0});
    with.pop_back();
    check_near(with, right, 1e-15);
  }
}

TEST_CASE("cosines by hand") {
  const double half = std::sqrt(0.5);
  const Rows x{{1, 0}, {0, 2}}, y{{0, 1}, {0, 1}}, zero{{0, 0}, {0, 0}};
  check_near(cosines_of({x}, {1}), {{1, 1}});
  check_near(cosines_of({x, x, x}, {1, 1, 1}), {{1, 1}, {1, 1}, {1, 1}});
  check_near(cosines_of({x, y}, {1, 1}), {{half, 1}, {half, 1}});
  check_near(cosines_of({x, y}, {3, 4}), {{0.6, 1}, {0.8, 1}});
  check_near(cosines_of({x, scaled(x, -1)}, {1, 1}), {{0, 0}, {0, 0}});
  check_near(cosines_of({x, scaled(x, -1)}, {2, 1}), {{1, 1}, {-1, -1}});
  check_near(cosines_of({x, zero}, {1, 1}), {{1, 1}, {0, 0}});
  check_near(cosines_of({zero, zero}, {1, 1}), {{0, 0}, {0, 0}});
  check_near(cosines_of({x, y}, {0, 0}), {{0, 0}, {0, 0}});
  check_near(cosines_of({x, y}, {-1, 0}), {{-1, -1}, {0, -1}});
}

TEST_CASE("the bias is the last entry of its class's row") {
  const Rows weight{{3, 0}, {0, 1}}, other{{3, 0}, {0, 1}};
  const Values bias{4, 0}, none{0, 0};
  Round round;
  round.add(1, {.final_weight = weight, .final_bias = bias});
  round.add(2, {.final_weight = other, .final_bias = none});
  // (3, 0, 4) and (3, 0, 0): the mean is (6, 0, 4).
  const double length = std::sqrt(52.0);
  check_near(class_cosines(round, Values{1, 1}, "test"),
             {{(18 + 16) / (5 * length), 1}, {18 / (3 * length), 1}}, 4e-16);
}

TEST_CASE("alignment is the mean over the classes") {
  CHECK(alignment(Values{1, 0, -1, 0.5}) == 0.5625);
  CHECK(alignment(Values{1, 0, -1, 0.5}, true) == 0.125);
  CHECK(alignment(Values{-1}) == 0);
  CHECK(alignment(Values{}) == 0);
}

TEST_CASE("defined cases") {
  const Rows x{{1, 0}, {0, 2}}, minus{{-1, 0}, {0, -2}}, zero{{0, 0}, {0, 0}};
  const auto scores = [](const std::vector<const Rows*>& layers, bool raw = false) {
    Round round;
    for (std::size_t i = 0; i < layers.size(); ++i) round.add(i, {.final_weight = *layers[i]});
    Values values;
    for (const auto& [id, score] : ClassAlignment({.raw = raw}).observe(round)) {
      values.push_back(score.value);
      CHECK(std::isnan(score.variance));
    }
    return values;
  };
  CHECK(scores({&x}) == Values{1});
  CHECK(scores({&x}, true) == Values{1});
  CHECK(scores({&zero}) == Values{0.5});
  CHECK(scores({&zero, &zero}, true) == Values{0, 0});
  CHECK(scores({&x, &minus}) == Values{0.5, 0.5});  // the mean is zero
  CHECK(scores({&x, &x, &minus}) == Values{1, 1, 0});
  CHECK(scores({&x, &x, &minus}, true) == Values{1, 1, -1});
  CHECK(scores({&x, &zero}) == Values{1, 0.5});
}

TEST_CASE("the averages of those away stay, and a newcomer's starts at its first value") {
  const Rows x{{1}}, minus{{-1}};
  ClassAlignment scorer({.momentum = 0.75, .raw = true});
  const auto observe = [&](const std::map<int, const Rows*>& clients) {
    Round round;
    for (const auto& [id, rows] : clients) round.add(id, {.final_weight = *rows});
    Values values;
    for (const auto& [id, score] : scorer.observe(round)) values.push_back(score.value);
    return values;
  };
  CHECK(observe({{1, &x}, {2, &x}, {3, &minus}}) == Values{1, 1, -1});
  CHECK(observe({{1, &x}, {2, &minus}, {4, &x}}) == Values{1, 0.5, 1});
  CHECK(observe({{3, &x}}) == Values{-0.5});
  CHECK(observe({{2, &x}, {3, &x}}) == Values{0.625, -0.125});
}

TEST_CASE("an empty round changes nothing") {
  CAPTURE(seed);
  random::Stream stream(seed, 6);
  Federation<double> federation(stream, {});
  ClassAlignment scorer({.momentum = 0.5});
  check_empty(scorer);
  scorer.observe(federation.next(5).round());
  check_empty(scorer);
}

TEST_CASE("what is refused is named, and as if it had never been") {
  CAPTURE(seed);
  random::Stream stream(seed, 7);
  Federation<double> federation(stream, {4, 7, 9, true});
  ClassAlignment scorer({.momentum = 0.5}), untouched({.momentum = 0.5});
  const Sent<double> first = federation.next(6);
  for (ClassAlignment* each : {&scorer, &untouched}) each->observe(first.round());
  const Sent<double> next = federation.next(6);
  const ClientId id = std::prev(next.clients.end())->first, ahead = next.clients.begin()->first;
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
  const Values flat(28, 1.0), five(5, 1.0);
  const RowMatrix<double> other_shape = RowMatrix<double>::Ones(7, 4);
  check_refused(scorer, with([](ClientParts& parts) { parts.final_weight = {}; }),
                name + ": ClassAlignment needs final_weight, which was not given");
  check_refused(scorer, with([](ClientParts& parts) { parts.final_bias = {}; }),
                name + ": ClassAlignment needs final_bias, which client " + ahead.text() + " gave");
  check_refused(scorer, with([&](ClientParts& parts) { parts.final_weight = flat; }),
                name + ": final_weight has shape [28], expected a matrix");
  check_refused(
      scorer, with([&](ClientParts& parts) { parts.final_weight = other_shape; }),
      name + ": final_weight has shape [7, 4], client " + ahead.text() + ": final_weight has [4, 7]");
  check_refused(scorer, with([&](ClientParts& parts) { parts.final_bias = five; }),
                name + ": final_bias has 5 entries for 4 classes");
  for (const auto& [value, is] :
       std::map<double, std::string>{{INFINITY, " is infinite"}, {-INFINITY, " is -infinite"}}) {
    Sent<double> bad = next;
    bad.clients[id].weight(2, 5) = value;
    check_refused(scorer, bad.round(), name + ": final_weight[2, 5]" + is);
    bad = next;
    bad.clients[id].bias[3] = value;
    check_refused(scorer, bad.round(), name + ": final_bias[3]" + is);
  }
  Sent<double> bad = next;
  bad.clients[id].weight(0, 0) = NAN;
  bad.clients[id].weight(3, 6) = NAN;
  check_refused(scorer, bad.round(), name + ": final_weight[0, 0] is NaN");
  CHECK(complaint_of([&] {
          class_cosines(next.round(), Values{1, 2}, "test");
        }) == "test: 2 weights for 6 clients");
  // The update is not asked for.
  CHECK(scorer.observe(with([](ClientParts& parts) { parts.update = {}; })).size() == 6);
  check_same_bits(untouched.observe(next.round()), ClassAlignment(untouched).observe(next.round()));
}

TEST_CASE("weights that are not finite are refused") {
  const Rows x{{1, 2}};
  for (const double bad : {double(NAN), double(INFINITY)})
    CHECK_THROWS_AS(cosines_of({x, x}, {1, bad}), Error);
}

TEST_CASE("the momentum must be in [0, 1)") {
  for (const double momentum : {-0.1, 1.0, std::nan("")})
    CHECK(complaint_of([&] {
            ClassAlignment({.momentum = momentum});
          }).starts_with("ClassAlignment: momentum"));
}
