// How far psi_i = cos(u_i, u_N) is from the exact Shapley value phi_i of the cosine game, provably.
//
//   v(S) = cos(u_S, u_N),   u_S = sum_{j in S} u_j,   S the predecessors of i in a random order
//   phi_i = L_i psi_i + E[v(S) (||u_S|| / ||u_{S+i}|| - 1)],   L_i = ||u_i|| E[1 / ||u_{S+i}||]
//   |phi_i - L_i psi_i| <= ||u_i|| E[|v(S)| / ||u_{S+i}||]
//
// as <u_{S+i}, u_N> = <u_S, u_N> + <u_i, u_N>, and | ||u_S|| - ||u_{S+i}|| | <= ||u_i||. The expectations are
// exact, over all 2^N coalitions. Where u_{S+i} = 0 its cosine is 0 by definition: such an S adds nothing to
// L_i, -v(S) to the remainder and |v(S)| to the bound, so that all three lines hold. Without coalitions,
// ||u_S||^2 >= lambda_min(G) |S| bounds the expectations in O(N^3).
// Source: Xu et al., "Gradient-Driven Rewards to Guarantee Fairness in Collaborative Machine Learning",
// NeurIPS 2021, theorem 1, for uploads of one norm; here for any norms.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "fedval/linalg/symmetric_eigenvalues.hpp"
#include "fedval/shapley/exact.hpp"
#include "fedval/shapley/game.hpp"
#include "fedval/tensor/gram.hpp"
#include "fedval/tensor/slices.hpp"

namespace fedval::shapley {

/// phi_i = scale_i psi_i + remainder_i,  |remainder_i| <= bound_i.
struct PsiBound {
  std::vector<double> psi,  ///< cos(u_i, u_N), 0 where either is the zero vector; by update, as the others
      scale,                ///< L_i, at least 0
      remainder,            ///< phi_i - L_i psi_i, of either sign
      bound;                ///< of its magnitude
};

/// What the eigenvalues of the Gram matrix say: least_scale <= L_i <= most_scale, |phi_i - L_i psi_i| <=
/// bound.
struct PsiEigenvalueBound {
  std::vector<double> least_scale,  ///< by update, as the others; all three are 0 for a zero update
      most_scale,                   ///< infinite where lambda_min may be 0
      bound;                        ///< infinite where most_scale is
};

namespace detail {

/// Updates by lengths and inner products, relative to the longest.
struct RelativeGram {
  std::size_t n;
  std::vector<double> length, products;

  explicit RelativeGram(const Gram& gram) : n(gram.size()), length(n, 0.0), products(n * n) {
    int most = std::numeric_limits<int>::min();
    const auto power = [&](std::size_t i) { return gram.exponent(i) + std::ilogb(gram.scaled_norm(i)); };
    for (std::size_t i = 0; i < n; ++i)
      if (gram.scaled_norm(i) > 0) most = std::max(most, power(i));
    for (std::size_t i = 0; i < n; ++i)
      if (gram.scaled_norm(i) > 0) length[i] = std::ldexp(gram.scaled_norm(i), gram.exponent(i) - most);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j)
        products[i * n + j] = length[i] * length[j] * (i == j ? 1.0 : gram.cosine(i, j));
  }
};

/// 1 / ||u_S|| (0 where u_S is zero) and <u_S, u_N> of the 2^L coalitions of a block.
class CoalitionNorms {
 public:
  explicit CoalitionNorms(const RelativeGram& gram) : gram_(gram), with_all_(gram.n, 0.0) {
    double square = 0, sum = 0;
    for (std::size_t i = 0; i < gram.n; ++i) {
      for (std::size_t j = 0; j < gram.n; ++j) with_all_[i] += gram.products[i * gram.n + j];
      square += with_all_[i];
      sum += gram.length[i];
    }
    whole_ = is_zero(square, sum) ? 0.0 : std::sqrt(square);
  }

  /// ||u_N||.
  double whole() const { return whole_; }
  /// <u_i, u_N>.
  double with_all(std::size_t i) const { return with_all_[i]; }

