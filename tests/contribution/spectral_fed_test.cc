#include "fedval/contribution/spectral_fed.hpp"

#include <doctest/doctest.h>

#include <map>

#include "fedval/tensor/std.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using tests::bits;
using tests::complaint_of;

namespace {

constexpr std::uint64_t seed = 131;
using Rows = std::vector<std::vector<float>>;

Rows gaussian(random::Stream& stream, std::size_t rows = 5, std::size_t columns = 12) {
  Rows matrix(rows, std::vector<float>(columns));
  for (auto& row : matrix)
    for (float& value : row) value = static_cast<float>(stream.normal());
  return matrix;
}

/// H = 0, 1 and ln 3 / ln 4, without a decomposition.
const Rows rank_one{{1, 2, 3, 4}, {2, 4, 6, 8}, {0, 0, 0, 0}, {1, 2, 3, 4}};
const Rows isotropic{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}};
const Rows three_of_four{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 0}};
const double three_quarters = std::log(3.0) / std::log(4.0);
const Rows nothing(4, std::vector<float>(4, 0.0f));

Round round_of(const std::map<int, const Rows*>& clients) {
  Round round;
  for (const auto& [id, matrix] : clients) round.add(id, {.final_weight = *matrix});
  return round;
}

/// Values by hand, to a few roundings.
void check(const Scores& scores, const std::vector<std::pair<ClientId, double>>& expected) {
  REQUIRE(scores.size() == expected.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    CAPTURE(i);
    CHECK(scores[i].first == expected[i].first);
    CHECK(std::abs(scores[i].second.value - expected[i].second) < 1e-14);
  }
}

}  // namespace

TEST_CASE("the state follows s <- mu s + (1 - mu) H") {
  SpectralFed scorer;
  const Round round = round_of({{1, &rank_one}, {2, &isotropic}, {3, &three_of_four}});
  double a = 1.0 / 3, b = a, c = a;
  for (int i = 0; i < 5; ++i) {
    CAPTURE(i);
    a = 0.9 * a;
    b = 0.9 * b + 0.1;
    c = 0.9 * c + 0.1 * three_quarters;
    check(scorer.observe(round), {{1, a}, {2, b}, {3, c}});
    const fedval::reward::Importance weights = scorer.weights(round);
    CHECK_FALSE(weights.uniform);
    CHECK(std::abs(weights.values[0] - a / (a + b + c)) < 1e-14);
    CHECK(std::abs(weights.values[1] - b / (a + b + c)) < 1e-14);
    CHECK(std::abs(weights.values[2] - c / (a + b + c)) < 1e-14);
  }
}

TEST_CASE("clients that are away keep their state, and a newcomer starts at the mean of the known") {
  SpectralFed scorer({.momentum = 0.5});
  check(scorer.observe(round_of({{1, &isotropic}, {2, &rank_one}})), {{1, 0.75}, {2, 0.25}});
  check(scorer.observe(round_of({{1, &isotropic}})), {{1, 0.875}});
  // Known: .875 and .25; the mean is .5625.
  check(scorer.observe(round_of({{2, &isotropic}, {7, &rank_one}})), {{2, 0.625}, {7, 0.28125}});
  check(scorer.observe(round_of({{1, &rank_one}})), {{1, 0.4375}});
  // Weights count the round's clients alone; one that is not known yet stands at its start.
  const fedval::reward::Importance weights = scorer.weights(round_of({{1, &rank_one}, {9, &rank_one}}));
  const double newcomer = (0.4375 + 0.625 + 0.28125) / 3;
  CHECK(std::abs(weights.values[0] - 0.4375 / (0.4375 + newcomer)) < 1e-14);
}

TEST_CASE("without momentum the score is the entropy, with the options asked for") {
  random::Stream stream(seed);
  const Rows w = gaussian(stream);
  for (const spectral::EntropyOptions& options :
       {spectral::EntropyOptions{}, spectral::EntropyOptions{spectral::Normaliser::none},
        spectral::EntropyOptions{spectral::Normaliser::log_rank, false, 1e-10}})
    CHECK(SpectralFed({.momentum = 0, .entropy = options}).observe(round_of({{1, &w}}))[0].second.value ==
          spectral::entropy(w, options));
}

