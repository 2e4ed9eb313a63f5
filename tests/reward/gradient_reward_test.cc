#include "fedval/reward/gradient_reward.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "fedval/reward/sparsify.hpp"
#include "fedval/tensor/std.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using namespace fedval::reward;
using tests::complaint_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 101;

/// tanh(beta r_i) / max_j tanh(beta r_j), negative r as 0.
std::vector<long double> naive_ratios(const Values& r, double beta) {
  std::vector<long double> rho;
  long double largest = 0;
  for (const double value : r) {
    rho.push_back(std::tanh(static_cast<long double>(beta) * std::max(value, 0.0)));
    largest = std::max(largest, rho.back());
  }
  for (long double& value : rho) value = largest > 0 ? value / largest : 1;
  return rho;
}

Values importances(random::Stream& stream, std::size_t n) {
  Values r(n);
  double sum = 0;
  for (double& value : r) sum += value = stream.uniform();
  for (double& value : r) value /= sum;
  return r;
}

}  // namespace

TEST_CASE("importance is smoothed, clamped at zero and normalised") {
  const Importance half = update_importance(Values{0.5, 0.5}, Values{1, 0}, 0.5);  // 0.75, 0.25
  CHECK(half.values == Values{0.75, 0.25});
  CHECK_FALSE(half.uniform);
  const Importance clamped = update_importance(Values{0.5, 0.5}, Values{-1, 1}, 0.5);  // -0.25, 0.75
  CHECK(clamped.values == Values{0, 1});
  CHECK_FALSE(clamped.uniform);
  CHECK(update_importance(Values{0.2, 0.8}, Values{1, 0}, 0.0).values == Values{1, 0});
  CHECK(update_importance(Values{0.25, 0.75}, Values{1, 0}, 1.0).values == Values{0.25, 0.75});
}

TEST_CASE("importance is its formula on random rounds") {
  CAPTURE(seed);
  random::Stream stream(seed);
  for (int round = 0; round < 50; ++round) {
    const std::size_t n = stream.below(20) + 1;
    const Values r = importances(stream, n);
    Values psi(n);
    for (double& value : psi) value = stream.uniform(-1, 1);
    std::vector<long double> expected(n);
    long double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += expected[i] = std::max(0.95L * r[i] + 0.05L * psi[i], 0.0L);
    const Importance found = update_importance(r, psi, 0.95);
    double total = 0;
    for (std::size_t i = 0; i < n; ++i) {
      // Cancellation between the two terms leaves an absolute error of a few u.
      if (sum > 0.01) CHECK(std::abs(found.values[i] - expected[i] / sum) <= 16 * 0x1p-53 / sum);
      CHECK(found.values[i] >= 0);
      total += found.values[i];
    }
    CHECK(std::abs(total - 1) <= tests::sum_bound(n));
  }
}

TEST_CASE("nobody of positive importance: everyone gets the same, and the result says so") {
  for (const Values& r : {Values{-1, -2, 0, -3}, Values{0, 0, 0, 0}, Values{-0.0, -1, -1, -1}}) {
    const Importance found = normalise_importance(r);
    CHECK(found.uniform);
    CHECK(found.values == Values(4, 0.25));
  }
  CHECK(normalise_importance({0, 5e-324}).values == Values{0, 1});
  CHECK_FALSE(normalise_importance({0, 5e-324}).uniform);
  CHECK(normalise_importance({}).values.empty());
}

TEST_CASE("ratios and quotas are their formula") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  for (const double beta : {0.5, 1.0, 1.2, 1.5, 2.0, 30.0, 1e7})
    for (const std::size_t dimension :
         {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{104242}, std::size_t{1} << 40}) {
      CAPTURE(beta);
      CAPTURE(dimension);
      const Values r = importances(stream, 6);
      const auto exact = naive_ratios(r, beta);
      const Values rho = reward_ratios(r, beta);
      const std::vector<std::size_t> quotas = reward_quotas(r, beta, dimension);
      REQUIRE(rho.size() == 6);
      REQUIRE(quotas.size() == 6);
      for (std::size_t i = 0; i < 6; ++i) {
        CHECK(std::abs(rho[i] - exact[i]) <= 8 * 0x1p-53);  // two tanh, a product and a quotient
        CHECK(rho[i] >= 0);
        CHECK(rho[i] <= 1);
        // Rounding may cross an integer only where D rho is that close to one.
        const long double entries = static_cast<long double>(dimension) * exact[i];
        const long double slack = 16 * 0x1p-53L * static_cast<long double>(dimension);
        CHECK(static_cast<long double>(quotas[i]) >= std::floor(entries - slack));
        CHECK(static_cast<long double>(quotas[i]) <= std::floor(entries + slack));
        CHECK(quotas[i] <= dimension);
      }
    }
}

