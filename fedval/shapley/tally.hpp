// What samplers keep of their draws: as much as a value and its error need, and nothing that grows.
//
//   MeanTally     the value is the mean of independent draws:  phi_i = E[x_i],  error s_i / sqrt(m)
//   StrataTally   the value is a weighted sum of means:  phi_i = sum_k p_k E[x_ik],  error
//                 sqrt(sum_k p_k^2 s_ik^2 / m_ik), degrees of freedom by Welch and Satterthwaite
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/statistics/confidence_sequence.hpp"
#include "fedval/statistics/running_moments.hpp"

namespace fedval::shapley {

/// A player's value, as far as its draws tell.
struct Summary {
  double value = 0;                                                 ///< in the utility's units
  double standard_error = std::numeric_limits<double>::infinity();  ///< infinite where too few draws tell
  double degrees = 0;       ///< of freedom of the standard error; infinite where the value is known exactly
  std::uint64_t count = 0;  ///< draws that went into it
};

/// A promise for a run: with probability 1 - delta every player's interval holds its value, at all times.
struct Certificate {
  double delta = 0.05;  ///< largest probability that any interval ever misses its value; in (0, 1)
  /// Lower bound of every marginal contribution, in the utility's units; below the upper one.
  double marginal_low = 0, marginal_high = 0;  ///< no v(S + i) - v(S) is outside; both 0: not given
  double epsilon = 0;  ///< where given, Hoeffding's number of draws ends the run at the latest
};

/// Means of vectors that are drawn independently, one entry a player.
class MeanTally {
 public:
  /// Without a draw.
  explicit MeanTally(std::size_t players) : moments_(players) {}

  /// Certifies the means of draws in [low, high]: nine tenths of delta for the sequences, one for Hoeffding's
  /// single look, if there is an epsilon. Before the first draw.
  void certify(double low, double high, double delta, double epsilon) {
    if (!(low < high)) fail("certificate: a draw in [", low, ", ", high, "] is no interval");
    if (!(delta > 0 && delta < 1)) fail("certificate: delta is ", delta, ", must be between 0 and 1");
    if (players() == 0) return;
    const auto n = static_cast<double>(players());
    epsilon_ = epsilon;
    if (epsilon > 0) last_look_ = statistics::hoeffding_count(high - low, epsilon, 0.1 * delta / n);
    sequences_.assign(players(),
                      statistics::EmpiricalBernstein(low, high - low, (epsilon > 0 ? 0.9 : 1.0) * delta / n));
  }

  /// Entries of a draw.
  std::size_t players() const { return moments_.size(); }
  /// Draws so far.
  std::uint64_t count() const { return count_; }
  /// Whether interval() may be asked.
  bool certified() const { return !sequences_.empty(); }

  /// One draw for every player. O(n). Error, which leaves the tally as it was, when one is not finite or,
  /// certified, out of range.
  void add(std::span<const double> draw) {
    for (std::size_t i = 0; i < players(); ++i)
      if (!std::isfinite(draw[i])) fail("draw ", count_, " of player ", i, " is ", draw[i]);
    for (std::size_t i = 0; i < sequences_.size(); ++i) sequences_[i].check(draw[i]);
    ++count_;
    for (std::size_t i = 0; i < players(); ++i) moments_[i].add(draw[i]);
    for (std::size_t i = 0; i < sequences_.size(); ++i) sequences_[i].add(draw[i]);
    if (count_ == last_look_)
      for (const statistics::RunningMoments& moments : moments_) looked_.push_back(moments.mean());
  }

  /// summary(i).value of every player.
  std::vector<double> values() const {
    std::vector<double> values;
    for (std::size_t i = 0; i < players(); ++i) values.push_back(summary(i).value);
    return values;
  }

  /// The mean, its error s_i / sqrt(m), m - 1 degrees of freedom. Certified with an epsilon, the mean moves
  /// towards the middle of interval(i), no more than it takes to be within epsilon of all of it.
  Summary summary(std::size_t i) const {
    const double mean = moments_[i].mean();
    Summary result{mean, moments_[i].standard_error(), 0, count_};
    if (count_ > 1) result.degrees = static_cast<double>(count_ - 1);
    if (certified() && epsilon_ > 0) {
      // The mean, moved into the interval and no more than it takes to be within epsilon of all of it.
      const auto [low, high] = interval(i);
      const double middle = low + (high - low) / 2, slack = std::max(0.0, epsilon_ - (high - low) / 2);
      result.value = std::clamp(mean, std::max(low, middle - slack), std::min(high, middle + slack));
    }
    return result;
  }
  /// By player.
  std::vector<Summary> summaries() const {
    std::vector<Summary> all;
    for (std::size_t i = 0; i < players(); ++i) all.push_back(summary(i));
    return all;
  }

