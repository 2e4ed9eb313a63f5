// Mean and variance of draws that come one after the other.
//
//   mean_m = mean_{m-1} + (x_m - mean_{m-1}) / m
//   M_m = M_{m-1} + (x_m - mean_{m-1}) (x_m - mean_m),   variance = M_m / (m - 1)
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

namespace detail {

/// A sum of squares as states have it, where every number is finite: -1 for one beyond a double.
inline double saved_squares(double squares) { return std::isfinite(squares) ? squares : -1; }
/// And back.
inline double restored_squares(double saved) {
  return saved == -1 ? std::numeric_limits<double>::infinity() : saved;
}

}  // namespace detail

class RunningMoments {
 public:
  /// Takes in a draw. O(1). Error when it is not finite.
  void add(double x) {
    if (!std::isfinite(x)) fail("running moments: draw ", count_, " is ", x);
    ++count_;
    const double delta = x - mean_, m = static_cast<double>(count_);
    mean_ += std::isfinite(delta) ? delta / m : x / m - mean_ / m;
    squares_ += delta * (x - mean_);
  }

  /// Draws so far.
  std::uint64_t count() const { return count_; }
  /// 0 before the first draw.
  double mean() const { return mean_; }
  /// Unbiased variance of a draw; infinite below two draws, of which nothing is known, and where
  /// squares of deviations are beyond a double.
  double variance() const {
    return count_ < 2 ? std::numeric_limits<double>::infinity() : squares_ / static_cast<double>(count_ - 1);
  }

  void fields(auto& archive) {
    archive.state("count", count_);
    archive.state("mean", mean_);
    double squares = detail::saved_squares(squares_);
    archive.state("squares", squares);
    squares_ = detail::restored_squares(squares);
    archive.check(squares_ >= 0, "a negative sum of squares");
  }

 private:
  std::uint64_t count_ = 0;
  double mean_ = 0, squares_ = 0;
};

}  // namespace fedval::statistics
