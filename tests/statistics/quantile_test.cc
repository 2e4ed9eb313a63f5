#include "fedval/statistics/quantile.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "tests/support/complaint.hpp"

using namespace fedval;
using namespace fedval::statistics;
using tests::complaint_of;

namespace {

/// P(|T| <= t) by Simpson's rule on the density, in long double.
double student_probability(long double t, long double degrees) {
  const long double constant = std::exp(std::lgamma((degrees + 1) / 2) - std::lgamma(degrees / 2)) /
                               std::sqrt(degrees * 3.14159265358979323846L);
  const auto density = [&](long double x) {
    return constant * std::pow(1 + x * x / degrees, -(degrees + 1) / 2);
  };
  const int steps = 20000;
  const long double h = t / steps;
  long double sum = density(0) + density(t);
  for (int k = 1; k < steps; ++k) sum += density(k * h) * (k % 2 == 1 ? 4 : 2);
  return static_cast<double>(2 * sum * h / 3);
}

}  // namespace

TEST_CASE("the normal table") {
  const std::vector<std::pair<double, double>> table{{0.5, 0.674489750196082},  {0.68268949213709, 1},
                                                     {0.8, 1.281551565544600},  {0.9, 1.644853626951473},
                                                     {0.95, 1.959963984540054}, {0.99, 2.575829303548901},
                                                     {0.999, 3.290526731491926}};
  for (const auto& [confidence, z] : table) {
    CAPTURE(confidence);
    CHECK(normal_quantile(confidence) == doctest::Approx(z).epsilon(1e-12));
  }
}

TEST_CASE("Student's table") {
  struct Row {
    double degrees, t90, t95, t99;
  };
  for (const Row& row :
       {Row{1, 6.3138, 12.7062, 63.6567}, Row{2, 2.9200, 4.3027, 9.9248}, Row{3, 2.3534, 3.1824, 5.8409},
        Row{5, 2.0150, 2.5706, 4.0321}, Row{10, 1.8125, 2.2281, 3.1693}, Row{30, 1.6973, 2.0423, 2.7500},
        Row{120, 1.6577, 1.9799, 2.6174}}) {
    CAPTURE(row.degrees);
    CHECK(std::abs(student_quantile(0.90, row.degrees) - row.t90) < 6e-5);
    CHECK(std::abs(student_quantile(0.95, row.degrees) - row.t95) < 6e-5);
    CHECK(std::abs(student_quantile(0.99, row.degrees) - row.t99) < 6e-5);
  }
}

TEST_CASE("closed forms for one and two degrees of freedom, at every confidence") {
  const double pi = 3.14159265358979323846;
  for (const double confidence : {1e-6, 0.01, 0.3, 0.5, 0.9, 0.95, 0.999, 1 - 1e-6}) {
    CAPTURE(confidence);
    CHECK(student_quantile(confidence, 1) == doctest::Approx(std::tan(pi * confidence / 2)).epsilon(1e-9));
    CHECK(student_quantile(confidence, 2) ==
          doctest::Approx(confidence * std::sqrt(2 / (1 - confidence * confidence))).epsilon(1e-9));
  }
}

TEST_CASE("degrees of freedom need not be whole") {
  // To 17 digits, from the incomplete beta function in 30.
  for (const auto& [degrees, t] : std::vector<std::pair<double, double>>{{1.5, 6.0166631044279319},
                                                                         {2.5, 3.5746548420036832},
                                                                         {3.7, 2.8675207071911895},
                                                                         {10.25, 2.2207944107448083},
                                                                         {100, 1.9839715185235523},
                                                                         {1000, 1.9623390808264085}}) {
    CAPTURE(degrees);
    CHECK(student_quantile(0.95, degrees) == doctest::Approx(t).epsilon(1e-11));
  }
  CHECK(student_quantile(0.95, 1e5) == doctest::Approx(1.9599877075346096).epsilon(1e-9));
  for (const double degrees : {1.2, 4.5, 33.3})
    for (const double confidence : {0.2, 0.7, 0.97}) {
      CAPTURE(degrees);
      CAPTURE(confidence);
      CHECK(student_probability(student_quantile(confidence, degrees), degrees) ==
            doctest::Approx(confidence).epsilon(1e-9));
    }
}

