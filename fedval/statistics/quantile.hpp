// Quantiles of the normal and of Student's t distribution.
//
//   normal:   Phi(z) = erfc(-z / sqrt 2) / 2
//   Student:  P(|T| > t) = I_x(nu / 2, 1/2),  x = nu / (nu + t^2),  I the regularised incomplete beta
//   function
//
// Both are found by bisection of the distribution itself, so that they are as exact as it is. I is summed by
// its continued fraction (Abramowitz and Stegun, Handbook of Mathematical Functions, 26.5.8; evaluated by
// Lentz's method).
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>

#include "fedval/error.hpp"
#include "fedval/statistics/log_gamma.hpp"

namespace fedval::statistics {

/// I_x(a, b), the regularised incomplete beta function, to about 1e-14. Error unless a, b > 0, 0 <= x <= 1.
inline double incomplete_beta(double x, double a, double b) {
  if (!(a > 0 && b > 0 && x >= 0 && x <= 1))
    fail("incomplete_beta: x is ", x, ", a is ", a, ", b is ", b, "; a, b > 0 and 0 <= x <= 1 were expected");
  if (x == 0 || x == 1) return x;
  // The fraction converges fast on this side of the mean; the other side is 1 - I_{1-x}(b, a).
  if (x > (a + 1) / (a + b + 2)) return 1 - incomplete_beta(1 - x, b, a);
  const double front = std::exp(a * std::log(x) + b * std::log1p(-x) - log_beta(a, b)) / a;
  constexpr double tiny = 1e-300;
  const auto away_from_zero = [](double value) { return std::abs(value) < tiny ? tiny : value; };
  double c = 1, d = 1 / away_from_zero(1 - (a + b) * x / (a + 1)), fraction = d;
  for (int m = 1; m < 10000; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    double change = 1;
    for (const double term : {even, odd}) {
      d = 1 / away_from_zero(1 + term * d);
      c = away_from_zero(1 + term / c);
      change = c * d;
      fraction *= change;
    }
    if (std::abs(change - 1) < 1e-15) break;
  }
  return front * fraction;
}

namespace detail {

/// The x > 0 at which a decreasing function of x falls to `level`, to the last bits.
template <class Function>
double falls_to(double level, Function&& f) {
  double low = 0, high = 1;
  while (f(high) > level) {
    low = high;
    high *= 2;
  }
  for (int step = 0; step < 200; ++step) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;
    (f(middle) > level ? low : high) = middle;
  }
  return high;
}

inline void check_confidence(double confidence) {
  if (!(confidence > 0 && confidence < 1))
    fail("quantile: a confidence of ", confidence, ", must be between 0 and 1");
}

}  // namespace detail

/// z with P(|Z| <= z) = confidence for a standard normal Z: 1.96 for .95. Error unless it is in (0, 1).
inline double normal_quantile(double confidence) {
  detail::check_confidence(confidence);
  return detail::falls_to(1 - confidence, [](double z) { return std::erfc(z / std::sqrt(2.0)); });
}

/// t with P(|T| <= t) = confidence for Student's T with `degrees` of freedom, which need not be whole; above
/// 1e6 of them the normal quantile, which then agrees to six digits. Error unless degrees > 0.
inline double student_quantile(double confidence, double degrees) {
  detail::check_confidence(confidence);
  if (!(degrees > 0)) fail("student_quantile: ", degrees, " degrees of freedom");
  if (degrees > 1e6) return normal_quantile(confidence);
  return detail::falls_to(1 - confidence, [=](double t) {
    return incomplete_beta(degrees / (degrees + t * t), degrees / 2, 0.5);
  });
}

}  // namespace fedval::statistics
