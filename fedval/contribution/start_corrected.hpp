// Moving averages that are right from their first value on: m_t = mu m_{t-1} + (1 - mu) x_t with m_0 = 0,
// divided by the weight 1 - mu^t that t values have in it.
//
//   a_t = m_t / (1 - mu^t) = a_{t-1} + (1 - mu) / (1 - mu^t) (x_t - a_{t-1})
//
// The first value starts the average and then counts no more than the others, as it does in ClientAverages.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <vector>

#include "fedval/contribution/round.hpp"

namespace fedval {

/// The average of one number's values, all in [-1, 1].
class StartCorrected {
 public:
  /// Takes in the next value and returns the average; `momentum` is mu, in [0, 1).
  double take(double value, double momentum) {
    const double weight = 1 - std::pow(momentum, static_cast<double>(++values_));
    average_ += (1 - momentum) / weight * (value - average_);
    return average_;
  }
  /// a_t; 0 before the first value.
  double average() const { return average_; }

  void fields(auto& archive) {
    archive.state("average", average_);
    archive.check(std::abs(average_) <= 1 + 1e-9, "an average outside [-1, 1]");
    archive.state("values", values_);
    archive.check(values_ > 0 && values_ < std::int64_t{1} << 53, "a number of values out of range");
  }

 private:
  double average_ = 0;
  std::int64_t values_ = 0;
};

/// One average a client, for clients that come and go: who is away keeps its own.
class CorrectedAverages {
 public:
  /// Takes in the values of the round's clients, in their order, and returns their averages. O(N log M), M
  /// clients known.
  std::vector<double> take(const Round& round, std::vector<double> values, double momentum) {
    for (std::size_t i = 0; i < round.size(); ++i)
      values[i] = averages_[round.clients()[i].id].take(values[i], momentum);
    return values;
  }

  /// Whether no client is known yet.
  bool empty() const { return averages_.empty(); }

  void fields(auto& archive) { archive.state("averages", averages_); }

 private:
  std::map<ClientId, StartCorrected> averages_;
};

}  // namespace fedval
