// What a client's update adds to the last global one, who else says the same, and whether the others agree.
//
//   u_i = dw_i / ||dw_i||,  g = last global update, normalised (0 in the first round)
//   novelty     q_i = ||u_i - <u_i, g> g||
//   innovation  v_i = u_i - <u_i, g> g, normalised;   0 where q_i < .05
//   copies      copies(i) = {j != i : cos(v_i, v_j) > .95}
//   agreement   l_i = max(0, cos(v_i, sum_{j != i, j not in copies(i)} v_j))
//   gate        min(1, x_i / (tau median_j x_j))^power,  the upper median; 1 where that is 0
//
// All of it follows from the Gram matrix of the updates and g, so the dimension D is gone once that is known,
// and no client's scaling matters. A replayed global update has no novelty, noise no agreement.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "fedval/contribution/round.hpp"
#include "fedval/tensor/gram.hpp"

namespace fedval {

/// The innovations of a round's clients, by place in the order of their ids.
class Innovations {
 public:
  struct Options {
    double copy_cosine = 0.95;    ///< innovations with a larger cosine are copies of each other
    double least_novelty = 0.05;  ///< below it nothing new was sent

    /// Error that names the option out of its range; `score` is whose they are.
    void check(std::string_view score) const {
      if (!(copy_cosine >= -1 && copy_cosine <= 1))
        fail(score, ": copy_cosine is ", copy_cosine, ", must be in [-1, 1]");
      if (!(least_novelty >= 0 && least_novelty <= 1))
        fail(score, ": least_novelty is ", least_novelty, ", must be in [0, 1]");
    }
    bool operator==(const Options&) const = default;
    /// What save() writes and restore() reads; see archive.hpp.
    void fields(auto& archive) {
      archive.state("copy_cosine", copy_cosine);
      archive.state("least_novelty", least_novelty);
    }
  };

  /// Needs update of every client and, from the second round on, global_update. O(N^2 D). Error names the
  /// client whose update is absent, of another size or not finite; `score` is who asks.
  Innovations(const Round& round, const Options& options, std::string_view score)
      : size_(round.size()), gram_(products(round, score)) {
    const bool with_global = gram_.size() > size_;
    for (std::size_t i = 0; i < size_; ++i) {
      along_.push_back(with_global ? gram_.cosine(i, size_) : 0.0);
      // 1 - c^2 without cancellation; rounding may leave |c| a little above 1.
      const double rest = (1 - along_[i]) * (1 + along_[i]);
      novelty_.push_back(gram_.scaled_norm(i) > 0 ? std::sqrt(std::max(rest, 0.0)) : 0.0);
    }
    cosines_.assign(size_ * size_, 0.0);
    copies_.resize(size_);
    for (std::size_t i = 0; i < size_; ++i)
      for (std::size_t j = 0; j < size_; ++j) {
        if (!sends_news(i, options) || !sends_news(j, options)) continue;
        const double product = gram_.cosine(i, j) - along_[i] * along_[j];
        cosines_[i * size_ + j] = i == j ? 1.0 : std::clamp(product / (novelty_[i] * novelty_[j]), -1.0, 1.0);
        if (i != j && cosine(i, j) > options.copy_cosine) copies_[i].push_back(j);
      }
    measure_agreement();
  }

  /// Number of clients, N.
  std::size_t size() const { return size_; }
  /// Inner products of the updates; the last one is the global update, where there is one.
  const Gram& gram() const { return gram_; }
  /// <u_i, g>.
  double along_global(std::size_t i) const { return along_[i]; }
  /// q_i in [0, 1]; 0 for a zero update.
  const std::vector<double>& novelty() const { return novelty_; }
  /// Whether v_i is not zero.
  bool sends_news(std::size_t i) const { return cosines_[i * size_ + i] > 0; }
  /// cos(v_i, v_j).
  double cosine(std::size_t i, std::size_t j) const { return cosines_[i * size_ + j]; }
  /// The other clients that sent what client i sent, in ascending order.
  std::span<const std::size_t> copies(std::size_t i) const { return copies_[i]; }
  /// l_i in [0, 1].
  const std::vector<double>& agreement() const { return agreement_; }

