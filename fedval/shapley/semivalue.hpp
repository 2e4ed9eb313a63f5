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

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
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

namespace detail {

/// A positive number as fraction * 2^exponent: no product of such leaves its range.
struct Scaled {
  double fraction = 1;
  std::int64_t exponent = 0;

  /// This * over / under, both positive and finite.
  Scaled times(double over, double under) const {
    int up = 0, down = 0, carry = 0;
    const double ratio = std::frexp(over, &up) / std::frexp(under, &down);
    const double product = std::frexp(fraction * ratio, &carry);
    return {product, exponent + up - down + carry};
  }
  /// This / 2^power; 0 where that is below the smallest double.
  double over_power(std::int64_t power) const {
    return std::ldexp(fraction, static_cast<int>(std::max<std::int64_t>(exponent - power, -5000)));
  }
};

/// Of Beta(a, b), by size k = 0 ... n - 1.
struct BetaWeights {
  std::vector<double> one,  ///< w_k, of one coalition
      all;                  ///< p_k = C(n-1, k) w_k, which sum to one
};

/// By the ratios of neighbours, for differences of log-gammas lose the digits of large a and b:
///   w_{k+1} / w_k = (k + b) / (n - 2 - k + a),   p_{k+1} / p_k = (n - 1 - k) / (k + 1) w_{k+1} / w_k
inline BetaWeights scaled_beta_weights(std::size_t n, double a, double b) {
  BetaWeights result;
  if (n == 0) return result;
  std::vector<Scaled> one(1), all(1);
  std::int64_t highest = 0;
  for (std::size_t k = 0; k + 1 < n; ++k) {
    const double over = static_cast<double>(k) + b, under = static_cast<double>(n - 2 - k) + a;
    one.push_back(one.back().times(over, under));
    all.push_back(
        all.back().times(over, under).times(static_cast<double>(n - 1 - k), static_cast<double>(k + 1)));
    highest = std::max(highest, all.back().exponent);
  }
  double sum = 0;
  for (const Scaled& p : all) sum += p.over_power(highest);
  for (const Scaled& w : one) result.one.push_back(w.over_power(highest) / sum);
  for (const Scaled& p : all) result.all.push_back(p.over_power(highest) / sum);
  return result;
}

}  // namespace detail

/// w_k of Beta Shapley(a, b): large a weighs small coalitions up; (1, 1) is the Shapley value. O(n). Error
/// unless both are positive and finite.
inline std::vector<double> beta_weights(std::size_t n, double a, double b) {
  if (!(a > 0 && b > 0 && std::isfinite(a) && std::isfinite(b)))
    fail("beta_weights: a is ", a, ", b is ", b, ", both must be finite and above 0");
  return detail::scaled_beta_weights(n, a, b).one;
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
    const auto m = static_cast<double>(n);
    if (is_shapley()) return std::vector<double>(n, 1 / m);
    if (!is_banzhaf()) return detail::scaled_beta_weights(n, a_, b_).all;
    std::vector<double> p;
    for (std::size_t i = 0; i < n; ++i) {
      const auto k = static_cast<double>(i);
      // C(m - 1, k) = 1 / (m B(k + 1, m - k))
      p.push_back(std::exp(-std::log(m) - statistics::log_beta(k + 1, m - k) - (m - 1) * std::log(2.0)));
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
