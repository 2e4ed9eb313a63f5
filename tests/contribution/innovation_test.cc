#include "fedval/contribution/innovation.hpp"

#include <numbers>

#include "fedval/tensor/std.hpp"
#include "tests/contribution/score_properties.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/threads.hpp"

using namespace fedval;
using namespace fedval::tests;

namespace {

constexpr std::uint64_t seed = 601;

Round round_of(const std::vector<Values>& updates, const Values& global = {}) {
  Round round;
  for (std::size_t i = 0; i < updates.size(); ++i) round.add(i, {.update = updates[i]});
  if (!global.empty()) round.global_update = global;
  return round;
}

Innovations look(const Round& round, const Innovations::Options& options = {}) {
  return {round, options, "test"};
}

/// The round does not outlive its updates.
Innovations look(const std::vector<Values>& updates, const Values& global = {}) {
  return look(round_of(updates, global));
}

using Indices = std::vector<std::size_t>;
Indices copies_of(const Innovations& news, std::size_t i) {
  return {news.copies(i).begin(), news.copies(i).end()};
}

void check_close(double value, const naive::Estimate& right) {
  INFO(value, ", naive ", naive::d(right.value), ", allowed ", right.error);
  CHECK(std::abs(value - naive::d(right.value)) <= right.error);
  CHECK(right.error < 2e-6);  // novelty near 0 is the root of a rounding error
}

void check_naive(const Innovations& news, const naive::Round& round, const naive::Innovations& right) {
  REQUIRE(news.size() == round.clients.size());
  for (std::size_t i = 0; i < news.size(); ++i) {
    CAPTURE(i);
    check_close(news.along_global(i), right.along[i]);
    check_close(news.novelty()[i], right.novelty[i]);
    check_close(news.agreement()[i], right.agreement[i]);
    CHECK(news.sends_news(i) == (right.v[i].norm() > 0));
    CHECK(copies_of(news, i) == right.copies[i]);
    for (std::size_t j = 0; j < news.size(); ++j)
      check_close(news.cosine(i, j), {right.cosine[i][j], right.cosine_error});
  }
}

template <class S>
void compare(std::uint64_t stream_of_seed) {
  random::Stream stream(seed, stream_of_seed);
  std::size_t with_copies = 0, without_news = 0;
  for (const Layer& layer : layers()) {
    Federation<S> federation(stream, layer);
    for (int r = 0; r < 12; ++r) {
      CAPTURE(r);
      const Sent<S> sent = federation.next();
      const naive::Round round = sent.naive();
      const naive::Innovations right(round);
      check_naive(look(sent.round()), round, right);
      for (std::size_t i = 0; i < round.clients.size(); ++i) {
        with_copies += !right.copies[i].empty();
        without_news += right.v[i].norm() == 0;
      }
    }
  }
  CHECK(with_copies > 10);  // or the rounds try too little
  CHECK(without_news > 10);
}

/// cos t along the first axis, sin t along axis `k`.
Values tilted(double t, std::size_t k, double scale = 1) {
  Values v(6, 0.0);
  v[0] = scale * std::cos(t);
  v[k] = scale * std::sin(t);
  return v;
}

}  // namespace

TEST_CASE("innovations are those of explicit vectors") {
  CAPTURE(seed);
  SUBCASE("double") { compare<double>(0); }
  SUBCASE("float") { compare<float>(1); }
}

TEST_CASE("other thresholds are followed") {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  Federation<double> federation(stream, {});
  for (int r = 0; r < 20; ++r) {
    const Sent<double> sent = federation.next();
    const double copy = 0.4 + 0.02 * r, least = 0.5 + 0.02 * r;
    CAPTURE(copy);
    const naive::Round round = sent.naive();
    check_naive(look(sent.round(), {.copy_cosine = copy, .least_novelty = least}), round,
                naive::Innovations(round, copy, least));
  }
}

TEST_CASE("a replayed global update brings nothing, whatever its scale and sign") {
  CAPTURE(seed);
  random::Stream stream(seed, 3);
  const Values g = normals(stream, 200);
  for (const double scale : {1.0, -1.0, 1e-7, 3.7e5, -1e30, 1e200, 1e-200}) {
    CAPTURE(scale);
    Values replay = g;
    for (double& value : replay) value *= scale;
    const Values a = normals(stream, 200), b = normals(stream, 200);
    const Innovations news = look({replay, a, b}, g);
    CHECK(news.novelty()[0] < 1e-6);  // root of 1 - cos^2, which is 202 units of 2^-53 at most
    CHECK_FALSE(news.sends_news(0));
    CHECK(news.agreement()[0] == 0);
    CHECK(news.cosine(0, 0) == 0);
    CHECK(news.copies(0).empty());
    // For the others it is not there.
    CHECK(std::abs(news.agreement()[1] - look({a, b}, g).agreement()[0]) < 1e-14);
  }
}