TEST_CASE("known quotas") {
  // beta r = atanh(1/2) and atanh(1/4): tanh gives 1/2 and 1/4, their ratio 1/2.
  const Values r{std::atanh(0.5), std::atanh(0.25), 0, -1};
  CHECK(reward_quotas(r, 1.0, 1000)[0] == 1000);
  CHECK(reward_quotas(r, 1.0, 1001)[1] == 500);
  CHECK(reward_quotas(r, 1.0, 1000)[2] == 0);
  CHECK(reward_quotas(r, 1.0, 1000)[3] == 0);
}

TEST_CASE("the most important get everything, and a large beta gives it to all") {
  const Values r{0.1, 0.2, 0.3, 0.4};
  CHECK(reward_ratios(r, 1.0)[3] == 1);
  CHECK(reward_ratios(Values{0.5, 0.5}, 0.5) == Values{1, 1});
  CHECK(reward_ratios(r, 1e7) == Values(4, 1.0));
  CHECK(reward_quotas(r, 1e7, 12345) == std::vector<std::size_t>(4, 12345));
  CHECK(reward_ratios(Values{0, 0}, 1.0) == Values{1, 1});
  CHECK(reward_ratios(Values{}, 1.0).empty());
}

TEST_CASE("no quota exceeds the dimension, however large that is") {
  for (const std::size_t dimension :
       {std::size_t{1} << 53, (std::size_t{1} << 53) + 1, (std::size_t{1} << 62) - 1}) {
    CAPTURE(dimension);
    for (const std::size_t quota : reward_quotas(Values{0.3, 0.3, 0.4}, 1.0, dimension))
      CHECK(quota <= dimension);
  }
}

TEST_CASE("the more important agent's download is the closer one to the aggregate") {
  CAPTURE(seed);
  for (std::uint64_t game = 0; game < 100; ++game) {
    CAPTURE(game);
    random::Stream stream(seed, 100 + game);
    const std::size_t n = stream.below(8) + 2, size = stream.below(300) + 1;
    Values aggregate = tests::normals(stream, size);
    for (double& value : aggregate)
      if (stream.below(3) == 0) value = std::round(value);  // ties
    const Values r = importances(stream, n);
    const double beta = std::exp(2 * stream.normal());
    std::vector<long double> gap;
    for (const std::size_t quota : reward_quotas(r, beta, size)) {
      Values rest = aggregate;
      axpy(-1.0, sparsify(aggregate, quota), rest);
      gap.push_back(tests::naive_norm(rest));
    }
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j)
        // Equal sets give equal sums in the same order; a longer one leaves out more, term by term.
        if (r[i] >= r[j]) CHECK(gap[i] <= gap[j]);
  }
}

TEST_CASE("misuse is an error") {
  const double nan = std::nan("");
  CHECK(complaint_of([] {
          update_importance(Values{1}, Values{1, 2}, 0.5);
        }) == "importance: 1 agents, but 2 values");
  for (const double alpha : {-0.1, 1.1, nan})
    CHECK_THROWS_AS(update_importance(Values{1}, Values{1}, alpha), Error);
  for (const double beta : {0.0, -1.0, nan}) {
    CHECK_THROWS_AS(reward_ratios(Values{1}, beta), Error);
    CHECK_THROWS_AS(reward_quotas(Values{1}, beta, 5), Error);
  }
}

TEST_CASE("an importance that is not a number is not passed over in silence") {
  const double nan = std::nan("");
  CHECK_THROWS_AS(normalise_importance({0.5, nan}), Error);
  CHECK_THROWS_AS(update_importance(Values{0.5, 0.5}, Values{nan, 1}, 0.95), Error);
  CHECK_THROWS_AS(reward_ratios(Values{0.5, nan}, 1.0), Error);
}
