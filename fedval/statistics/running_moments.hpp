// Mean and variance of draws that come one after the other.
//
//   mean_m = mean_{m-1} + (x_m - mean_{m-1}) / m
//   M_m = M_{m-1} + (x_m - mean_{m-1}) (x_m - mean_m),   variance s^2 = M_m / (m - 1),   error s / sqrt(m)
//
// Source: Welford, "Note on a method for calculating corrected sums of squares and products", Technometrics
// 4(3), 1962.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "fedval/error.hpp"

namespace fedval::statistics {

class RunningMoments {
 public:
  /// Takes in a draw. O(1). Error when it is not finite.
  void add(double x) {
    if (!std::isfinite(x)) fail("running moments: draw ", count_, " is ", x);
    ++count_;
    const double m = static_cast<double>(count_), before = mean_, step = x - before;
    mean_ += std::isfinite(step) ? step / m : x / m - before / m;
    choose_unit(std::abs(step));
    squares_ += in_units(x, before) * in_units(x, mean_);
  }

  /// Draws so far.
  std::uint64_t count() const { return count_; }
  /// 0 before the first draw.
  double mean() const { return mean_; }
  /// Unbiased variance of a draw, s^2; infinite below two draws, of which nothing is known. Infinite or 0,
  /// too, where it is beyond a double: what follows is right at every scale.
  double variance() const { return std::ldexp(mean_square(), 2 * exponent_); }
  /// Standard deviation of a draw, s; infinite below two draws.
  double deviation() const { return std::ldexp(std::sqrt(mean_square()), exponent_); }
  /// Of the mean, s / sqrt(m); infinite below two draws.
  double standard_error() const {
    return std::ldexp(std::sqrt(mean_square() / static_cast<double>(count_)), exponent_);
  }

  void fields(auto& archive) {
    archive.state("count", count_);
    archive.state("mean", mean_);
    archive.state("squares", squares_);
    archive.check(squares_ >= 0, "a negative sum of squares");
    archive.state("exponent", exponent_);
    archive.check(exponent_ == 0 || exponent_ == far || exponent_ == -far,
                  "an exponent that is never set aside");
  }

 private:
  static constexpr int far = 700;

  /// The largest deviation decides: where its square is small beside a double's range, so are those that are
  /// lost beside it.
  void choose_unit(double deviation) {
    const int exponent = deviation > 0x1p400 ? far : deviation < 0x1p-400 ? -far : 0;
    if (deviation == 0 || (squares_ > 0 && exponent <= exponent_)) return;
    squares_ = std::ldexp(squares_, 2 * (exponent_ - exponent));
    exponent_ = exponent;
  }
  double in_units(double x, double mean) const {
    return exponent_ == 0 ? x - mean : std::ldexp(x, -exponent_) - std::ldexp(mean, -exponent_);
  }
  double mean_square() const {
    return count_ < 2 ? std::numeric_limits<double>::infinity() : squares_ / static_cast<double>(count_ - 1);
  }

  std::uint64_t count_ = 0;
  double mean_ = 0, squares_ = 0;  // the latter in units of 4^exponent_, so that it stays within a double
  int exponent_ = 0;
};

}  // namespace fedval::statistics