TEST_CASE("novelty is the sine of the angle to the global update") {
  for (const double t : {0.0501, 0.06, 0.3, 1.0, 1.5}) {
    CAPTURE(t);
    const Values g = tilted(0, 1), a = tilted(t, 1, 3.0), b = tilted(t + std::numbers::pi, 2);
    const Innovations news = look({a, b}, g);
    // The rounding of cos t, a unit at most, counts by cos t / sin t.
    CHECK(std::abs(news.novelty()[0] - std::sin(t)) < 8 * 0x1p-53 / std::sin(t));
    CHECK(std::abs(news.novelty()[1] - std::sin(t)) < 8 * 0x1p-53 / std::sin(t));
    CHECK(std::abs(news.along_global(0) - std::cos(t)) < 1e-15);
    CHECK(std::abs(news.along_global(1) + std::cos(t)) < 1e-15);
    CHECK(std::abs(news.cosine(0, 1)) < 1e-12);  // axes 1 and 2
    CHECK(news.sends_news(0));
  }
  const double edge = std::asin(0.05);
  CHECK_FALSE(look({tilted(edge - 1e-9, 1)}, tilted(0, 1)).sends_news(0));
  CHECK(look({tilted(edge + 1e-9, 1)}, tilted(0, 1)).sends_news(0));
  CHECK(look({tilted(0, 1)}).sends_news(0));  // nothing is old in the first round
}

TEST_CASE("copies are those with a cosine above the threshold") {
  const double edge = std::acos(0.95);
  const auto copies = [](double t, double scale) {
    return copies_of(look({tilted(0, 1), tilted(t, 1, scale), tilted(1.2, 3)}), 0);
  };
  for (const double scale : {1.0, 1e-30, 1e30, 1e-200, 1e200}) {
    CHECK(copies(edge - 1e-9, scale) == Indices{1});
    CHECK(copies(edge + 1e-9, scale).empty());
    CHECK(copies(edge - 1e-9, -scale).empty());
  }
  // b is between a and c: a copy of both, who are none of each other.
  const double step = 0.9 * edge;
  const Innovations chain = look({tilted(0, 1), tilted(step, 1), tilted(2 * step, 1)});
  CHECK(copies_of(chain, 0) == Indices{1});
  CHECK(copies_of(chain, 1) == Indices{0, 2});
  CHECK(copies_of(chain, 2) == Indices{1});
  CHECK(std::abs(chain.agreement()[0] - std::cos(2 * step)) < 1e-14);
  CHECK(chain.agreement()[1] == 0);  // nobody is left
}

TEST_CASE("agreement in closed form") {
  const Values e1{1, 0, 0}, e2{0, 2, 0}, e3{0, 0, 5}, minus{-3, 0, 0}, zero(3, 0.0), sum{1, 1, 1};
  const auto agreement = [](const std::vector<Values>& updates) { return look(updates).agreement(); };
  CHECK(agreement({e1, e2, e3}) == Values{0, 0, 0});
  const Values four = agreement({e1, e2, e3, sum});
  CHECK(std::abs(four[3] - 1) < 1e-15);
  // e1 with e2 + e3 + sum / sqrt 3
  const double s = 1 / std::sqrt(3.0);
  CHECK(std::abs(four[0] - s / std::sqrt(s * s + 2 * (1 + s) * (1 + s))) < 1e-15);
  CHECK(agreement({e1, minus}) == Values{0, 0});
  CHECK(agreement({e1}) == Values{0});
  CHECK(agreement({zero}) == Values{0});
  CHECK(agreement({zero, zero}) == Values{0, 0});
  CHECK(agreement({e1, zero, zero}) == Values{0, 0, 0});
  CHECK(agreement({e1, e1, e1}) == Values{0, 0, 0});  // copies confirm nobody
  CHECK(agreement({e1, e1, sum})[2] == doctest::Approx(s).epsilon(1e-14));
}

TEST_CASE("others that cancel agree with nobody") {
  CAPTURE(seed);
  random::Stream stream(seed, 4);
  for (int trial = 0; trial < 50; ++trial) {
    const Values a = normals(stream, 300), b = normals(stream, 300), own = normals(stream, 300);
    Values minus_a = a, minus_b = b;
    for (double& value : minus_a) value *= -0.37;
    for (double& value : minus_b) value *= -1e9;
    CHECK(look({a, own, minus_a}).agreement()[1] == 0);
    CHECK(look({a, b, own, minus_b, minus_a}).agreement()[2] == 0);
  }
}