  /// Writes those of the coalitions high + s, where the low bits of `high` are 0.
  void fill(std::uint64_t high, std::span<double> inverse, std::span<double> along) {
    const std::size_t n = gram_.n, size = inverse.size();
    const auto low = static_cast<std::size_t>(std::countr_zero(size));
    square_.resize(size);
    sum_.resize(size);
    step_.resize(size);
    square_[0] = along[0] = sum_[0] = 0;
    const auto is_member = [&](std::size_t i) { return (high >> i & 1) != 0; };
    for (std::size_t i = low; i < n; ++i) {
      if (!is_member(i)) continue;
      square_[0] += product(i, i);
      for (std::size_t j = low; j < i; ++j)
        if (is_member(j)) square_[0] += 2 * product(i, j);
      along[0] += with_all_[i];
      sum_[0] += gram_.length[i];
    }
    for (std::size_t j = 0; j < low; ++j) {
      // step_[s] = ||u_{S+j}||^2 - ||u_S||^2 for the coalitions S = high + s of players below j.
      step_[0] = product(j, j);
      for (std::size_t i = low; i < n; ++i)
        if (is_member(i)) step_[0] += 2 * product(i, j);
      for (std::size_t k = 0; k < j; ++k)
        for (std::size_t s = 0; s < std::size_t{1} << k; ++s)
          step_[(std::size_t{1} << k) + s] = step_[s] + 2 * product(j, k);
      const std::size_t bit = std::size_t{1} << j;
      for (std::size_t s = 0; s < bit; ++s) {
        square_[bit + s] = square_[s] + step_[s];
        along[bit + s] = along[s] + with_all_[j];
        sum_[bit + s] = sum_[s] + gram_.length[j];
      }
    }
    for (std::size_t s = 0; s < size; ++s) {
      const bool zero = is_zero(square_[s], sum_[s]);
      const double norm = std::sqrt(zero ? 1.0 : square_[s]);
      inverse[s] = zero ? 0.0 : 1 / norm;
    }
  }

 private:
  static bool is_zero(double square, double sum) { return !(square > cancelled_square * sum * sum); }
  double product(std::size_t i, std::size_t j) const { return gram_.products[i * gram_.n + j]; }

  const RelativeGram& gram_;
  std::vector<double> with_all_, square_, sum_, step_;
  double whole_ = 0;
};

/// The expectations of one or many blocks of coalitions, player by player.
class PsiSums {
 public:
  explicit PsiSums(std::size_t n) : scale(n, 0.0), remainder(n, 0.0), bound(n, 0.0) {}

  std::vector<double> scale, remainder, bound;  // scale without the factor ||u_i||

  void add(const PsiSums& other) {
    for (std::size_t i = 0; i < scale.size(); ++i) {
      scale[i] += other.scale[i];
      remainder[i] += other.remainder[i];
      bound[i] += other.bound[i];
    }
  }

  /// All pairs of a coalition S = high + s and S + i. `w` are the Shapley weights.
  void add_block(std::uint64_t high, std::size_t low, std::span<const double> w, const RelativeGram& gram,
                 CoalitionNorms& norms) {
    const std::size_t n = gram.n, size = std::size_t{1} << low;
    for (auto* terms : {&inverse_, &along_, &joined_, &weight_, &value_, &ratio_}) terms->resize(size);
    norms.fill(high, inverse_, along_);
    const double whole = norms.whole() > 0 ? 1 / norms.whole() : 0.0;
    const auto members = static_cast<std::size_t>(std::popcount(high));
    for (std::size_t s = 0; s < size; ++s) {
      const std::size_t count = members + static_cast<std::size_t>(std::popcount(s));
      weight_[s] = count < n ? w[count] : 0.0;
      ratio_[s] = inverse_[s] > 0 ? weight_[s] * along_[s] * whole : 0.0;  // times v(S) ||u_S||
      value_[s] = ratio_[s] * inverse_[s];                                 // times v(S)
    }
    for (std::size_t i = 0; i < low; ++i) {
      const std::size_t bit = std::size_t{1} << i;
      for (std::size_t first = 0; first < size; first += 2 * bit)
        add_pairs(i, first, bit, inverse_.data() + first + bit, gram.length[i]);
    }
    for (std::size_t i = low; i < n; ++i) {
      if ((high >> i & 1) != 0) continue;
      norms.fill(high | std::uint64_t{1} << i, joined_, along_);
      add_pairs(i, 0, size, joined_.data(), gram.length[i]);
    }
  }

 private:
  /// Coalitions first ... first + count - 1 of the block, which player i joins; `joined` are their 1 / ||.||.
  void add_pairs(std::size_t i, std::size_t first, std::size_t count, const double* joined, double length) {
    double scales = 0, remainders = 0, bounds = 0;
    for (std::size_t k = 0; k < count; ++k) {
      const std::size_t s = first + k;
      scales += weight_[s] * joined[k];
      remainders += ratio_[s] * joined[k] - value_[s];
      bounds += std::abs(value_[s]) * (joined[k] > 0 ? length * joined[k] : 1.0);
    }
    scale[i] += scales;
    remainder[i] += remainders;
    bound[i] += bounds;
  }

  std::vector<double> inverse_, along_, joined_, weight_, value_, ratio_;
};

}  // namespace detail

