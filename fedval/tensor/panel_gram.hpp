// The inner loop of every Gram matrix: n vectors, a few hundred entries of each at a time.
//
//   G_ij += sum_k P_ik P_jk,  j <= i,  P an n x K block of the vectors
//
// Each pair is summed in eight lanes along k, then across the lanes in a fixed order, so a pair's bits depend
// on its two vectors alone: not on n, the tile or the position. The pairs of `tile` rows with `tile` others
// share the loads of 2 tile rows (register blocking: Goto and van de Geijn, "Anatomy of high-performance
// matrix multiplication", ACM TOMS 34(3), 2008).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "fedval/tensor/slices.hpp"

namespace fedval::detail {

inline constexpr std::size_t panel_width = 512, lanes = 8;

// The eight lanes are as many registers as this processor needs, and the tile as large as its registers hold:
// both change the speed only.
#if defined(__AVX512F__)
inline constexpr std::size_t register_bytes = 64, tile = 5;
#elif defined(__AVX__)
inline constexpr std::size_t register_bytes = 32, tile = 3;
#else
inline constexpr std::size_t register_bytes = 16, tile = 3;
#endif

using Register [[gnu::vector_size(register_bytes)]] = double;
using Lanes [[gnu::vector_size(lanes * sizeof(double))]] = double;

/// n rows of panel_width doubles.
class Panel {
 public:
  explicit Panel(std::size_t rows)
      : data_(static_cast<double*>(::operator new[](rows* stride * sizeof(double), std::align_val_t{64}))),
        rows_(rows) {
    for (std::size_t i = 0; i < rows; ++i) rows_[i] = data_.get() + i * stride;
  }
  double* row(std::size_t i) { return rows_[i]; }
  const double* row(std::size_t i) const { return rows_[i]; }
  const double* const* rows() const { return rows_.data(); }

