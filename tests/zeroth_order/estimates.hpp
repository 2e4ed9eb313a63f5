// What the tests of gradient estimators share: functions whose gradients are known, and means over many
// independent estimates with the standard errors that those estimates show.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "fedval/tensor/std.hpp"
#include "fedval/zeroth_order/gradient.hpp"
#include "tests/support/oracle.hpp"

namespace fedval::tests {

/// The mean of independent draws, and its standard error: sqrt(sample variance / count).
class Mean {
 public:
  void add(double x) {
    ++count_;
    const double step = x - mean_;
    mean_ += step / count_;
    squares_ += step * (x - mean_);
  }
  std::size_t count() const { return static_cast<std::size_t>(count_); }
  double value() const { return mean_; }
  double error() const { return std::sqrt(squares_ / (count_ - 1) / count_); }

 private:
  double count_ = 0, mean_ = 0, squares_ = 0;
};

/// Within 5 standard errors of what is expected (P = 6e-7 each where the mean is normal), and with draws
/// enough that an expectation 5 % larger is not: no scale mistake of that size goes unseen.
inline void check_mean(const Mean& mean, double expected) {
  CAPTURE(mean.value());
  CAPTURE(mean.error());
  CAPTURE(expected);
  CHECK(std::abs(mean.value() - expected) < 5 * mean.error());
  CHECK(std::abs(mean.value() - 1.05 * expected) > 5 * mean.error());
}

/// Within 5 standard errors of what is expected, which may be zero.
inline void check_unbiased(const Mean& mean, double expected) {
  CAPTURE(mean.value());
  CAPTURE(mean.error());
  CAPTURE(expected);
  CHECK(std::abs(mean.value() - expected) < 5 * mean.error());
}

inline double dot_of(const Values& a, const Values& b) { return static_cast<double>(naive_dot(a, b)); }
inline double square_of(const Values& a) { return dot_of(a, a); }

inline double distance_squared(const Values& a, const Values& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

/// f(x) = constant + slope^T x.
struct Affine {
  Values slope;
  double constant = 0;
  double operator()(const Values& x) const {
    double sum = constant;
    for (std::size_t i = 0; i < x.size(); ++i) sum += slope[i] * x[i];
    return sum;
  }
};

/// f(x) = x^T H x / 2 + slope^T x, H symmetric and row-major.
struct Quadratic {
  Values h, slope;
  double operator()(const Values& x) const {
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] * (slope[i] + curved(x, i) / 2);
    return sum;
  }
  Values gradient(const Values& x) const {
    Values result = slope;
    for (std::size_t i = 0; i < x.size(); ++i) result[i] += curved(x, i);
    return result;
  }
  double trace() const {
    double sum = 0;
    for (std::size_t i = 0; i < slope.size(); ++i) sum += h[i * slope.size() + i];
    return sum;
  }
  double trace_of_square() const { return square_of(h); }

 private:
  double curved(const Values& x, std::size_t i) const {
    double sum = 0;
    for (std::size_t j = 0; j < x.size(); ++j) sum += h[i * x.size() + j] * x[j];
    return sum;
  }
};

inline Quadratic random_quadratic(random::Stream& stream, std::size_t d) {
  Quadratic f{normals(stream, d * d), normals(stream, d)};
  for (std::size_t i = 0; i < d; ++i)
    for (std::size_t j = 0; j < i; ++j) f.h[i * d + j] = f.h[j * d + i];
  return f;
}

/// Calls visit(estimate) for the first `count` steps of one estimator at x, or until visit returns false; of
/// residual differences for every second step, since neighbours share function values.
template <class F, class Visit>
void for_each_estimate(const zeroth_order::GradientOptions& options, F&& f, const Values& x,
                       std::size_t count, Visit&& visit) {
  zeroth_order::Estimator estimator(options);
  const bool shares = options.difference.baseline == zeroth_order::Baseline::previous;
  for (std::size_t t = 0; t < count; ++t) {
    if (shares) estimator(f, x);
    const Values estimate = estimator(f, x).gradient;
    if constexpr (std::is_same_v<decltype(visit(estimate)), bool>) {
      if (!visit(estimate)) return;
    } else {
      visit(estimate);
    }
  }
}

/// The means of values(estimate) against what is expected, over as many estimates as it takes for standard
/// errors of 1/150 of that: an expectation 5 % larger is then 7.5 standard errors away.
template <class F, class ValuesOf>
void check_means_of(const zeroth_order::GradientOptions& options, F&& f, const Values& x,
                    const Values& expected, ValuesOf&& values) {
  constexpr std::size_t least = 2000, most = 1000000;
  std::vector<Mean> means(expected.size());
  for_each_estimate(options, f, x, most, [&](const Values& g) {
    const Values found = values(g);
    bool more = means[0].count() < least;
    for (std::size_t i = 0; i < means.size(); ++i) {
      means[i].add(found[i]);
      more = more || means[i].error() > std::abs(expected[i]) / 150;
    }
    return more;
  });
  CHECK(means[0].count() < most);
  for (std::size_t i = 0; i < means.size(); ++i) {
    CAPTURE(i);
    check_mean(means[i], expected[i]);
  }
}

template <class F, class Value>
void check_mean_of(const zeroth_order::GradientOptions& options, F&& f, const Values& x, double expected,
                   Value&& value) {
  check_means_of(options, f, x, {expected}, [&](const Values& g) { return Values{value(g)}; });
}

/// The mean of every coordinate over `count` estimates.
template <class F>
std::vector<Mean> coordinate_means(const zeroth_order::GradientOptions& options, F&& f, const Values& x,
                                   std::size_t count) {
  std::vector<Mean> means(x.size());
  for_each_estimate(options, f, x, count, [&](const Values& g) {
    for (std::size_t i = 0; i < g.size(); ++i) means[i].add(g[i]);
  });
  return means;
}

/// The name of a case, for messages.
inline std::string label_of(const zeroth_order::GradientOptions& options, std::size_t d) {
  return options.directions.name + ", " + options.difference.name + ", combination " +
         std::to_string(static_cast<int>(options.combination)) +
         ", m = " + std::to_string(options.directions.count) + ", d = " + std::to_string(d);
}

}  // namespace fedval::tests
