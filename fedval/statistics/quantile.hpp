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

namespace detail {

/// I_x(a, b) left of its mean, where the fraction converges fast; `log_x` is ln x, also of an x that
/// underflows.
inline double lower_beta(double x, double log_x, double a, double b) {
  const double front = std::exp(a * log_x + b * std::log1p(-x) - log_beta(a, b)) / a;
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

/// Whether x is so far on the left.
inline bool is_lower(double x, double a, double b) { return x <= (a + 1) / (a + b + 2); }

}  // namespace detail

/// I_x(a, b), the regularised incomplete beta function, to about (1e-14 + 1e-14 (a + b)) of itself. Error
/// unless a, b > 0, a + b <= 1e7 and 0 <= x <= 1.
inline double incomplete_beta(double x, double a, double b) {
  if (!(a > 0 && b > 0 && a + b <= 1e7 && x >= 0 && x <= 1))
    fail("incomplete_beta: x is ", x, ", a is ", a, ", b is ", b,
         "; a, b > 0, a + b <= 1e7 and 0 <= x <= 1 were expected");
  if (x == 0 || x == 1) return x;
  if (detail::is_lower(x, a, b)) return detail::lower_beta(x, std::log(x), a, b);
  return 1 - detail::lower_beta(1 - x, std::log1p(-x), b, a);
}

namespace detail {

/// The x > 0 at which a decreasing function of x falls to `level`, to the last bits.
template <class Function>
double falls_to(double level, Function&& f) {
  double low = 0, high = 1;
  while (std::isfinite(high) && f(high) > level) {
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
/// 1e6 of them the normal quantile, which then agrees to six digits. Infinite where it is beyond a double.
/// Error unless degrees > 0.
inline double student_quantile(double confidence, double degrees) {
  detail::check_confidence(confidence);
  if (!(degrees > 0)) fail("student_quantile: ", degrees, " degrees of freedom");
  if (degrees > 1e6) return normal_quantile(confidence);
  return detail::falls_to(1 - confidence, [=](double t) {
    // Few degrees have quantiles whose squares are beyond a double.
    const double ratio = t / std::sqrt(degrees), a = degrees / 2;
    if (ratio > 0x1p500) return detail::lower_beta(0, std::log(degrees) - 2 * std::log(t), a, 0.5);
    return incomplete_beta(1 / (1 + ratio * ratio), a, 0.5);
  });
}

}  // namespace fedval::statistics