/// psi_i of the plain sum, L_i, the remainder and its bound, exactly. O(N 2^N) time on all cores, with the
/// same bits for any number of them; O(2^min(N, 12)) memory a thread. Cancelled when `progress` says so;
/// Error for more than 30 updates, and for one, not zero, below 2^-450 of the longest.
inline PsiBound psi_bound(const Gram& gram, const Progress& progress = {}) {
  const std::size_t n = gram.size();
  if (n > 30) fail("psi_bound: ", n, " updates have 2^", n, " coalitions; use psi_eigenvalue_bound");
  if (n == 0) return {};
  const detail::RelativeGram relative(gram);
  for (std::size_t i = 0; i < n; ++i)
    if (gram.scaled_norm(i) > 0 && !(relative.length[i] >= 0x1p-450))
      fail("psi_bound: update ", i, " is so much shorter than the longest that its square is lost beside it");
  const std::vector<double> w = shapley_weights(n);
  const std::size_t low = std::min<std::size_t>(n, 12), blocks = std::size_t{1} << (n - low);
  // Groups of blocks whose ends depend on N alone, summed in their order.
  const std::size_t groups = std::min<std::size_t>(blocks, 64), work = n << n;
  const auto team = static_cast<std::size_t>(fedval::detail::threads_for(work));
  detail::PsiSums total(n);
  for (std::size_t first = 0; first < groups; first += team) {
    const std::size_t count = std::min(team, groups - first);
    std::vector<detail::PsiSums> sums(count, detail::PsiSums(n));
    fedval::detail::for_each_index(count, work, [&](std::size_t k) {
      detail::CoalitionNorms norms(relative);
      for (std::size_t b = (first + k) * blocks / groups; b < (first + k + 1) * blocks / groups; ++b)
        sums[k].add_block(static_cast<std::uint64_t>(b) << low, low, w, relative, norms);
    });
    for (const detail::PsiSums& part : sums) total.add(part);
    if (progress && !progress(static_cast<double>(first + count) / static_cast<double>(groups)))
      throw Cancelled();
  }
  PsiBound result{std::vector<double>(n, 0.0), std::move(total.scale), std::move(total.remainder),
                  std::move(total.bound)};
  const detail::CoalitionNorms norms(relative);
  for (std::size_t i = 0; i < n; ++i) {
    const double length = relative.length[i];
    result.scale[i] *= length;
    if (length == 0) result.remainder[i] = 0;  // a null player: what is left is rounding
    if (length > 0 && norms.whole() > 0) result.psi[i] = norms.with_all(i) / (length * norms.whole());
  }
  return result;
}

/// Bounds of L_i and of |phi_i - L_i psi_i| by ||u_S||^2 >= lambda_min(G) |S|; infinite where lambda_min is
/// not above its rounding error. Zero updates are left out of G: their values are 0. O(N^3).
inline PsiEigenvalueBound psi_eigenvalue_bound(const Gram& gram) {
  const detail::RelativeGram relative(gram);
  const std::size_t n = gram.size();
  std::vector<std::size_t> active;
  for (std::size_t i = 0; i < n; ++i)
    if (relative.length[i] > 0) active.push_back(i);
  PsiEigenvalueBound result{std::vector<double>(n, 0.0), std::vector<double>(n, 0.0),
                            std::vector<double>(n, 0.0)};
  if (active.empty()) return result;
  std::vector<double> products;
  for (const std::size_t i : active)
    for (const std::size_t j : active) products.push_back(relative.products[i * n + j]);
  const std::vector<double> lambda = linalg::symmetric_eigenvalues(std::move(products), active.size());
  const double error = 0x1p-46 * static_cast<double>(active.size()) * lambda.back();
  // i comes first with probability 1/N and has then ||u_{S+i}|| = ||u_i||; sum_k 1 / sqrt(lambda k) of the
  // rest.
  double roots = 0;
  for (std::size_t k = 2; k <= active.size(); ++k) roots += 1 / std::sqrt(static_cast<double>(k));
  // Where lambda_min may be 0, coalitions may sum to zero, and those add nothing to L_i.
  const bool regular = lambda.front() > error;
  const double fewest = regular ? roots / std::sqrt(lambda.back() + error) : 0.0;
  const double most = regular     ? roots / std::sqrt(lambda.front() - error)
                      : roots > 0 ? std::numeric_limits<double>::infinity()
                                  : 0.0;
  for (const std::size_t i : active) {
    const double share = 1 / static_cast<double>(active.size()), length = relative.length[i];
    result.least_scale[i] = share * (1 + length * fewest);
    result.most_scale[i] = share * (1 + length * most);
    result.bound[i] = share * length * most;
  }
  return result;
}

}  // namespace fedval::shapley