 private:
  // A cache line more than a row: at a power of two, equal columns of all rows would share one cache set.
  static constexpr std::size_t stride = panel_width + lanes;
  struct Free {
    void operator()(double* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };
  std::unique_ptr<double[], Free> data_;
  std::vector<double*> rows_;
};

/// One register of entries, as doubles.
template <class S>
[[gnu::always_inline]] inline Register load(const S* entries) {
  using Entries [[gnu::vector_size(register_bytes / sizeof(double) * sizeof(S))]] = S;
  Entries loaded;
  std::memcpy(&loaded, entries, sizeof(loaded));
  return __builtin_convertvector(loaded, Register);
}

/// The lanes' sums of eight pairs, ((0 + 4) + (2 + 6)) + ((1 + 5) + (3 + 7)) each: a transposition with an
/// addition at each of its three steps.
inline void sum_lanes(const Lanes* pairs, double* sums) {
  Lanes half[4], quarter[2];
  for (std::size_t p = 0; p < 4; ++p) {
    const Lanes &x = pairs[2 * p], &y = pairs[2 * p + 1];
    half[p] = __builtin_shufflevector(x, y, 0, 1, 2, 3, 8, 9, 10, 11) +
              __builtin_shufflevector(x, y, 4, 5, 6, 7, 12, 13, 14, 15);
  }
  for (std::size_t p = 0; p < 2; ++p) {
    const Lanes &x = half[2 * p], &y = half[2 * p + 1];
    quarter[p] = __builtin_shufflevector(x, y, 0, 1, 8, 9, 4, 5, 12, 13) +
                 __builtin_shufflevector(x, y, 2, 3, 10, 11, 6, 7, 14, 15);
  }
  const Lanes &x = quarter[0], &y = quarter[1];
  const Lanes whole = __builtin_shufflevector(x, y, 0, 4, 2, 6, 8, 12, 10, 14) +
                      __builtin_shufflevector(x, y, 1, 5, 3, 7, 9, 13, 11, 15);
  std::memcpy(sums, &whole, sizeof(whole));
}

/// Adds the dot products of rows [i, i + I) with rows [j, j + J), over `width` entries, to gram (n x n,
/// row-major); where i = j only the pairs on and below the diagonal. `soon` null: the rows come from memory
/// themselves; else they lie in cache, and the 4 `width` bytes at `soon` are fetched meanwhile.
template <std::size_t I, std::size_t J, bool diagonal, bool cached, class S>
void tile_pairs(const S* const* rows, std::size_t i, std::size_t j, std::size_t width, std::size_t n,
                double* gram, const std::byte* soon) {
  constexpr std::size_t step = register_bytes / sizeof(double), ahead = 64;
  constexpr std::size_t pairs = diagonal ? I * (I + 1) / 2 : I * J, eights = (pairs + 7) / 8;
  const auto pair = [](std::size_t a, std::size_t b) { return diagonal ? a * (a + 1) / 2 + b : a * J + b; };
  const auto end = [](std::size_t a) { return diagonal ? a + 1 : J; };  // of row a's pairs
  Lanes lane_sums[8 * eights] = {};
  for (std::size_t r = 0; r < lanes; r += step) {
    const S *left_row[I], *right_row[J];
    for (std::size_t a = 0; a < I; ++a) left_row[a] = rows[i + a] + r;
    for (std::size_t b = 0; b < J; ++b) right_row[b] = rows[j + b] + r;
    Register sum[pairs] = {};
    for (std::size_t k = 0; k < width; k += lanes) {
      Register left[I];
#pragma GCC unroll 8
      for (std::size_t a = 0; a < I; ++a) {
        left[a] = load(left_row[a] + k);
        if constexpr (!cached) __builtin_prefetch(left_row[a] + k + ahead);
      }
      if constexpr (cached) __builtin_prefetch(soon + 4 * k, 0, 2);
#pragma GCC unroll 8
      for (std::size_t b = 0; b < J; ++b) {
        const Register right = diagonal ? left[b] : load(right_row[b] + k);
#pragma GCC unroll 8
        for (std::size_t a = diagonal ? b : 0; a < I; ++a) sum[pair(a, b)] += left[a] * right;
      }
    }
#pragma GCC unroll 64
    for (std::size_t p = 0; p < pairs; ++p)
      std::memcpy(reinterpret_cast<double*>(&lane_sums[p]) + r, &sum[p], sizeof(Register));
  }
  double sums[8 * eights];
  for (std::size_t p = 0; p < eights; ++p) sum_lanes(&lane_sums[8 * p], &sums[8 * p]);
  // All loads before all stores: some processors let no load pass a store.
  for (std::size_t a = 0; a < I; ++a)
    for (std::size_t b = 0; b < end(a); ++b) sums[pair(a, b)] += gram[(i + a) * n + j + b];
  for (std::size_t a = 0; a < I; ++a)
    for (std::size_t b = 0; b < end(a); ++b) gram[(i + a) * n + j + b] = sums[pair(a, b)];
}

/// tile_pairs for the I or, at the end, fewer rows from i.
template <std::size_t I, bool cached, class S>
void tile_of(const S* const* rows, std::size_t i, std::size_t j, std::size_t width, std::size_t n,
             double* gram, const std::byte* soon) {
  if constexpr (I > 1)
    if (n - i < I) return tile_of<I - 1, cached>(rows, i, j, width, n, gram, soon);
  if (i == j)
    tile_pairs<I, I, true, cached>(rows, i, j, width, n, gram, soon);
  else
    tile_pairs<I, tile, false, cached>(rows, i, j, width, n, gram, soon);
}

/// Adds the dot products of all pairs j <= i of n rows of `width` entries, a multiple of `lanes`; above the
/// diagonal nothing is written. soon(t) is what the t-th tile fetches meanwhile.
template <bool cached, class S, class Soon>
void row_pairs(const S* const* rows, std::size_t width, std::size_t n, double* gram, Soon&& soon) {
  // Rows [first, last) stay in the second-level cache while one tile of rows after the other meets them.
  constexpr std::size_t group = 20 * tile;
  std::size_t t = 0;
  for (std::size_t first = 0; first < n; first += group) {
    const std::size_t last = std::min(n, first + group);
    for (std::size_t j = 0; j < last; j += tile)
      for (std::size_t i = std::max(first, j); i < last; i += tile) {
        const std::byte* bytes = soon(t++);
        tile_of<tile, cached>(rows, i, j, width, n, gram, bytes);
      }
  }
}

/// Adds the dot products of all pairs of the panel's n rows.
inline void panel_pairs(const Panel& panel, std::size_t width, std::size_t n, double* gram) {
  const auto* here = reinterpret_cast<const std::byte*>(panel.rows());
  row_pairs<true>(panel.rows(), width, n, gram, [here](std::size_t) { return here; });
}

/// The Gram matrix of n vectors of `length` entries, row-major. add(begin, count, gram, panel) adds the dot
/// products of entries [begin, begin + count), at most panel_width of them; a copy of it is made for every
/// slice, in which begin ascends. It must not throw.
template <class Add>
std::vector<double> gram_of_blocks(std::size_t n, std::size_t length, const Add& add) {
  std::vector<Panel> panels;  // made here: an exception could not leave the parallel loop
  panels.reserve(static_cast<std::size_t>(threads_for(n * length)));
  for (int thread = 0; thread < threads_for(n * length); ++thread) panels.emplace_back(n);
  const auto add_slice = [&](std::vector<double>& sum, std::size_t begin, std::size_t end,
                             std::size_t thread) {
    Add add_block = add;
    for (; begin < end; begin += panel_width)
      add_block(begin, std::min(panel_width, end - begin), sum.data(), panels[thread]);
  };
  std::vector<double> gram = reduce_slices(length, n * n, n * length, add_slice);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < i; ++j) gram[j * n + i] = gram[i * n + j];
  return gram;
}

/// Zeros after the panel's first `count` columns, up to whole lanes; the width with them.
inline std::size_t pad(Panel& panel, std::size_t n, std::size_t count) {
  const std::size_t width = (count + lanes - 1) / lanes * lanes;
  for (std::size_t i = 0; i < n; ++i) std::fill(panel.row(i) + count, panel.row(i) + width, 0.0);
  return width;
}

/// The Gram matrix of n vectors of `length` entries, row-major.
/// fill(begin, count, panel) writes entries [begin, begin + count) of every vector to the panel's rows; it
/// must not throw. O(n^2 length) operations, O(n^2 + n panel_width) memory a thread.
template <class Fill>
std::vector<double> panel_gram(std::size_t n, std::size_t length, Fill&& fill) {
  return gram_of_blocks(n, length, [&](std::size_t begin, std::size_t count, double* gram, Panel& panel) {
    fill(begin, count, panel);
    panel_pairs(panel, pad(panel, n, count), n, gram);
  });
}

}  // namespace fedval::detail
