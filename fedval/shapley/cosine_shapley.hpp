// The cosine gradient Shapley value of a round in one call: exact where the number of clients allows, else
// sampled with a certificate; the approximation psi beside it on request.
//
//   u_i = dw_i / ||dw_i||,  phi_i of v(S) = cos(u_S, u_N)       shapley/cosine_game.hpp
//   error of psi = sum_i |psi_i / sum psi - phi_i / sum phi|    after both are normalised
//
// psi's error cannot be known from psi: its proven bound (psi_bound.hpp) is looser than phi itself on
// ordinary rounds. So it is measured against phi. Source: Xu et al., NeurIPS 2021, section 3.1.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fedval/shapley/certified.hpp"
#include "fedval/shapley/cosine_game.hpp"
#include "fedval/shapley/cosine_gradient.hpp"
#include "fedval/shapley/exact.hpp"

namespace fedval::shapley {

/// Settings of cosine_shapley().
struct CosineShapleyOptions {
  Similarity similarity = Similarity::cosine;  ///< which game phi is of; psi is the cosine's for both
  std::size_t exact_up_to = 24;                ///< clients; each one more doubles the time; at most 40
  double epsilon = 0;      ///< of the sampling beyond; 0: a tenth of the mean share, 0.1 / N
  double delta = 0.05;     ///< of the sampling: largest probability that any value is off by more
  std::uint64_t seed = 0;  ///< of the sampling
  bool psi = false;        ///< psi too, with its error
};

struct CosineShapley {
  std::vector<Estimate> players;    ///< intervals are points where exact
  bool exact = false;               ///< else sampled
  std::string why;                  ///< which of the two was used, and the reason
  std::uint64_t evaluations = 0;    ///< of v
  std::vector<double> psi;          ///< empty unless asked for
  std::optional<double> psi_error;  ///< l1 after normalising; none where a sum is zero
};

/// sum_i |x_i / sum x - y_i / sum y|; none where a sum is zero or not finite. Error when sizes differ.
inline std::optional<double> normalised_error(std::span<const double> x, std::span<const double> y) {
  if (x.size() != y.size()) fail("normalised_error: ", x.size(), " values beside ", y.size());
  double x_sum = 0, y_sum = 0, error = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    x_sum += x[i];
    y_sum += y[i];
  }
  for (std::size_t i = 0; i < x.size(); ++i) error += std::abs(x[i] / x_sum - y[i] / y_sum);
  const bool defined = std::isfinite(x_sum) && std::isfinite(y_sum) && x_sum != 0 && y_sum != 0;
  return defined && std::isfinite(error) ? std::optional(error) : std::nullopt;
}

/// phi of N updates given by their Gram matrix, each rescaled to length one, as CGSV's uploads are; `weights`
/// r_i of the sums, empty: all 1. Exact: O(2^N) on all cores, memory as exact(). Sampled: O(N) a marginal.
/// `progress` sees both and may stop them: Cancelled. Errors as for GradientGame; Error, too, when epsilon is
/// below 0 or delta outside (0, 1).
inline CosineShapley cosine_shapley(const Gram& gram, std::span<const double> weights = {},
                                    const CosineShapleyOptions& options = {}, const Progress& progress = {}) {
  const GradientGame game(gram.directions(), weights, options.similarity);
  const std::size_t n = game.players();
  // Whether or not this round needs them: a wrong option must not wait for a larger one.
  if (!(options.epsilon >= 0)) fail("cosine_shapley: epsilon is ", options.epsilon, ", must be 0 or above");
  if (!(options.delta > 0 && options.delta < 1))
    fail("cosine_shapley: delta is ", options.delta, ", must be between 0 and 1");
  if (options.exact_up_to > 40) fail("cosine_shapley: exact_up_to is ", options.exact_up_to, ", at most 40");
  CosineShapley result;
  const double bound = game.marginal_bound();
  if (n <= options.exact_up_to || bound == 0) {
    const std::vector<double> phi = bound == 0 ? std::vector<double>(n, 0.0) : exact(game, n, progress);
    result.exact = true;
    result.evaluations = bound == 0 ? 0 : std::uint64_t{1} << n;
    for (const double value : phi) result.players.push_back({value, 0, value, value, result.evaluations});
    result.why = bound == 0 ? "exact: the aggregate is the zero vector, and every value with it"
                            : detail::described("exact: ", n, " clients are 2^", n, " coalitions");
  } else {
    const double epsilon = options.epsilon == 0 ? 0.1 / static_cast<double>(n) : options.epsilon;
    Estimates found = certified(game, n,
                                {.epsilon = epsilon,
                                 .delta = options.delta,
                                 .marginal_low = -bound,
                                 .marginal_high = bound,
                                 .seed = options.seed,
                                 .batch = 64},
                                progress);
    if (found.cancelled) throw Cancelled();
    result.players = std::move(found.players);
    result.evaluations = found.evaluations;
    result.why = detail::described("sampled: ", n, " clients are more than ", options.exact_up_to,
                                   "; within ", epsilon, " with probability ", 1 - options.delta, " after ",
                                   found.units, " permutations");
  }
  if (!options.psi) return result;
  const std::vector<double> ones(n, 1.0);
  result.psi = cosine_gradient(gram, weights.empty() ? std::span<const double>(ones) : weights);
  std::vector<double> phi;
  for (const Estimate& player : result.players) phi.push_back(player.value);
  result.psi_error = normalised_error(result.psi, phi);
  return result;
}

}  // namespace fedval::shapley
