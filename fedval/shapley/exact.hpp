// Exact semivalues, all n players from one pass over the 2^n coalitions.
//
//   phi_i = sum_{S without i} w_|S| (v(S + i) - v(S)),   sum_k C(n-1, k) w_k = 1
//         = sum_{S with i} z(S) - c,   z(S) = (w_{|S|-1} + w_|S|) v(S),   c = sum_{S != N} w_|S| v(S)
//
// The n sums over half of z come out of folding: the sum of the upper half is that of the last player; the
// upper half added to the lower one leaves the same problem for one player fewer. O(2^n) instead of O(n 2^n),
// and in blocks of 2^L, so that no table of 2^n has to exist.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "fedval/shapley/game.hpp"
#include "fedval/shapley/semivalue.hpp"
#include "fedval/tensor/panel_gram.hpp"
#include "fedval/tensor/slices.hpp"

namespace fedval::shapley {

namespace detail {

/// The sums of z over the coalitions with each player, by folding; destroys z (2^n entries).
inline void fold(std::span<double> z, std::span<double> sums) {
  for (std::size_t i = sums.size(); i-- > 0;) {
    const std::size_t half = std::size_t{1} << i;
    double sum = 0;
    for (std::size_t s = 0; s < half; ++s) sum += z[half + s];
    for (std::size_t s = 0; s < half; ++s) z[s] += z[half + s];
    sums[i] += sum;
  }
}

/// z(S) and c's part for coalitions of every size.
struct Terms {
  std::vector<double> both, own;  ///< w_{k-1} + w_k and w_k by size k = 0 ... n, with w_{-1} = w_n = 0

  explicit Terms(std::span<const double> w) : both(w.size() + 1), own(w.size() + 1) {
    for (std::size_t k = 0; k <= w.size(); ++k) {
      own[k] = k < w.size() ? w[k] : 0.0;
      both[k] = own[k] + (k > 0 ? w[k - 1] : 0.0);
    }
  }
};

}  // namespace detail

/// A game whose values lie in memory: table(high, count) shows v(high + s), s = 0 ... count - 1.
template <class G>
concept TabledGame = BlockGame<G> && requires(const G& game, Mask high, std::size_t count) {
  { game.table(high, count) } -> std::convertible_to<std::span<const double>>;
};

namespace detail {

/// Blocks of 2^low coalitions, which share their high players. All that the low players need of the values is
/// their sum over the blocks with as many high players; a high player needs the sum of z over its blocks.
class BlockSums {
 public:
  BlockSums(std::span<const double> w, std::size_t low)
      : n_(w.size()), low_(low), width_(std::size_t{1} << low), terms_(w), both_((n_ - low + 1) * width_) {
    for (std::size_t s = 0; s < width_; ++s) {
      const auto size = static_cast<std::size_t>(std::popcount(s));
      for (std::size_t m = 0; m <= n_ - low_; ++m) both_[m * width_ + s] = terms_.both[m + size];
    }
  }

  struct Sums {
    std::vector<double> by_members;  // (n - low + 1) x 2^low sums of v
    std::vector<double> high;        // of z, by high player
  };
  Sums none() const { return {std::vector<double>(both_.size(), 0.0), std::vector<double>(n_ - low_, 0.0)}; }

