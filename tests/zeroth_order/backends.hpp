// One function and its estimates, for tensors of every kind.
#pragma once

#include <limits>
#include <string>
#include <utility>

#include "fedval/tensor/operations.hpp"
#include "tests/zeroth_order/estimates.hpp"

namespace fedval::tests {

inline constexpr std::size_t backend_rows = 5, backend_columns = 7;

/// Multiples of 1/8, which every scalar type holds.
inline Values backend_point() {
  Values x;
  for (std::size_t i = 0; i < backend_rows * backend_columns; ++i)
    x.push_back(static_cast<double>(i * 11 % 17) / 8 - 1);
  return x;
}

inline Values entries_of(const TensorView& x) {
  Values result(x.size());
  x.read(0, result);
  return result;
}

/// Smooth and of no symmetry; computed in double from the entries of any tensor.
inline double backend_function(const TensorView& x) {
  double sum = 0, i = 0;
  for (const double entry : entries_of(x)) {
    ++i;
    sum += std::sin(i * 0.3) * entry + 0.25 * entry * entry;
  }
  return sum;
}

/// Whether all values are equal, NaN and NaN included.
inline bool same(const Values& a, const Values& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!(a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i])))) return false;
  return a.size() == b.size();
}

/// Estimates at a tensor that holds backend_point(), against those of a vector of doubles.
template <class S, class X>
void check_backend(const X& x) {
  using namespace zeroth_order;
  const Values plain = backend_point();
  REQUIRE(entries_of(x) == plain);
  const double mu = 0.5, d = static_cast<double>(plain.size());
  const std::vector<TensorView> guides{plain};
  for (const Directions& directions :
       {gaussian(3), rademacher(3), sphere(3), l1_sphere(3), coordinates(3), orthogonal(3), hadamard(3),
        guided(3, guides), guided(3, guides, {.alpha = 0.5, .unbiased = true})})
    for (const Combination combination : {Combination::plain, Combination::least_squares})
      for (const Difference& difference : {forward, central}) {
        const GradientOptions options{.directions = directions,
                                      .difference = difference,
                                      .combination = combination,
                                      .smoothing = mu,
                                      .seed = 17};
        const std::string label = label_of(options, plain.size());
        CAPTURE(label);
        const auto expected =
            zeroth_order::gradient([](const Values& at) { return backend_function(at); }, plain, options);
        const auto found =
            zeroth_order::gradient([](const X& at) { return backend_function(at); }, x, options);
        REQUIRE(TensorView(found.gradient).shape() == TensorView(x).shape());
        CHECK(entries_of(x) == plain);  // left as it was
        // Entries of directions are below 4, so those of points below 3 and |f'| below 2.5: a value is off by
        // 8 d u_S where its point is rounded to S, and by the rounding of a sum of 3 d terms of up to 5 each;
        // a slope by two such values over mu.
        const double off = 2 * (8 * d * Rounding<S>::relative + 5 * d * sum_bound(3 * plain.size())) / mu;
        for (std::size_t i = 0; i < 3; ++i) CHECK(std::abs(found.slopes[i] - expected.slopes[i]) <= off);
        // The estimate is what these slopes make in double, rounded once to S.
        const Draw draw = directions.draw(plain.size(), {17, 0});
        const WeightedSum sum = combine(combination, draw, found.slopes, plain.size());
        Values recombined(plain.size()), magnitude(plain.size(), 0.0), direction(plain.size());
        zeroth_order::accumulate(sum.weights, sum.directions, 0, recombined);
        for (std::size_t k = 0; k < sum.weights.size(); ++k) {
          read(sum.directions[k], 0, direction);
          for (std::size_t i = 0; i < plain.size(); ++i)
            magnitude[i] += std::abs(sum.weights[k] * direction[i]);
        }
        const Values entries = entries_of(found.gradient);
        for (std::size_t i = 0; i < plain.size(); ++i)
          CHECK(std::abs(entries[i] - recombined[i]) <= Rounding<S>::relative * std::abs(recombined[i]) +
                                                            Rounding<S>::subnormal +
                                                            2 * sum_bound(6) * magnitude[i]);
      }
}

constexpr Update every_update[] = {Update::square_mean, Update::maximum, Update::sign_step,
                                   Update::root_step};
constexpr double update_p = 0.3, update_q = 1e-3;

/// x, a and b with zeros of both signs, infinities and NaN; b of no sign.
struct UpdateOperands {
  UpdateOperands() {
    random::Stream stream(7);
    x = normals(stream, 3000);
    a = normals(stream, 3000);
    b = normals(stream, 3000);
    constexpr double infinity = std::numeric_limits<double>::infinity();
    for (const double first : {0.0, -0.0, 1.0, -3.0, infinity, -infinity, std::nan("")})
      for (const double second : {0.0, 1.0, 0x1p-1070, infinity, std::nan("")})
        for (const double from : {-0.5, 2.0, std::nan("")}) {
          x.push_back(from);
          a.push_back(first);
          b.push_back(second);
        }
    for (double& value : b) value = std::abs(value);
  }
  std::vector<TensorView> inputs(Update rule) const {
    return rule == Update::root_step ? std::vector<TensorView>{a, b} : std::vector<TensorView>{a};
  }
  Values x, a, b;
};

/// What device.hpp says of each rule: NaN where a term is.
inline Values naive_update(Update rule, const UpdateOperands& with) {
  Values result = with.x;
  for (std::size_t i = 0; i < result.size(); ++i) {
    const double a = with.a[i], b = with.b[i];
    double& x = result[i];
    switch (rule) {
      case Update::square_mean:
        x = update_p * x + (1 - update_p) * (a * a);
        break;
      case Update::maximum:
        x = std::isnan(x) || std::isnan(a) ? std::nan("") : std::max(x, a);
        break;
      case Update::sign_step:
        x -= std::isnan(a) ? a : update_p * (static_cast<double>(a > 0) - static_cast<double>(a < 0));
        break;
      case Update::root_step:
        if (a != 0) x -= update_p * a / (std::sqrt(b) + update_q);
    }
  }
  return result;
}

/// Same NaNs and infinities; else within the roundings of three operations, and the one to float.
inline bool near_update(double found, double expected, double rounding) {
  if (std::isnan(expected)) return std::isnan(found);
  if (std::isinf(expected)) return found == expected;
  return std::abs(found - expected) <= rounding * (std::abs(expected) + 4);  // the operands are below 6
}

}  // namespace fedval::tests