TEST_CASE("the order of arrival does not change a bit") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  constexpr std::size_t n = 12;
  SpectralFed sorted, shuffled;
  for (int r = 0; r < 10; ++r) {
    std::vector<Rows> matrices;
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < n; ++i) {
      matrices.push_back(gaussian(stream));
      if (stream.below(3) != 0) order.push_back(i);
    }
    Round first, second;
    for (const std::size_t i : order) first.add(i, {.final_weight = matrices[i]});
    stream.shuffle(std::span(order));
    for (const std::size_t i : order) second.add(i, {.final_weight = matrices[i]});
    const Scores a = sorted.observe(first), b = shuffled.observe(second);
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      CHECK(a[i].first == b[i].first);
      CHECK(bits(a[i].second.value) == bits(b[i].second.value));
    }
    CHECK(bits(sorted.weights(first).values) == bits(shuffled.weights(second).values));
  }
}

TEST_CASE("a round that is refused leaves the state as it was") {
  random::Stream stream(seed, 2);
  const Rows good = gaussian(stream), other = gaussian(stream);
  Rows bad = gaussian(stream);
  bad[2][7] = std::nanf("");
  const std::vector<float> flat(60, 1.0f);
  SpectralFed tried, untouched;
  for (SpectralFed* scorer : {&tried, &untouched}) scorer->observe(round_of({{1, &good}, {2, &other}}));

  CHECK(complaint_of([&] {
          tried.observe(round_of({{1, &other}, {2, &good}, {3, &bad}}));
        }) == "client 3: final_weight[2, 7] is NaN");
  Round no_matrix = round_of({{1, &other}});
  no_matrix.add(2, {.final_weight = flat});
  CHECK(complaint_of([&] { tried.observe(no_matrix); }) ==
        "client 2: final_weight has shape [60], expected a matrix");
  Round absent = round_of({{1, &other}});
  absent.add(4, {});
  CHECK_THROWS_AS(tried.observe(absent), Error);

  const Round next = round_of({{1, &other}, {2, &good}, {3, &other}});  // 3 is a newcomer still
  const Scores a = tried.observe(next), b = untouched.observe(next);
  for (std::size_t i = 0; i < 3; ++i) CHECK(bits(a[i].second.value) == bits(b[i].second.value));
}

TEST_CASE("an empty round changes nothing") {
  random::Stream stream(seed, 3);
  const Rows w = gaussian(stream);
  SpectralFed scorer, other;
  CHECK(scorer.observe(Round()).empty());
  CHECK(scorer.weights(Round()).values.empty());
  CHECK(scorer.observe(round_of({{1, &w}}))[0].second.value ==
        other.observe(round_of({{1, &w}}))[0].second.value);
  CHECK(scorer.observe(Round()).empty());
  CHECK(scorer.observe(round_of({{1, &w}, {2, &w}}))[1].second.value ==
        other.observe(round_of({{1, &w}, {2, &w}}))[1].second.value);
}

TEST_CASE("one client has all the weight; updates of zeros fall to equal weights, and say so") {
  SpectralFed one;
  check(one.observe(round_of({{5, &isotropic}})), {{5, 1.0}});
  CHECK(one.weights(round_of({{5, &isotropic}})).values == std::vector<double>{1});

  SpectralFed zeros({.momentum = 0});
  const Round round = round_of({{1, &nothing}, {2, &nothing}, {3, &rank_one}, {4, &nothing}});
  const Round only_zeros = round_of({{1, &nothing}, {2, &nothing}});
  check(zeros.observe(round), {{1, 0}, {2, 0}, {3, 0}, {4, 0}});
  const fedval::reward::Importance weights = zeros.weights(only_zeros);
  CHECK(weights.uniform);
  CHECK(weights.values == std::vector<double>{0.5, 0.5});
}

TEST_CASE("the momentum must be in [0, 1)") {
  for (const double momentum : {-0.1, 1.0, std::nan("")})
    CHECK_THROWS_AS(SpectralFed({.momentum = momentum}), Error);
  CHECK(complaint_of([] { SpectralFed({.momentum = 1}); }) ==
        "SpectralFed: momentum is 1, must be in [0, 1)");
}
