// How far gradients from function values are from the truth, at equal numbers of queries.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "fedval/random/draws.hpp"
#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/std.hpp"
#include "fedval/zeroth_order/gradient.hpp"

namespace gradient_error {

using Point = std::vector<double>;
namespace zo = fedval::zeroth_order;

/// Logistic loss of d weights over 4 d rows of features whose scales differ by a factor 10, with an error of
/// `noise` an evaluation: a function with curvature, whose gradient is known.
class Logistic {
 public:
  Logistic(std::size_t dimension, double noise, std::uint64_t seed)
      : rows_(4 * dimension, Point(dimension)), labels_(4 * dimension), noise_(noise), errors_(seed, 1) {
    fedval::random::Draws draws(seed, 0);
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      for (std::size_t j = 0; j < dimension; ++j)
        rows_[r][j] =
            draws.normal() * std::pow(10.0, -static_cast<double>(j) / static_cast<double>(dimension));
      labels_[r] = draws.uniform() < 0.5 ? -1 : 1;
    }
  }

  double operator()(const Point& x) {
    double sum = 0;
    for (std::size_t r = 0; r < rows_.size(); ++r) sum += std::log1p(std::exp(-margin(x, r)));
    return sum / static_cast<double>(rows_.size()) + noise_ * errors_.normal();
  }

  Point gradient(const Point& x) const {
    Point g(x.size());
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      const double pull = -labels_[r] / (1 + std::exp(margin(x, r))) / static_cast<double>(rows_.size());
      for (std::size_t j = 0; j < x.size(); ++j) g[j] += pull * rows_[r][j];
    }
    return g;
  }

 private:
  double margin(const Point& x, std::size_t r) const {
    double sum = 0;
    for (std::size_t j = 0; j < x.size(); ++j) sum += rows_[r][j] * x[j];
    return labels_[r] * sum;
  }

  std::vector<Point> rows_;
  Point labels_;
  double noise_;
  fedval::random::Draws errors_;
};

/// Means over estimates.
struct Errors {
  double raw = 0;           ///< ||g^ - g||^2 / ||g||^2
  double cosine = 0;        ///< cos(g^, g)
  double rescaled = 0;      ///< the least of ||a g^ - g||^2 / ||g||^2 over a, the same a for all estimates
  double microseconds = 0;  ///< of an estimate, the function's own time left out
};

/// `runs` estimates at one point.
template <class F>
Errors measure(F f, const Point& x, const Point& truth, zo::GradientOptions options, std::size_t runs) {
  Errors errors;
  double along = 0, squares = 0;
  const double length = fedval::norm(truth);
  zo::Estimator estimator(options);
  for (std::size_t run = 0; run < runs; ++run) {
    const Point found = estimator(f, x).gradient;
    const double inner = fedval::dot(found, truth), square = fedval::dot(found, found);
    errors.raw += (square - 2 * inner + length * length) / (length * length);
    errors.cosine += inner / (std::sqrt(square) * length);
    along += inner;
    squares += square;
  }
  const auto count = static_cast<double>(runs);
  errors.raw = std::max(0.0, errors.raw / count);
  errors.cosine /= count;
  // a = sum <g^, g> / sum ||g^||^2 is the best factor for all; what it leaves of ||g||^2:
  errors.rescaled = std::max(0.0, 1 - along * along / (squares * count * length * length));

  zo::Estimator bare(options);
  const auto start = std::chrono::steady_clock::now();
  double kept = 0;
  for (std::size_t run = 0; run < runs; ++run)
    kept += bare([](const Point& p) { return p[0]; }, x).gradient[0];
  const std::chrono::duration<double, std::micro> spent = std::chrono::steady_clock::now() - start;
  errors.microseconds = spent.count() / count + (kept == 1e300 ? 1 : 0);
  return errors;
}

struct Estimate {
  std::string name;
  zo::GradientOptions options;
};

/// Every law and difference that `queries` queries (even) can pay for. `guide` is what guided directions get.
inline std::vector<Estimate> estimates(std::size_t queries, std::size_t dimension, const Point& guide) {
  std::vector<Estimate> all;
  const auto add = [&](const std::string& name, zo::Directions directions,
                       const zo::Difference& difference = zo::central,
                       zo::Combination combination = zo::Combination::plain) {
    zo::GradientOptions options;
    options.directions = std::move(directions);
    options.difference = difference;
    options.combination = combination;
    options.seed = 5;
    all.push_back({name, options});
  };
  const std::size_t pairs = queries / 2;
  using zo::Combination;
  add("gaussian", zo::gaussian(pairs));
  add("gaussian, least squares", zo::gaussian(pairs), zo::central, Combination::least_squares);
  add("rademacher (SPSA)", zo::rademacher(pairs));
  add("sphere", zo::sphere(pairs));
  add("sphere, shrunk", zo::sphere(pairs), zo::central, Combination::shrink);
  add("sphere, forward", zo::sphere(queries - 1), zo::forward);
  add("sphere, leave-one-out", zo::sphere(queries), zo::leave_one_out);
  add("l1 sphere", zo::l1_sphere(pairs));
  add("coordinates, with replacement", zo::coordinates(pairs, zo::Replacement::with));
  if (pairs <= dimension) {
    add("coordinates", zo::coordinates(pairs));
    add("orthogonal", zo::orthogonal(pairs));
    add("orthogonal, chi norms", zo::orthogonal(pairs, zo::Norms::chi));
  }
  if (queries - 1 <= dimension) add("orthogonal, forward", zo::orthogonal(queries - 1), zo::forward);
  add("hadamard", zo::hadamard(pairs));
  const std::vector<fedval::TensorView> guides{guide};
  add("guided", zo::guided(pairs, guides));
  add("guided, unbiased", zo::guided(pairs, guides, {.alpha = 0.5, .unbiased = true}));
  return all;
}

}  // namespace gradient_error
