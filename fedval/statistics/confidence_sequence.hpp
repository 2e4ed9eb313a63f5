// An interval for the mean of bounded draws that holds at all times at once, so that one may look after every
// draw and stop when it is short enough (predictable plug-in empirical Bernstein).
//
//   X_t in [0, 1], E[X_t | past] = mu, L = ln(2 / alpha)
//   P(for all t:  |sum lambda_k X_k / sum lambda_k - mu|
//                 <= (L + sum (X_k - m_k)^2 (-ln(1 - lambda_k) - lambda_k)) / sum lambda_k) >= 1 - alpha
//
// for any m_k and 0 < lambda_k < 1 that only the draws before k decide. Here both stand still over blocks of
// one 64th of the draws before, which is as good and saves a logarithm and a root a draw:
//
//   m = (1/2 + sum X) / (t + 1),  s^2 = (1/4 + sum (X - m)^2) / (t + 1),
//   lambda = min(sqrt(2 L / (s^2 (t + 1) ln(t + 2))), 3/4)         of the t draws before the block
//
// All intervals hold together, so their intersection does. Its width shrinks like sqrt(variance ln ln t / t)
// once t is beyond the range term L / t, where Hoeffding's is sqrt(1 / t) times the range for any variance.
// Sources: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B 86(1),
// 2024, theorem 2; Hoeffding, JASA 58, 1963.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "fedval/error.hpp"

namespace fedval::statistics {

namespace detail {

/// ln(2 / alpha), where 2 / alpha overflows too.
inline double log_of_two_over(double alpha) {
  return alpha < 0x1p-1000 ? std::log(2.0) - std::log(alpha) : std::log(2 / alpha);
}

}  // namespace detail

/// Draws after which Hoeffding's inequality bounds |mean - mu| by epsilon with probability 1 - alpha, for
/// draws within an interval of length `range`: range^2 ln(2 / alpha) / (2 epsilon^2). Error unless
/// range is at least 0, epsilon positive, alpha in (0, 1) and the count below 2^63.
inline std::uint64_t hoeffding_count(double range, double epsilon, double alpha) {
  if (!(range >= 0 && epsilon > 0 && alpha > 0 && alpha < 1))
    fail("hoeffding_count: range ", range, ", epsilon ", epsilon, ", alpha ", alpha);
  const double ratio = range / epsilon;
  const double count = std::ceil(ratio * ratio * detail::log_of_two_over(alpha) / 2);
  if (!(count < 0x1p63)) fail("hoeffding_count: epsilon = ", epsilon, " is too small for a range of ", range);
  return static_cast<std::uint64_t>(std::max(count, 1.0));
}

/// The sequence for draws in [low, low + range].
class EmpiricalBernstein {
 public:
  EmpiricalBernstein() = default;
  /// alpha: the probability that any of its intervals ever misses the mean.
  EmpiricalBernstein(double low, double range, double alpha)
      : low_(low), range_(range), level_(detail::log_of_two_over(alpha)) {
    if (!(std::isfinite(low) && std::isfinite(range) && range > 0 && alpha > 0 && alpha < 1))
      fail("empirical Bernstein: low ", low, ", range ", range, ", alpha ", alpha);
  }

  /// Error when x is outside the range: no interval would mean anything.
  void check(double x) const {
    // Rounding may put a draw at the edge a little beyond it.
    const double scaled = (x - low_) / range_;
    if (!(scaled >= -1e-9 && scaled <= 1 + 1e-9))
      fail("empirical Bernstein: a draw of ", x, " is outside [", low_, ", ", low_ + range_, "]");
  }
  /// O(1). Error as for check().
  void add(double x) {
    check(x);
    const double draw = std::clamp((x - low_) / range_, 0.0, 1.0), deviation = draw - mean_;
    ++count_;
    ++block_;
    block_sum_ += draw;
    block_squares_ += deviation * deviation;
    if (block_ > (count_ - block_) / 64) end_block();
  }

  /// Draws so far.
  std::uint64_t count() const { return count_; }
  /// The intersection of the intervals at the blocks' ends so far; [low, low + range] before the first draw.
  /// In the rare case (probability below alpha) that they do not meet, low() > high().
  double low() const { return low_ + range_ * lower_; }
  /// Its upper end.
  double high() const { return low_ + range_ * upper_; }

  void fields(auto& archive) {
    archive.option("low", low_);
    archive.option("range", range_);
    archive.option("level", level_);
    archive.state("count", count_);
    archive.state("block", block_);
    for (double* number : {&block_sum_, &block_squares_, &mean_, &lambda_, &sum_, &squares_, &weights_,
                           &weighted_, &spread_, &lower_, &upper_})
      archive.state("sequence", *number);
    archive.check(lambda_ > 0 && lambda_ < 1, "a bet outside (0, 1)");
  }

 private:
  double bet() const {
    const auto t = static_cast<double>(count_);
    return std::min(0.75, std::sqrt(2 * level_ / ((0.25 + squares_) * std::log(t + 2))));
  }

  void end_block() {
    const auto length = static_cast<double>(block_), t = static_cast<double>(count_);
    weights_ += length * lambda_;
    weighted_ += lambda_ * block_sum_;
    spread_ += block_squares_ * (-std::log1p(-lambda_) - lambda_);
    sum_ += block_sum_;
    squares_ += block_squares_;
    block_ = 0;
    block_sum_ = block_squares_ = 0;
    mean_ = (0.5 + sum_) / (t + 1);
    lambda_ = bet();
    const double centre = weighted_ / weights_, radius = (level_ + spread_) / weights_;
    lower_ = std::max(lower_, centre - radius);
    upper_ = std::min(upper_, centre + radius);
  }

  double low_ = 0, range_ = 1, level_ = 1;
  std::uint64_t count_ = 0, block_ = 0;
  double block_sum_ = 0, block_squares_ = 0;
  double mean_ = 0.5, lambda_ = 0.75;  // of this block; the first is decided by nothing
  double sum_ = 0, squares_ = 0, weights_ = 0, weighted_ = 0, spread_ = 0, lower_ = 0, upper_ = 1;
};

}  // namespace fedval::statistics
