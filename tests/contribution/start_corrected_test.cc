// Averages corrected for their start, against closed forms.
#include "fedval/contribution/start_corrected.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace fedval;

TEST_CASE("averages corrected for their start") {
  StartCorrected constant, two;
  for (int t = 0; t < 50; ++t) CHECK(constant.take(0.3, 0.9) == 0.3);
  CHECK(two.take(1, 0.5) == 1);
  CHECK(std::abs(two.take(0, 0.5) - 1.0 / 3) < 1e-15);  // (1/4) / (3/4)
  CHECK(std::abs(two.take(0, 0.5) - 1.0 / 7) < 1e-15);
  CHECK(two.average() == two.take(two.average(), 0.5));
  StartCorrected last;
  for (const double value : {0.5, -0.25, 0.75}) CHECK(last.take(value, 0) == value);
  // After n values of one kind and n of another, mu^n of the first is left of 1 - mu^2n.
  StartCorrected turned;
  for (int t = 0; t < 20; ++t) turned.take(t < 10 ? 1 : 0, 0.9);
  const double kept = std::pow(0.9, 10);
  CHECK(std::abs(turned.average() - (1 - kept) * kept / (1 - kept * kept)) < 1e-15);
}
