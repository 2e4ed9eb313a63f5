// Games on the updates' sum, from their Gram matrix G alone: the dimension D is gone once G is known.
//
//   cosine      v(S) = cos(sum_{i in S} r_i u_i, u_N),   u_N = sum_i r_i u_i,   v(empty) = 0
//   Euclidean   v(S) = 1 - ||u_N - sum_{i in S} r_i u_i|| / ||u_N||,   v(empty) = 0
//
// With H_ij = r_i r_j G_ij:  ||u_{S+i}||^2 = ||u_S||^2 + H_ii + 2 sum_{j in S} H_ij,  and <u_S, u_N> is
// additive. A whole block of 2^L coalitions is filled by doubling, each from the one without its last player:
// O(1) a coalition. A coalition that sums to the zero vector has cosine 0. Source: Xu et al., NeurIPS 2021,
// section 3.1.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "fedval/shapley/game.hpp"
#include "fedval/tensor/gram.hpp"
#include "fedval/tensor/panel_gram.hpp"

namespace fedval::shapley {

/// What a coalition's sum is compared with the whole sum by.
enum class Similarity {
  cosine,    ///< v in [-1, 1]; 0 where either sum is the zero vector
  euclidean  ///< v at most 1; 0 where the whole sum is the zero vector
};

/// One of the two games of n updates, O(n^2) memory. MaskGame, BatchGame and BlockGame; several threads may
/// ask it at a time.
class GradientGame {
 public:
  /// Updates u_i by their Gram matrix, at any scale; weights r_i of the sums, empty: all 1. O(n^2). Error
  /// when counts differ or a weight is not finite.
  explicit GradientGame(const Gram& gram, std::span<const double> weights = {},
                        Similarity similarity = Similarity::cosine)
      : similarity_(similarity), n_(gram.size()) {
    if (!weights.empty() && weights.size() != n_)
      fail("GradientGame: ", weights.size(), " weights for ", n_, " players");
    // Lengths r_i ||u_i|| relative to the largest, each as a mantissa and a power of two.
    std::vector<double> length(n_);
    std::vector<int> exponent(n_, 0);
    int most = std::numeric_limits<int>::min();
    for (std::size_t i = 0; i < n_; ++i) {
      const double weight = weights.empty() ? 1.0 : weights[i];
      if (!std::isfinite(weight)) fail("GradientGame: weight ", i, " is ", weight);
      int part = 0;
      length[i] = std::frexp(weight, &part) * gram.scaled_norm(i);
      if (length[i] == 0) continue;
      int rest = 0;
      length[i] = std::frexp(length[i], &rest);
      exponent[i] = part + rest + gram.exponent(i);
      most = std::max(most, exponent[i]);
    }
    for (std::size_t i = 0; i < n_; ++i)
      length_.push_back(length[i] == 0 ? 0.0 : std::ldexp(length[i], exponent[i] - most));
    products_.assign(n_ * n_, 0.0);
    with_all_.assign(n_, 0.0);
    for (std::size_t i = 0; i < n_; ++i)
      for (std::size_t j = 0; j < n_; ++j) {
        products_[i * n_ + j] = length_[i] * length_[j] * (i == j ? 1.0 : gram.cosine(i, j));
        with_all_[i] += products_[i * n_ + j];
      }
    double square = 0, sum = 0;
    for (std::size_t i = 0; i < n_; ++i) {
      square += with_all_[i];
      sum += std::abs(length_[i]);
    }
    whole_ = square > cancelled_square * sum * sum ? std::sqrt(square) : 0.0;
    // pairs_[2^j + s] = H_jj + 2 sum_{k in s} H_jk for the sets s of players below j.
    const std::size_t low = std::min<std::size_t>(n_, most_low);
    pairs_.assign(std::size_t{1} << low, 0.0);
    for (std::size_t j = 0; j < low; ++j) {
      const std::size_t bit = std::size_t{1} << j;
      pairs_[bit] = products_[j * n_ + j];
      for (std::size_t k = 0; k < j; ++k)
        for (std::size_t s = 0; s < std::size_t{1} << k; ++s)
          pairs_[bit + (std::size_t{1} << k) + s] = pairs_[bit + s] + 2 * products_[j * n_ + k];
    }
  }

  /// Updates, n.
  std::size_t players() const { return n_; }

