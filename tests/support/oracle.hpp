// Naive definitions in long double, which the library's results are held against, and how far a result may be
// from them.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "fedval/random/philox.hpp"
#include "fedval/tensor/scalar.hpp"

namespace fedval::tests {

using Values = std::vector<double>;

/// The one table of tolerances: what a single rounding to the scalar type costs.
template <class S>
struct Rounding;
template <>
struct Rounding<double> {
  static constexpr double relative = 0x1p-53, subnormal = 0x1p-1074;  // half a unit; 2^-1075 is no double
};
template <>
struct Rounding<float> {
  static constexpr double relative = 0x1p-24, subnormal = 0x1p-150;
};
template <>
struct Rounding<Half> {
  static constexpr double relative = 0x1p-11, subnormal = 0x1p-25;
};
template <>
struct Rounding<BFloat16> {
  static constexpr double relative = 0x1p-8, subnormal = 0x1p-134;
};

inline std::uint64_t bits(double value) { return std::bit_cast<std::uint64_t>(value); }

inline std::vector<std::uint64_t> bits(std::span<const double> values) {
  std::vector<std::uint64_t> result;
  for (const double value : values) result.push_back(bits(value));
  return result;
}

template <class S>
double rounded(double value) {
  return static_cast<double>(static_cast<S>(value));
}

template <class S>
Values rounded(Values values) {
  for (double& value : values) value = rounded<S>(value);
  return values;
}

inline Values normals(random::Stream& stream, std::size_t count, double scale = 1) {
  Values values(count);
  for (double& value : values) value = scale * stream.normal();
  return values;
}

inline long double naive_dot(std::span<const double> a, std::span<const double> b) {
  long double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<long double>(a[i]) * b[i];
  return sum;
}

inline long double naive_norm(std::span<const double> a) { return std::sqrt(naive_dot(a, a)); }

/// 0 where a vector is zero, as in the library.
inline long double naive_cosine(std::span<const double> a, std::span<const double> b) {
  const long double left = naive_norm(a), right = naive_norm(b);
  return left == 0 || right == 0 ? 0 : naive_dot(a, b) / (left * right);
}

/// Any order of summation in double is within n u sum |a_i b_i| of the exact sum, u = 2^-53; two more u are
/// for a square root and the oracle's own rounding.
inline double sum_bound(std::size_t count) { return static_cast<double>(count + 2) * 0x1p-53; }

inline double dot_bound(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] * b[i]);
  return sum_bound(a.size()) * sum;
}

/// Indices, ascending, of the k largest magnitudes, ties by index.
inline std::vector<std::uint64_t> naive_top_k(std::span<const double> values, std::size_t k) {
  std::vector<std::uint64_t> order(values.size());
  std::iota(order.begin(), order.end(), std::uint64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::uint64_t a, std::uint64_t b) {
    return std::abs(values[a]) > std::abs(values[b]);
  });
  order.resize(k);
  std::sort(order.begin(), order.end());
  return order;
}

}  // namespace fedval::tests