TEST_CASE("more degrees are a smaller quantile, down to the normal one without a jump") {
  double before = std::numeric_limits<double>::infinity();
  for (double degrees = 0.5; degrees < 1e9; degrees *= 1.7) {
    CAPTURE(degrees);
    const double t = student_quantile(0.95, degrees);
    CHECK(t < before + 1e-12);
    CHECK(t >= normal_quantile(0.95));
    before = t;
  }
  CHECK(student_quantile(0.95, 999999) == doctest::Approx(normal_quantile(0.95)).epsilon(3e-6));
  CHECK(student_quantile(0.95, std::numeric_limits<double>::infinity()) == normal_quantile(0.95));
}

TEST_CASE("the incomplete beta function in closed form") {
  for (const double x : {0.0, 1e-10, 0.1, 0.25, 0.5, 0.8, 0.999, 1.0}) {
    CAPTURE(x);
    const auto is = [&](double a, double b, double expected) {
      CAPTURE(a);
      CAPTURE(b);
      CHECK(incomplete_beta(x, a, b) == doctest::Approx(expected).epsilon(1e-13));
    };
    is(1, 1, x);
    is(3.5, 1, std::pow(x, 3.5));
    is(1, 7, 1 - std::pow(1 - x, 7));
    is(2, 2, x * x * (3 - 2 * x));
    is(0.5, 0.5, 2 / 3.14159265358979323846 * std::asin(std::sqrt(x)));
    is(2, 3, x * x * (6 - 8 * x + 3 * x * x));
  }
  // I_{1/2}(a, a) = 1/2, and I_x(a, b) + I_{1-x}(b, a) = 1.
  for (const double a : {0.01, 0.5, 1.0, 17.0, 400.0}) {
    CHECK(incomplete_beta(0.5, a, a) == doctest::Approx(0.5).epsilon(1e-12));
    for (const double x : {0.03, 0.4, 0.9})
      CHECK(incomplete_beta(x, a, 2.5) + incomplete_beta(1 - x, 2.5, a) == doctest::Approx(1).epsilon(1e-12));
  }
  // Binomial tails: P(at least k of n) = I_p(k, n - k + 1).
  double tail = 0;
  const double p = 0.3;
  for (int k = 12; k >= 5; --k)
    tail += std::exp(std::lgamma(13) - std::lgamma(k + 1) - std::lgamma(13 - k)) * std::pow(p, k) *
            std::pow(1 - p, 12 - k);
  CHECK(incomplete_beta(p, 5, 8) == doctest::Approx(tail).epsilon(1e-13));
}

TEST_CASE("what is no probability, no degrees of freedom or no beta function is refused") {
  for (const double confidence : {0.0, 1.0, -0.1, 1.1, std::nan("")}) {
    CHECK(complaint_of([&] { normal_quantile(confidence); }).starts_with("quantile: a confidence of "));
    CHECK(complaint_of([&] { student_quantile(confidence, 3); }).starts_with("quantile: a confidence of "));
  }
  for (const double degrees : {0.0, -1.0, std::nan("")})
    CHECK(complaint_of([&] { student_quantile(0.95, degrees); }).starts_with("student_quantile: "));
  CHECK(complaint_of([] { incomplete_beta(0.5, 0, 1); }).starts_with("incomplete_beta: x is 0.5, a is 0"));
  CHECK(complaint_of([] { incomplete_beta(-0.1, 1, 1); }) != "no error");
  CHECK(complaint_of([] { incomplete_beta(1.1, 1, 1); }) != "no error");
  CHECK(complaint_of([] { incomplete_beta(std::nan(""), 1, 1); }) != "no error");
  CHECK(complaint_of([] { incomplete_beta(0.5, 1e7, 1); }) != "no error");  // too few digits would be left
}

TEST_CASE(
    "few degrees of freedom: the tail's power law, also where the square of a quantile is beyond a double") {
  // P(|T| > t) = x^(nu/2) / (nu/2 B(nu/2, 1/2)) for small x = nu / t^2.
  for (const double degrees : {0.1, 0.02, 0.01, 0.005})
    for (const double confidence : {0.9, 0.95}) {
      CAPTURE(degrees);
      const double a = degrees / 2, level = 1 - confidence;
      const double log_t = std::log(degrees) / 2 - (std::log(level * a) + log_beta(a, 0.5)) / degrees;
      CHECK(std::log(student_quantile(confidence, degrees)) == doctest::Approx(log_t).epsilon(1e-12));
    }
  CHECK(student_quantile(0.95, 0.001) == std::numeric_limits<double>::infinity());
}
