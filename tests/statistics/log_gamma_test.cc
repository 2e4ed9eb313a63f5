#include "fedval/statistics/log_gamma.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <initializer_list>
#include <numbers>

using namespace fedval::statistics;

// Sums of n logarithms of up to L carry errors of up to n^2 L 2^-54; the C library's own is some 2^-52.

TEST_CASE("closed forms: factorials, halves, poles") {
  double factorial = 0;  // ln (n - 1)!
  for (int n = 1; n <= 170; ++n) {
    CAPTURE(n);
    CHECK(log_gamma(n) == doctest::Approx(factorial).epsilon(1e-12));
    factorial += std::log(n);
  }
  // Gamma(1/2) = sqrt(pi), Gamma(x + 1) = x Gamma(x), and Gamma(-1/2) = -2 sqrt(pi): its magnitude counts.
  double half = std::log(std::numbers::pi) / 2;
  CHECK(log_gamma(-0.5) == doctest::Approx(half + std::log(2.0)).epsilon(1e-15));
  for (double x = 0.5; x < 60; ++x) {
    CAPTURE(x);
    CHECK(log_gamma(x) == doctest::Approx(half).epsilon(1e-13));
    half += std::log(x);
  }
  for (const double pole : {0.0, -1.0, -2.0}) CHECK(log_gamma(pole) == INFINITY);
}

TEST_CASE("the duplication formula holds between them") {
  // Gamma(x) Gamma(x + 1/2) = 2^(1 - 2x) sqrt(pi) Gamma(2x)
  for (double x = 0.037; x < 1e6; x *= 1.7) {
    CAPTURE(x);
    const double left = log_gamma(x) + log_gamma(x + 0.5);
    const double right = (1 - 2 * x) * std::log(2.0) + std::log(std::numbers::pi) / 2 + log_gamma(2 * x);
    CHECK(std::abs(left - right) <= 1e-14 * (1 + std::abs(log_gamma(2 * x)) + 2 * x));
  }
}

TEST_CASE("beta: B(a, b) is symmetric, 1 / a for b = 1, and 1 / (m C(m - 1, k)) at whole numbers") {
  for (const double a : {0.01, 0.5, 1.0, 3.7, 400.0}) {
    CAPTURE(a);
    CHECK(log_beta(a, 1) == doctest::Approx(-std::log(a)).epsilon(1e-12));
    for (const double b : {0.3, 2.0, 90.0}) CHECK(log_beta(a, b) == log_beta(b, a));
  }
  double binomial = 1;  // C(20, k)
  for (int k = 0; k <= 20; ++k) {
    CAPTURE(k);
    CHECK(std::exp(log_beta(k + 1, 21 - k)) == doctest::Approx(1 / (21 * binomial)).epsilon(1e-12));
    binomial *= (20.0 - k) / (k + 1);
  }
}
