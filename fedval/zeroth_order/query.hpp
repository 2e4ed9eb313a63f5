// How a function is asked: one point at a time or many, with or without a sample number, and counted.
//
//   double f(const X& x)                                                   a function
//   double f(const X& x, Sample s)                                         a random one: s says which draw
//   batched([](std::span<const X> points) { return values; })              many points in one call
//   batched([](std::span<const X> points, std::span<const Sample> s) { return values; })
//
// Common random numbers: all points of one estimate get the same sample, so that a mini-batch or a seed drawn
// from it is the same at both ends of a difference, and its noise cancels.
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "fedval/error.hpp"

namespace fedval::zeroth_order {

/// Which realisation of a random function is asked for: 64 random bits, to seed a mini-batch or a simulation.
struct Sample {
  std::uint64_t number = 0;  ///< in variance reduction the index of a component
};

/// A callable that takes many points at once.
template <class F>
struct Batched {
  F f;  ///< of the points, or of points and samples; gives a range of one value a point
};

/// Says of f that it takes many points in one call.
template <class F>
Batched<std::decay_t<F>> batched(F&& f) {
  return {std::forward<F>(f)};
}

/// A number of evaluations that estimates share; handed over by pointer.
class QueryBudget {
 public:
  /// `limit` evaluations, all of them left.
  explicit QueryBudget(std::size_t limit) : limit_(limit) {}

  /// Evaluations in all.
  std::size_t limit() const { return limit_; }
  /// Evaluations taken so far.
  std::size_t used() const { return used_; }
  /// Evaluations that can still be taken.
  std::size_t left() const { return limit_ - used_; }
  /// Error, and nothing taken, when fewer are left.
  void take(std::size_t queries) {
    if (queries > left())
      fail("zeroth_order: ", queries, " queries are needed, ", left(), " of ", limit_, " are left");
    used_ += queries;
  }

 private:
  std::size_t limit_, used_ = 0;
};

namespace detail {

template <class F>
inline constexpr bool is_batched = false;
template <class F>
inline constexpr bool is_batched<Batched<F>> = true;

/// f asked at one point with one sample.
template <class F, class X>
concept AsksPoint = requires(F& f, const X& x) {
  { f(x) } -> std::convertible_to<double>;
}
|| requires(F& f, const X& x, Sample sample) {
  { f(x, sample) } -> std::convertible_to<double>;
};

template <class F, class X>
concept AsksBatch = is_batched<F> &&(
    requires(F& b, std::span<const X> points) { std::size(b.f(points)); } ||
    requires(F & b, std::span<const X> points, std::span<const Sample> s) { std::size(b.f(points, s)); });

}  // namespace detail

/// A function of an X that fedval can ask.
template <class F, class X>
concept Objective =
    detail::AsksPoint<std::remove_reference_t<F>, X> || detail::AsksBatch<std::remove_cvref_t<F>, X>;

namespace detail {

/// values[k] = f(points[k]). Error when a batched f returns another number of values.
template <class F, class X>
void ask(F& f, std::span<const X> points, std::span<const Sample> samples, std::span<double> values) {
  if constexpr (is_batched<std::remove_cvref_t<F>>) {
    const auto take = [&](const auto& found) {
      if (std::size(found) != points.size())
        fail("zeroth_order: the function gave ", std::size(found), " values for ", points.size(), " points");
      std::size_t k = 0;
      for (const auto& value : found) values[k++] = static_cast<double>(value);
    };
    if constexpr (requires { std::size(f.f(points, samples)); }) {
      take(f.f(points, samples));
    } else {
      take(f.f(points));
    }
  } else {
    for (std::size_t k = 0; k < points.size(); ++k) {
      if constexpr (requires {
                      { f(points[k], samples[k]) } -> std::convertible_to<double>;
                    }) {
        values[k] = static_cast<double>(f(points[k], samples[k]));
      } else {
        values[k] = static_cast<double>(f(points[k]));
      }
    }
  }
}

/// f at one point.
template <class F, class X>
double ask_one(F& f, const X& point, const Sample& sample) {
  double value = 0;
  ask<F, X>(f, std::span<const X>(&point, 1), {&sample, 1}, {&value, 1});
  return value;
}

/// Error "zeroth_order: direction 3: f(x + 0.001 u) is NaN" unless the value is finite.
inline void check_value(double value, std::size_t direction, double displacement) {
  if (std::isfinite(value)) return;
  const char* what = std::isnan(value) ? "NaN" : value > 0 ? "infinite" : "-infinite";
  if (displacement == 0) fail("zeroth_order: f(x) is ", what);
  fail("zeroth_order: direction ", direction, ": f(x ", displacement < 0 ? "- " : "+ ",
       std::abs(displacement), " u) is ", what);
}

}  // namespace detail
}  // namespace fedval::zeroth_order