  void add(std::size_t block, std::span<const double> v, Sums& sums) const {
    const auto members = static_cast<std::size_t>(std::popcount(block));
    double* sum = sums.by_members.data() + members * width_;
    const double* both = both_.data() + members * width_;
    using fedval::detail::Lanes, fedval::detail::lanes;  // vectors, whatever the compiler makes of loops
    Lanes whole{};
    double z = 0;
    for (std::size_t s = 0; s + lanes <= width_; s += lanes) {
      Lanes value, so_far, factor;
      std::memcpy(&value, v.data() + s, sizeof(value));
      std::memcpy(&so_far, sum + s, sizeof(so_far));
      std::memcpy(&factor, both + s, sizeof(factor));
      so_far += value;
      whole += factor * value;
      std::memcpy(sum + s, &so_far, sizeof(so_far));
    }
    if (width_ < lanes)  // both are powers of two: nothing is left of a larger block
      for (std::size_t s = 0; s < width_; ++s) {
        sum[s] += v[s];
        z += both[s] * v[s];
      }
    for (std::size_t lane = 0; lane < lanes; ++lane) z += whole[lane];
    for (std::size_t i = 0; i < n_ - low_; ++i)
      if ((block >> i & 1) != 0) sums.high[i] += z;
  }
  static void add(const Sums& part, Sums& total) {
    for (std::size_t k = 0; k < part.by_members.size(); ++k) total.by_members[k] += part.by_members[k];
    for (std::size_t i = 0; i < part.high.size(); ++i) total.high[i] += part.high[i];
  }

  std::vector<double> values(const Sums& sums) const {
    std::vector<double> phi(n_, 0.0), folded(width_, 0.0);
    double c = 0;
    for (std::size_t m = 0; m <= n_ - low_; ++m)
      for (std::size_t s = 0; s < width_; ++s) {
        const double v = sums.by_members[m * width_ + s];
        folded[s] += both_[m * width_ + s] * v;
        c += terms_.own[m + static_cast<std::size_t>(std::popcount(s))] * v;
      }
    fold(folded, std::span(phi).first(low_));
    std::copy(sums.high.begin(), sums.high.end(), phi.begin() + static_cast<std::ptrdiff_t>(low_));
    for (std::size_t i = 0; i < n_; ++i)
      if (!std::isfinite(phi[i] -= c))
        fail("semivalue: the utilities are so large that player ", i, "'s sum over coalitions overflows");
    return phi;
  }