  /// What a player's value is in, with probability 1 - delta for all players and all times together.
  struct Interval {
    double low,  ///< lower end
        high;    ///< upper end, never below the lower one
  };
  /// Of a certified tally. Should a sequence's intervals not meet each other, or Hoeffding's, which has
  /// probability below delta: Hoeffding's after its look, before it what lies between them.
  Interval interval(std::size_t i) const {
    double low = sequences_[i].low(), high = sequences_[i].high();
    if (!looked_.empty()) {
      low = std::max(low, looked_[i] - epsilon_);
      high = std::min(high, looked_[i] + epsilon_);
      if (low > high) return {looked_[i] - epsilon_, looked_[i] + epsilon_};
    }
    return {std::min(low, high), std::max(low, high)};
  }

  void fields(auto& archive) {
    const std::size_t n = players();
    archive.state("count", count_);
    archive.state("moments", moments_);
    for (statistics::EmpiricalBernstein& sequence : sequences_) archive.state("sequence", sequence);
    archive.state("looked", looked_);
    archive.check(moments_.size() == n && (looked_.empty() || looked_.size() == n),
                  "parts that do not fit together");
    for (const statistics::RunningMoments& moments : moments_)
      archive.check(moments.count() == count_, "moments of another number of draws");
  }

 private:
  std::uint64_t count_ = 0, last_look_ = 0;
  double epsilon_ = 0;
  std::vector<statistics::RunningMoments> moments_;
  std::vector<statistics::EmpiricalBernstein> sequences_;
  std::vector<double> looked_;  // the means at Hoeffding's look
};

/// Means by player and stratum; a stratum may be known, when its only value was evaluated.
class StrataTally {
 public:
  /// The value is sum_k weights[k] mean_k.
  StrataTally(std::size_t players, std::vector<double> weights)
      : weights_(std::move(weights)), known_(weights_.size(), 0), moments_(players * weights_.size()) {}

  /// Their number; 0 where there is no stratum.
  std::size_t players() const { return weights_.empty() ? 0 : moments_.size() / weights_.size(); }
  /// Strata of each player.
  std::size_t strata() const { return weights_.size(); }
  /// Of a player's draws in a stratum.
  const statistics::RunningMoments& moments(std::size_t player, std::size_t stratum) const {
    return moments_[player * strata() + stratum];
  }
  /// One draw. O(1).
  void add(std::size_t player, std::size_t stratum, double draw) {
    moments_[player * strata() + stratum].add(draw);
  }
  /// From now on the stratum's draws are taken for its exact values.
  void set_known(std::size_t stratum) { known_[stratum] = 1; }
  /// Whether set_known() was called for it.
  bool known(std::size_t stratum) const { return known_[stratum] != 0; }

  /// By player; a stratum without a draw counts as 0. O(players x strata).
  std::vector<double> values() const {
    std::vector<double> values;
    for (std::size_t i = 0; i < players(); ++i) {
      double value = 0;
      for (std::size_t k = 0; k < strata(); ++k) value += weights_[k] * moments(i, k).mean();
      values.push_back(value);
    }
    return values;
  }

  /// By player. An error is infinite where a stratum of weight has fewer than two draws (if known: none).
  /// O(players x strata).
  std::vector<Summary> summaries() const {
    const std::vector<double> value = values();
    std::vector<Summary> all;
    for (std::size_t i = 0; i < players(); ++i) {
      double largest = 0, squares = 0, fourths = 0;
      std::uint64_t count = 0;
      std::vector<std::pair<double, double>> parts;  // of the error, with their degrees of freedom
      for (std::size_t k = 0; k < strata(); ++k) {
        const statistics::RunningMoments& draws = moments(i, k);
        count += draws.count();
        if ((known(k) && draws.count() > 0) || weights_[k] == 0) continue;
        const double part = std::abs(weights_[k]) * draws.standard_error();
        largest = std::max(largest, part);
        parts.emplace_back(part, static_cast<double>(std::max<std::uint64_t>(2, draws.count()) - 1));
      }
      Summary player{value[i], largest, 0, count};
      if (std::isfinite(largest)) {
        // A power of two that keeps squares in range changes no digit.
        const int exponent = largest > 0 ? std::ilogb(largest) : 0;
        for (const auto& [part, freedom] : parts) {
          const double scaled = std::ldexp(part, -exponent), square = scaled * scaled;
          squares += square;
          fourths += square * square / freedom;
        }
        player.standard_error = std::ldexp(std::sqrt(squares), exponent);
        player.degrees = fourths > 0 ? squares * squares / fourths : std::numeric_limits<double>::infinity();
      }
      all.push_back(player);
    }
    return all;
  }

  void fields(auto& archive) {
    const std::size_t strata = known_.size(), cells = moments_.size();
    archive.state("known", known_);
    archive.state("moments", moments_);
    archive.check(known_.size() == strata && moments_.size() == cells, "parts that do not fit together");
  }

 private:
  std::vector<double> weights_;
  std::vector<int> known_;
  std::vector<statistics::RunningMoments> moments_;  // players x strata
};

}  // namespace fedval::shapley