  /// Which of the two it is.
  Similarity similarity() const { return similarity_; }
  /// No v(S + i) - v(S) is beyond it in magnitude: cosines differ by 2 at most, distances by what was added.
  double marginal_bound() const {
    if (whole_ == 0) return 0;
    double longest = 0;
    for (const double length : length_) longest = std::max(longest, std::abs(length));
    constexpr double rounding = 0x1p-20;  // the root of a distance of which nothing is left
    return similarity_ == Similarity::cosine ? 2.0 : longest / whole_ + rounding;
  }

  /// v(S) of players below 64. O(|S|^2).
  double operator()(Mask coalition) const {
    double square = 0, along = 0, sum = 0;
    for (std::size_t i = 0; i < std::min<std::size_t>(n_, 64); ++i) {
      if ((coalition >> i & 1) == 0) continue;
      square += products_[i * n_ + i];
      for (std::size_t j = 0; j < i; ++j)
        if ((coalition >> j & 1) != 0) square += 2 * products_[i * n_ + j];
      along += with_all_[i];
      sum += std::abs(length_[i]);
    }
    return value(square, along, sum);
  }

  /// v of many coalitions, each from the one it continues where it can: O(n) for one that has a single player
  /// more than the one before, and O(1) for one that differs by a player from the last that was no such step;
  /// O(n |S|) else. Rounding differs from that of operator() by a few units in the last place.
  void batch(std::span<const Coalition> coalitions, std::span<double> out) const {
    Sum walk(n_), base(n_);
    const Coalition *before = nullptr, *start = nullptr;
    for (std::size_t k = 0; k < coalitions.size(); ++k) {
      const Coalition& coalition = coalitions[k];
      const std::size_t joined = before == nullptr ? n_ : Coalition::difference(*before, coalition, n_);
      if (joined < n_ && coalition.contains(joined)) {
        walk.add(*this, joined);
      } else if (const std::size_t moved =
                     start == nullptr ? n_ : Coalition::difference(*start, coalition, n_);
                 moved < n_) {
        // One entry of the base's sums says it all, and the walk stays where it is; but a difference of which
        // little is left has lost its digits.
        const double sign = coalition.contains(moved) ? 1 : -1;
        const double square = base.square + sign * 2 * base.against[moved] + products_[moved * n_ + moved];
        if (sign > 0 || square > base.square / 16) {
          out[k] =
              value(square, base.along + sign * with_all_[moved], base.sum + sign * std::abs(length_[moved]));
        } else {
          Sum anew(n_);
          coalition.for_each([&](std::size_t i) { anew.add(*this, i); });
          out[k] = value(anew.square, anew.along, anew.sum);
        }
        continue;
      } else {
        walk.clear();
        coalition.for_each([&](std::size_t i) { walk.add(*this, i); });
        base = walk;
        start = &coalition;
      }
      before = &coalition;
      out[k] = value(walk.square, walk.along, walk.sum);
    }
  }

  /// v(high + s) for s = 0 ... 2^L - 1, L at most 14. O(n^2 + 2^L): 1,024 at a time by doubling.
  void block(Mask high, std::span<double> out) const {
    const std::size_t width = std::min(out.size(), std::size_t{1} << most_low);
    for (std::size_t begin = 0; begin < out.size(); begin += width)
      small_block(high | begin, out.subspan(begin, width));
  }

 private:
  static constexpr std::size_t most_low = 10;  // the sums of a block stay in the first-level cache
  /// Squared lengths, of which the longest update's is 1, that are near the smallest doubles have no digits.
  static constexpr double smallest = 0x1p-1000;

  /// ||u_S||^2, <u_S, u_N>, and <u_S, u_i> for every i.
  struct Sum {
    double square = 0, along = 0, sum = 0;
    std::vector<double> against;

    explicit Sum(std::size_t n) : against(n, 0.0) {}
    void clear() {
      square = along = sum = 0;
      std::fill(against.begin(), against.end(), 0.0);
    }
    void add(const GradientGame& game, std::size_t i) {
      square += 2 * against[i] + game.products_[i * game.n_ + i];
      along += game.with_all_[i];
      sum += std::abs(game.length_[i]);
      for (std::size_t j = 0; j < game.n_; ++j) against[j] += game.products_[i * game.n_ + j];
    }
  };

  using Lanes = fedval::detail::Lanes;
  static constexpr std::size_t lanes = fedval::detail::lanes;