 private:
  std::size_t n_, low_, width_;
  Terms terms_;
  std::vector<double> both_;  // of z, by high members and low coalition
};

}  // namespace detail

/// Semivalue of every player for weights w_k (n of them). 2^n utilities, each asked once in ascending order
/// of the mask (of a game with batch(), up to 64 at a time), unless the game gives blocks: then on all
/// cores, with the same bits for any number of them. O(2^n) time, O(n 2^min(n, 10)) memory a core beside the
/// game. UtilityError as for value_of(); Cancelled when `progress` says so; Error for more than 40 players,
/// and for utilities so near a double's end that a sum of them overflows.
template <class G>
requires Game<G> || BlockGame<G> std::vector<double> semivalue(G&& game, std::span<const double> w,
                                                               const Progress& progress = {}) {
  const std::size_t n = w.size();
  if (n > 40) fail("semivalue: ", n, " players have 2^", n, " coalitions; sample instead");
  if (n == 0) return {};
  const std::size_t low = std::min<std::size_t>(n, 10), width = std::size_t{1} << low;
  const std::size_t blocks = std::size_t{1} << (n - low);
  const detail::BlockSums by_block(w, low);

  // Blocks are summed in groups whose ends depend on n alone, and groups in their order: any number of
  // threads gives the same bits.
  const std::size_t groups = std::clamp<std::size_t>(blocks / 64, 1, 512);
  detail::BlockSums::Sums total = by_block.none();
  const auto run_group = [&](std::size_t group, auto&& read) {
    detail::BlockSums::Sums sums = by_block.none();
    for (std::size_t block = group * blocks / groups; block < (group + 1) * blocks / groups; ++block)
      by_block.add(block, read(static_cast<Mask>(block) << low), sums);
    return sums;
  };
  const auto report = [&](std::size_t done, std::size_t all) {
    if (progress && !progress(static_cast<double>(done) / static_cast<double>(all))) throw Cancelled();
  };

  if constexpr (BlockGame<std::remove_reference_t<G>>) {
    const auto team = static_cast<std::size_t>(fedval::detail::threads_for(width * blocks));
    const std::size_t step = 4 * team;  // groups between two barriers
    std::vector<detail::BlockSums::Sums> done(std::min(groups, step));
    for (std::size_t first = 0; first < groups; first += step) {
      const std::size_t count = std::min(step, groups - first);
      fedval::detail::for_each_index(count, width * blocks, [&](std::size_t k) {
        if constexpr (TabledGame<std::remove_reference_t<G>>) {
          done[k] = run_group(first + k, [&](Mask high) { return game.table(high, width); });
        } else {
          std::vector<double> v(width);
          done[k] = run_group(first + k, [&](Mask high) {
            game.block(high, v);
            return std::span<const double>(v);
          });
        }
      });
      for (std::size_t k = 0; k < count; ++k) detail::BlockSums::add(done[k], total);
      report(first + count, groups);
    }
  } else {
    // A utility may take minutes: progress is reported after each, or after each batch.
    const std::size_t batch = std::min<std::size_t>(width, BatchGame<std::remove_reference_t<G>> ? 64 : 1);
    std::vector<Coalition> coalitions(batch);
    std::vector<double> v(width);
    for (std::size_t group = 0; group < groups; ++group)
      detail::BlockSums::add(run_group(group,
                                       [&](Mask high) {
                                         for (std::size_t begin = 0; begin < width; begin += batch) {
                                           for (std::size_t k = 0; k < batch; ++k)
                                             coalitions[k] = Coalition(high | (begin + k));
                                           values_of(game, coalitions, std::span(v).subspan(begin, batch));
                                           report(high + begin + batch, width * blocks);
                                         }
                                         return std::span<const double>(v);
                                       }),
                             total);
  }
  return by_block.values(total);
}

/// Shapley value of every player of n; as semivalue().
template <class G>
requires Game<G> || BlockGame<G> std::vector<double> exact(G&& game, std::size_t n,
                                                           const Progress& progress = {}) {
  return semivalue(std::forward<G>(game), shapley_weights(n), progress);
}

/// v(N) - v(N - i) of every player of n: what the whole loses without it. n + 1 utilities. Interactions are
/// not shared but credited to everyone who takes part, so these do not sum to v(N) - v({}). UtilityError as
/// for value_of().
template <Game G>
std::vector<double> leave_one_out(G&& game, std::size_t n) {
  std::vector<Coalition> coalitions{Coalition::everyone(n)};
  for (std::size_t i = 0; i < n; ++i) {
    coalitions.push_back(coalitions[0]);
    coalitions.back().erase(i);
  }
  std::vector<double> values(n + 1), phi;
  values_of(game, coalitions, values);
  for (std::size_t i = 0; i < n; ++i) phi.push_back(values[0] - values[i + 1]);
  return phi;
}

/// A game by its 2^n values, v[mask].
class TableGame {
 public:
  /// Error unless there are 2^n values, all finite.
  explicit TableGame(std::vector<double> values) : values_(std::move(values)) {
    if (!std::has_single_bit(values_.size())) fail("TableGame: ", values_.size(), " values are not 2^n");
    for (std::size_t s = 0; s < values_.size(); ++s)
      if (!std::isfinite(values_[s])) fail("TableGame: value of ", Coalition(s).text(), " is ", values_[s]);
  }

  /// n, of 2^n values.
  std::size_t players() const { return static_cast<std::size_t>(std::countr_zero(values_.size())); }
  /// Unchecked: the mask is below 2^n.
  double operator()(Mask coalition) const { return values_[coalition]; }
  /// A view of v(high), ..., v(high + count - 1); unchecked.
  std::span<const double> table(Mask high, std::size_t count) const {
    return std::span(values_).subspan(high, count);
  }
  /// Copies v(high), v(high + 1), ... to out; unchecked.
  void block(Mask high, std::span<double> out) const {
    std::copy_n(values_.begin() + static_cast<std::ptrdiff_t>(high), out.size(), out.begin());
  }

 private:
  std::vector<double> values_;
};

}  // namespace fedval::shapley
