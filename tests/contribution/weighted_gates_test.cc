// The upper weighted median and gates relative to it, by hand.
#include "fedval/contribution/weighted_gates.hpp"

#include "tests/contribution/verified_rounds.hpp"

using namespace fedval;
using namespace fedval::tests;

TEST_CASE("the upper weighted median, and gates by it") {
  const auto median = [](const Values& x, const Values& weights) { return upper_median(x, weights); };
  CHECK(median({}, {}) == 0);
  CHECK(median({4}, {0.1}) == 4);
  CHECK(median({3, 1, 2}, {1, 1, 1}) == 2);
  CHECK(median({4, 1, 3, 2}, {1, 1, 1, 1}) == 3);
  CHECK(median({4, 1, 3, 2}, {1, 9, 1, 1}) == 1);
  CHECK(median({4, 1, 3, 2}, {9, 1, 1, 1}) == 4);
  for (int m = 2; m < 60; ++m) {  // m copies weigh as the one, however 1/m is rounded
    Values x{5, 1, 7}, weights{1, 1, 1};
    for (int k = 0; k < m; ++k) {
      x.push_back(3);
      weights.push_back(1.0 / m);
    }
    CHECK(median(x, weights) == 5);
    x[0] = 2;
    CHECK(median(x, weights) == 3);
  }
  const Gates some = weighted_gates(Values{4, 1, -1, 2}, Values{1, 1, 1, 1}, 0.5, 2);
  CHECK(some.values == Values{1, 1, 0, 1});
  CHECK_FALSE(some.open);
  near(weighted_gates(Values{4, 1, 2}, Values{1, 1, 1}, 2, 3).values, {1, 1.0 / 64, 1.0 / 8});
  const Gates open = weighted_gates(Values{4, 0, 0}, Values{1, 1, 1}, 0.5, 2);
  CHECK(open.values == Values{1, 1, 1});
  CHECK(open.open);
}

TEST_CASE("gates of what is no measure are refused, not opened") {
  CHECK(gates(Values{1, 2, 3}, 0.5, 2).values.size() == 3);
  for (const double value : {std::nan(""), double{INFINITY}})
    CHECK_THROWS_AS(gates(Values{1, value, 3}, 0.5, 2), Error);
  CHECK(gates(Values{4, -1, 2}, 0.5, 2).values == Values{1, 0, 1});
}