TEST_CASE("the rescaling of a client changes no bit where it is a power of two, and rounding else") {
  CAPTURE(seed);
  random::Stream stream(seed, 5);
  Federation<double> federation(stream, {});
  federation.next();
  for (int r = 0; r < 5; ++r) {
    const Sent<double> sent = federation.next();
    const Innovations news = look(sent.round());
    for (const double scale : {0x1p100, 0x1p-100, 0x1p664, 0x1p-664, 1e30, 1e-30, 1e200, 1e-200}) {
      CAPTURE(scale);
      for (const auto& [id, upload] : sent.clients) {
        Sent<double> other = sent;
        other.clients[id] = upload.scaled(scale);
        const Innovations same = look(other.round());
        int exponent = 0;
        if (std::frexp(scale, &exponent) == 0.5) {
          CHECK(bits(same.agreement()) == bits(news.agreement()));
          CHECK(bits(same.novelty()) == bits(news.novelty()));
        } else {
          check_naive(same, other.naive(), naive::Innovations(sent.naive()));
        }
      }
      Sent<double> other = sent;
      other.global = sent.global->scaled(scale);
      check_naive(look(other.round()), other.naive(), naive::Innovations(sent.naive()));
    }
  }
}

TEST_CASE("gates: the upper median, tau and the power") {
  CHECK(gates(Values{}, 0.8, 2).values.empty());
  const auto values = [](const Values& x, double tau, double power) { return gates(x, tau, power).values; };
  CHECK(values({0.3}, 0.8, 2) == Values{1});
  CHECK(values({0.25, 0.5}, 1, 2) == Values{0.25, 1});  // the median of two is the larger
  CHECK(values({0.5, 0.25}, 1, 2) == Values{1, 0.25});
  CHECK(values({4, 1, 3, 2}, 1, 1) == Values{1, 1 / 3.0, 1, 2 / 3.0});
  CHECK(values({5, 1, 3}, 1, 2) == Values{1, 1 / 9.0, 1});
  CHECK(values({1, 0.5, 1, 0, 1}, 0.5, 4) == Values{1, 1, 1, 0, 1});
  CHECK(values({1, 0.25, 1}, 0.5, 3) == Values{1, 0.125, 1});
  CHECK_FALSE(gates(Values{0, 1}, 1, 1).open);
}

TEST_CASE("a median of zero opens the gates, and they say so") {
  for (const Values& x : {Values{0}, Values{0, 0}, Values{0, 0, 1}, Values{0, 7, 0, 0}}) {
    const Gates open = gates(x, 0.8, 2);
    CHECK(open.open);
    CHECK(open.values == Values(x.size(), 1.0));
  }
  const Gates shut = gates(Values{0, 0, 1, 1}, 0.8, 2);  // the upper median is 1
  CHECK_FALSE(shut.open);
  CHECK(shut.values == Values{0, 0, 1, 1});
}

TEST_CASE("tiny values pass the gates by proportion, not by size") {
  for (const double scale : {1e-300, 0x1p-1070, 1e300}) {
    CAPTURE(scale);
    const Gates scaled = gates(Values{4 * scale, scale, 2 * scale}, 1, 1);
    CHECK_FALSE(scaled.open);
    CHECK(scaled.values == Values{1, 0.5, 1});
  }
}

TEST_CASE("an empty round has no innovations") {
  Values g{1, 2};
  Round round;
  CHECK(look(round).size() == 0);
  round.global_update = g;
  CHECK(look(round).size() == 0);
  CHECK(look(round).agreement().empty());
}

TEST_CASE("what is missing, of another size or not finite is named") {
  const Values a{1, 2, 3}, b{1, 2}, nan{1, std::nan(""), 3}, minus{1, 2, -INFINITY};
  Round missing = round_of({a, a});
  missing.add("late", {.final_weight = a});
  CHECK(complaint_of([&] { look(missing); }) == "client late: test needs update, which was not given");
  CHECK(complaint_of([&] { look({a, b}); }).starts_with("client 1: update has 2 entries"));
  CHECK(complaint_of([&] { look({a, nan}); }) == "client 1: update[1] is NaN");
  CHECK(complaint_of([&] { look({minus, a}); }) == "client 0: update[2] is -infinite");
  CHECK(complaint_of([&] { look({a, a}, nan); }) == "global_update[1] is NaN");
  CHECK(complaint_of([&] { look({a, a}, b); }).starts_with("global_update has 2 entries"));
}

TEST_CASE("the number of threads does not change a bit") {
  CAPTURE(seed);
  random::Stream stream(seed, 6);
  Federation<float> federation(stream, {10, 2048, 30000, true});
  federation.next(8);
  const Sent<float> sent = federation.next(8);
  const Innovations one = [&] {
    const Threads threads(1);
    return look(sent.round());
  }();
  for (const int count : {2, 5}) {
    const Threads threads(count);
    const Innovations many = look(sent.round());
    CHECK(bits(many.agreement()) == bits(one.agreement()));
    CHECK(bits(many.novelty()) == bits(one.novelty()));
  }
}