  /// Eight doubles in memory as a vector. Vectors are passed by reference only: to return one would bind a
  /// caller's processor to this header's.
  static void load(const double* from, Lanes& value) { std::memcpy(&value, from, sizeof(value)); }
  static void store(const Lanes& value, double* to) { std::memcpy(to, &value, sizeof(value)); }
  /// to = from + step
  static void add(const double* from, double step, double* to) {
    Lanes value;
    load(from, value);
    store(value + step, to);
  }

  void small_block(Mask high, std::span<double> out) const {
    const auto low = static_cast<std::size_t>(std::countr_zero(out.size()));
    alignas(64) std::array<double, std::size_t{1} << most_low> square, along, sum;
    square[0] = along[0] = sum[0] = 0;
    std::array<double, most_low> against{};  // 2 sum_{k in high} H_jk
    for (std::size_t i = low; i < n_; ++i) {
      if ((high >> i & 1) == 0) continue;
      square[0] += products_[i * n_ + i];
      for (std::size_t j = low; j < i; ++j)
        if ((high >> j & 1) != 0) square[0] += 2 * products_[i * n_ + j];
      for (std::size_t j = 0; j < low; ++j) against[j] += 2 * products_[i * n_ + j];
      along[0] += with_all_[i];
      sum[0] += std::abs(length_[i]);
    }
    for (std::size_t j = 0; j < low; ++j) {
      const std::size_t bit = std::size_t{1} << j;
      const double length = std::abs(length_[j]);
      std::size_t s = 0;
      for (; s + lanes <= bit; s += lanes) {
        Lanes base, step;
        load(&square[s], base);
        load(&pairs_[bit + s], step);
        store(base + (step + against[j]), &square[bit + s]);
        add(&along[s], with_all_[j], &along[bit + s]);
        add(&sum[s], length, &sum[bit + s]);
      }
      for (; s < bit; ++s) {
        square[bit + s] = square[s] + (pairs_[bit + s] + against[j]);
        along[bit + s] = along[s] + with_all_[j];
        sum[bit + s] = sum[s] + length;
      }
    }
    std::size_t s = 0;
    for (; s + lanes <= out.size(); s += lanes) {
      Lanes q, b, l, v;
      load(&square[s], q);
      load(&along[s], b);
      load(&sum[s], l);
      value(q, b, l, v);
      store(v, &out[s]);
    }
    for (; s < out.size(); ++s) value(square[s], along[s], sum[s], out[s]);
  }

  /// y = 1 / sqrt(x).
  static void reciprocal_root(double x, double& y) { y = 1 / std::sqrt(x); }
  /// To two units in the last place, for normal x. Newton's steps from the exponent's half: there is no
  /// division or root in it, which would be most of the work.
  static void reciprocal_root(const Lanes& x, Lanes& y) {
    using Bits [[gnu::vector_size(sizeof(Lanes))]] = std::int64_t;
    const Lanes half = x * 0.5;
    y = reinterpret_cast<Lanes>(0x5fe6eb50c7b537a9 - (reinterpret_cast<Bits>(x) >> 1));
    for (int step = 0; step < 4; ++step) y += y * (0.5 - half * y * y);
  }

  double value(double square, double along, double sum) const {
    double v = 0;
    value(square, along, sum, v);
    return v;
  }
  /// v of a coalition by ||u_S||^2, <u_S, u_N> and the sum of its members' lengths; T: double, or a vector.
  template <class T>
  void value(const T& square, const T& along, const T& sum, T& v) const {
    const T zero = T{}, one = zero + 1.0;
    T inverse;
    if (whole_ == 0) {
      v = zero;
    } else if (similarity_ == Similarity::euclidean) {
      const T rest = whole_ * whole_ - 2 * along + square;
      const auto apart = rest > smallest;
      reciprocal_root(apart ? rest : one, inverse);
      const T distance = apart ? rest * inverse : zero;
      v = sum > 0.0 ? 1 - distance * (1 / whole_) : zero;
    } else {
      const T least = cancelled_square * sum * sum;
      const auto something = square > (least > smallest ? least : zero + smallest);
      reciprocal_root(something ? square : one, inverse);
      v = something ? along * (1 / whole_) * inverse : zero;
      v = v > 1.0 ? one : v < -1.0 ? -one : v;  // where sums nearly cancel, rounding may lead beyond
    }
  }

  Similarity similarity_;
  std::size_t n_;
  std::vector<double> length_, products_, with_all_, pairs_;
  double whole_ = 0;
};

}  // namespace fedval::shapley
