// Entropies of a spectrum, and the spectral entropy of a matrix W (C x d), such as the update of a network's
// final linear layer.
//
//   von Neumann   S = -sum p_j ln p_j   (0 ln 0 = 0)
//   Renyi         S_alpha = ln(sum p_j^alpha) / (1 - alpha);   alpha -> 1: S,  alpha -> infinity: -ln max p_j
//   normalised    H = S / ln n   with a normaliser n
//
// p is the spectrum of spectral/spectrum.hpp. S is 0 for a rank-one update, ln min(C, d) for an isotropic
// one, and falls with alpha: S_0 >= S >= S_2 >= S_infinity. A zero matrix, a rank-one matrix and a single row
// or column have H = 0. Sources: Ukaye et al., arXiv:2604.22562, section 3; Renyi, "On measures of entropy
// and information", 1961.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "fedval/spectral/spectrum.hpp"

namespace fedval::spectral {

/// What the entropy is divided by.
enum class Normaliser {
  log_min_dim,  ///< ln min(C, d): the same for every client
  log_rank,     ///< ln r, r = number of sigma_j > sigma_max max(C, d) eps: what the released code uses
  none          ///< nothing: the entropy itself
};

/// Which entropy, in which unit.
struct EntropyOptions {
  /// What the entropy is divided by.
  Normaliser normaliser = Normaliser::log_min_dim;
  bool bits = false;   ///< with Normaliser::none: in bits instead of nats
  double epsilon = 0;  ///< added to every p_j, before and inside the logarithm, and to the rank inside its
                       ///< own; the released code has 1e-10
  double alpha = 1;    ///< order of the Renyi entropy, at least 0; 1 is von Neumann's