 private:
  static Gram products(const Round& round, std::string_view score) {
    Round::Parts parts = round.parts(&ClientParts::update, "update", score);
    if (round.global_update.given() && round.size() > 0) {
      parts.tensors.push_back(round.global_update);
      parts.names.emplace_back("global_update");
    }
    return fedval::gram(parts.tensors, parts.names);
  }

  bool sends_news(std::size_t i, const Options& options) const {
    return novelty_[i] > 0 && novelty_[i] >= options.least_novelty;
  }

  /// With s_a = sum_b cos(v_a, v_b) and E = copies(i) + i, the others' sum has <v_i, .> = s_i - sum_E
  /// cos(v_i, v_e) and squared length sum s - 2 sum_E s_e + sum_E,E cos(v_e, v_e').
  void measure_agreement() {
    std::vector<double> sums(size_, 0.0);
    double total = 0;
    for (std::size_t i = 0; i < size_; ++i) {
      for (std::size_t j = 0; j < size_; ++j) sums[i] += cosine(i, j);
      total += sums[i];
    }
    for (std::size_t i = 0; i < size_; ++i) {
      std::vector<std::size_t> left_out(copies_[i].begin(), copies_[i].end());
      left_out.push_back(i);
      double product = sums[i], square = total;
      for (const std::size_t e : left_out) {
        product -= cosine(i, e);
        square -= 2 * sums[e];
        for (const std::size_t f : left_out) square += cosine(e, f);
      }
      // Others that cancel leave rounding, a few eps times N^2 terms of size one.
      const auto n = static_cast<double>(size_);
      const bool nobody = !(square > n * n * cancelled_square);
      agreement_.push_back(nobody ? 0.0 : std::clamp(product / std::sqrt(square), 0.0, 1.0));
    }
  }

  std::size_t size_;
  Gram gram_;
  std::vector<double> along_, novelty_, cosines_, agreement_;
  std::vector<std::vector<std::size_t>> copies_;
};

/// Error where a score that has observed a round before is given none of what happened since: who replays the
/// last global update could not be told from who does the work. `score` is whose it is. O(1).
inline void check_global_update(const Round& round, bool observed_before, std::string_view score) {
  if (observed_before && round.size() > 0 && !round.global_update.given())
    fail(score,
         " needs global_update from the second round on (zeros where nothing moved), which was not given");
}

/// Factors in [0, 1] that leave alone who is near the others' median and refuse who is far below it.
struct Gates {
  /// One for each client, in the order in which they came.
  std::vector<double> values;
  bool open = false;  ///< the median was 0, so that nothing could be told: all gates are 1
};

/// Error unless a gate's tau or power, called `option`, is finite and above 0; `score` is whose it is.
inline void check_gate(double value, std::string_view option, std::string_view score) {
  if (!(value > 0 && std::isfinite(value)))
    fail(score, ": ", option, " is ", value, ", must be finite and above 0");
}

/// min(1, x_i / (tau median x))^power, with the upper median; 0 below 0. O(N). Error for an x_i that is not
/// finite, and for a tau or power that is not finite and above 0.
inline Gates gates(std::span<const double> x, double tau, double power) {
  check_gate(tau, "tau", "gates");
  check_gate(power, "power", "gates");
  for (std::size_t i = 0; i < x.size(); ++i)
    if (!std::isfinite(x[i])) fail("gates: entry ", i, " is ", x[i]);
  std::vector<double> sorted(x.begin(), x.end());
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  if (!sorted.empty()) std::nth_element(sorted.begin(), middle, sorted.end());
  const double median = sorted.empty() ? 0 : *middle;
  if (!(median > 0)) return {std::vector<double>(x.size(), 1.0), true};
  Gates result;
  for (const double value : x)
    result.values.push_back(std::pow(std::clamp(value / (tau * median), 0.0, 1.0), power));
  return result;
}

}  // namespace fedval
