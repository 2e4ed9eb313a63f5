// Which mean of its marginal contributions a player is worth.
//
//   phi_i = sum_{S without i} w_|S| (v(S + i) - v(S)),   sum_k C(n-1, k) w_k = 1
//
//   Shapley     w_k = 1 / (n C(n-1, k)): every size is as likely; alone has sum_i phi_i = v(N) - v({})
//   Banzhaf     w_k = 2^-(n-1): every coalition is as likely
//   Beta(a, b)  w_k = B(k + b, n - 1 - k + a) / B(a, b): large a weighs small coalitions up
//
// All three are E_q[q^k (1-q)^(n-1-k)] over some law of q in [0, 1]: everyone else joins with probability q.
// Sources: Shapley 1953; Dubey, Neyman, Weber, "Value theory without efficiency", 1981 (semivalues); Owen,
// "Multilinear extensions of games", 1972; Kwon and Zou, "Beta Shapley", AISTATS 2022.
#pragma once

#include <cmath>
#include <cstddef>
#include <sstream>
#include <string>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/statistics/log_gamma.hpp"

namespace fedval::shapley {

/// w_k, k = 0 ... n - 1, of the Shapley value; those below the smallest double are 0. O(n).
inline std::vector<double> shapley_weights(std::size_t n) {
  std::vector<double> w(n);
  double weight = 1 / static_cast<double>(n);  // 1 / (n C(n-1, k)), the same for k and n - 1 - k
  for (std::size_t k = 0; 2 * k < n; ++k) {
    w[k] = w[n - 1 - k] = weight;
    weight *= static_cast<double>(k + 1) / static_cast<double>(n - 1 - k == 0 ? 1 : n - 1 - k);
  }
  return w;
}

/// w_k of the Banzhaf value. O(n).
inline std::vector<double> banzhaf_weights(std::size_t n) {
  return std::vector<double>(n, std::ldexp(1.0, 1 - static_cast<int>(n)));
}

/// w_k of Beta Shapley(a, b): large a weighs small coalitions up; (1, 1) is the Shapley value. O(n). Error
/// unless both are positive and finite.
inline std::vector<double> beta_weights(std::size_t n, double a, double b) {
  if (!(a > 0 && b > 0 && std::isfinite(a) && std::isfinite(b)))
    fail("beta_weights: a is ", a, ", b is ", b, ", both must be finite and above 0");
  // E over p ~ Beta(b, a) of p^k (1-p)^(n-1-k), which is B(k + b, n - 1 - k + a) / B(a, b).
  using statistics::log_beta;
  std::vector<double> w;
  for (std::size_t k = 0; k < n; ++k)
    w.push_back(
        std::exp(log_beta(static_cast<double>(k) + b, static_cast<double>(n - 1 - k) + a) - log_beta(a, b)));
  return w;
}

/// One of the three.
class Semivalue {
 public:
  /// Every size as likely; the only one whose values sum to v(N) - v({}).
  static Semivalue shapley() { return beta(1, 1); }
  /// Every coalition as likely.
  static Semivalue banzhaf() { return Semivalue(0, 0); }
  /// Error unless both are positive and finite.
  static Semivalue beta(double a, double b) {
    beta_weights(0, a, b);
    return Semivalue(a, b);
  }

  /// Made by banzhaf().
  bool is_banzhaf() const { return a_ == 0; }
  /// beta(1, 1) is, too.
  bool is_shapley() const { return a_ == 1 && b_ == 1; }
  /// Whether a coalition weighs as much as the other players do: w_k = w_{n-1-k}.
  bool symmetric() const { return a_ == b_; }
  /// w_k, k = 0 ... n - 1. O(n).
  std::vector<double> weights(std::size_t n) const {
    return is_shapley() ? shapley_weights(n) : is_banzhaf() ? banzhaf_weights(n) : beta_weights(n, a_, b_);
  }
  /// C(n-1, k) w_k, which sum to one: how much the coalitions of each size weigh together. O(n).
  std::vector<double> size_weights(std::size_t n) const {
    using statistics::log_beta;
    const auto m = static_cast<double>(n);
    std::vector<double> p;
    for (std::size_t i = 0; i < n; ++i) {
      const auto k = static_cast<double>(i);
      // C(m - 1, k) = 1 / (m B(k + 1, m - k))
      const double log_binomial = -std::log(m) - log_beta(k + 1, m - k);
      if (is_shapley()) {
        p.push_back(1 / m);
      } else if (is_banzhaf()) {
        p.push_back(std::exp(log_binomial - (m - 1) * std::log(2.0)));
      } else {
        p.push_back(std::exp(log_binomial + log_beta(k + b_, m - 1 - k + a_) - log_beta(a_, b_)));
      }
    }
    return p;
  }
  /// Of Beta(a, b), large for small coalitions; 1 for Shapley, 0 for Banzhaf.
  double a() const { return a_; }
  /// Of Beta(a, b), large for large coalitions; 1 for Shapley, 0 for Banzhaf.
  double b() const { return b_; }
  /// "Shapley", "Banzhaf", "Beta(4, 1)".
  std::string text() const {
    std::ostringstream text;
    text << "Beta(" << a_ << ", " << b_ << ")";
    return is_shapley() ? "Shapley" : is_banzhaf() ? "Banzhaf" : text.str();
  }
  bool operator==(const Semivalue&) const = default;

  void fields(auto& archive) {
    archive.state("a", a_);
    archive.state("b", b_);
  }

 private:
  Semivalue(double a, double b) : a_(a), b_(b) {}

  double a_, b_;  // 0, 0: Banzhaf
};

}  // namespace fedval::shapley