  bool operator==(const EntropyOptions&) const = default;
  void fields(auto& archive) {
    archive.state("normaliser", normaliser);
    archive.state("bits", bits);
    archive.state("epsilon", epsilon);
    archive.state("alpha", alpha);
  }
};

namespace detail {

/// The spectrum itself. Error names an entry that is not finite.
inline std::span<const double> checked(std::span<const double> p) {
  for (std::size_t j = 0; j < p.size(); ++j)
    if (!std::isfinite(p[j])) fail("spectrum[", j, "] is ", p[j]);
  return p;
}

inline void check_epsilon(double epsilon) {
  if (!(epsilon >= 0 && std::isfinite(epsilon)))
    fail("entropy: epsilon is ", epsilon, ", must be finite and at least 0");
}

}  // namespace detail

/// -sum q_j ln q_j with q_j = p_j + epsilon; nats. p is a spectrum that sums to one (or is empty: 0). O(n).
/// Error when an entry is not finite, or epsilon not finite and at least 0.
inline double von_neumann_entropy(std::span<const double> p, double epsilon = 0) {
  detail::check_epsilon(epsilon);
  double sum = 0;
  for (const double value : detail::checked(p))
    if (const double q = value + epsilon; q > 0) sum -= q * std::log(q);
  return sum > 0 ? sum : 0.0;  // a single eigenvalue of 1 + rounding would give -0 or a little less
}

/// -ln max p_j; nats. 0 for an empty spectrum. O(n). Error when an entry is not finite.
inline double min_entropy(std::span<const double> p) {
  detail::checked(p);
  return p.empty() ? 0.0 : std::max(0.0, -std::log(*std::max_element(p.begin(), p.end())));
}

/// Renyi entropy of order alpha in [0, infinity]; nats. 0 counts the positive p_j, 1 is von Neumann's
/// entropy, infinity the min-entropy. 0 for an empty spectrum. O(n). Error when alpha is negative or NaN, or
/// an entry not finite.
inline double renyi_entropy(std::span<const double> p, double alpha) {
  if (!(alpha >= 0)) fail("renyi_entropy: alpha is ", alpha, ", must be at least 0");
  if (detail::checked(p).empty()) return 0;
  if (std::isinf(alpha)) return min_entropy(p);
  // Near 1 the formula is 0/0. With q_j = p_j^(alpha - 1) - 1 its numerator is ln(1 + sum p_j q_j), and expm1
  // keeps every digit of q_j.
  if (alpha == 1) return von_neumann_entropy(p);
  if (std::abs(alpha - 1) < 0.5) {
    double sum = 0;
    for (const double value : p)
      if (value > 0) sum += value * std::expm1((alpha - 1) * std::log(value));
    return std::max(0.0, std::log1p(sum) / (1 - alpha));
  }
  // Relative to the largest p_j, so that large orders do not underflow.
  const double largest = *std::max_element(p.begin(), p.end());
  double sum = 0;
  for (const double value : p)
    if (value > 0) sum += std::pow(value / largest, alpha);
  return std::max(0.0, (alpha * std::log(largest) + std::log(sum)) / (1 - alpha));
}

/// Renyi entropy of order 2 without eigenvalues: S_2 = -ln(||G||_F^2 / tr(G)^2), G the Gram matrix on the
/// smaller side; nats. A lower bound of the von Neumann entropy. 0 for a zero matrix. O(C d min(C, d)), but
/// nothing after the Gram matrix. Errors as for spectra().
inline double renyi2_entropy(const TensorView& matrix, const std::string& name = "matrix") {
  const detail::Size size = detail::size_of(matrix, name);
  std::vector<double> values;
  const TensorView host = matrix.device() == nullptr ? matrix : detail::on_host(matrix, values);
  const std::vector<double> gram = detail::unit_trace_gram(host, size, name);
  double square = 0;
  for (const double value : gram) square += value * value;
  return gram.empty() ? 0.0 : std::max(0.0, -std::log(square));
}

/// Normalised spectral entropies of a batch of C x d matrices, which may differ in shape, in their order.
/// `names` (for messages) may be left out. Cost of spectra(), by its accurate route where the rank counts.
/// Accuracy of the von Neumann entropy: 4e-15 against a full SVD in double. Errors as for spectra(), and for
/// options that contradict each other.
inline std::vector<double> entropies(std::span<const TensorView> matrices, const EntropyOptions& options = {},
                                     std::span<const std::string> names = {}) {
  if (options.bits && options.normaliser != Normaliser::none)
    fail("entropy: bits only make sense without a normaliser");
  detail::check_epsilon(options.epsilon);
  if (!(options.alpha >= 0)) fail("entropy: alpha is ", options.alpha, ", must be at least 0");
  if (options.alpha != 1 && options.epsilon != 0)
    fail("entropy: epsilon only makes sense with alpha = 1, which is ", options.alpha);
  const bool by_rank = options.normaliser == Normaliser::log_rank;
  // Orders below 1 weigh small eigenvalues up, which the Gram route does not know well.
  const Route route = by_rank || options.alpha < 1 ? Route::svd : Route::gram;
  const auto one = [&](std::span<const double> p, const Shape& shape) {
    if (p.empty()) return 0.0;
    const double nats =
        options.alpha == 1 ? von_neumann_entropy(p, options.epsilon) : renyi_entropy(p, options.alpha);
    if (options.normaliser == Normaliser::none) return options.bits ? nats / std::log(2.0) : nats;
    std::size_t n = p.size();
    if (by_rank) {
      const double tolerance =
          static_cast<double>(std::max(shape[0], shape[1])) * std::numeric_limits<double>::epsilon();
      n = static_cast<std::size_t>(
          std::count_if(p.begin(), p.end(), [&](double v) { return v > p.back() * tolerance * tolerance; }));
    }
    if (n == 1) return 0.0;
    return nats / std::log(static_cast<double>(n) + (by_rank ? options.epsilon : 0.0));
  };
  const std::vector<std::vector<double>> p = spectra(matrices, route, names);
  std::vector<double> result;
  for (std::size_t i = 0; i < p.size(); ++i) result.push_back(one(p[i], matrices[i].shape()));
  return result;
}

/// Normalised spectral entropy of one matrix; as entropies().
inline double entropy(const TensorView& matrix, const EntropyOptions& options = {},
                      const std::string& name = "matrix") {
  return entropies({&matrix, 1}, options, {&name, 1}).front();
}

}  // namespace fedval::spectral
