// The inner loop of every Gram matrix: n vectors, a few hundred entries of each at a time.
//
//   G_ij += sum_k P_ik P_jk,  j <= i,  P an n x K panel of doubles that stays in cache
//
// Each pair is summed in eight lanes along k, then across the lanes in a fixed order, so a pair's bits depend
// on its two vectors alone: not on n, the tile or the position. 4 x 4 pairs share the loads of 8 rows.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "fedval/tensor/slices.hpp"

namespace fedval::detail {

inline constexpr std::size_t panel_width = 512, lanes = 8;

// The eight lanes are as many registers as this processor needs, and the tile as large as its registers hold:
// both change the speed only.
#if defined(__AVX512F__)
inline constexpr std::size_t register_bytes = 64, tile = 4;
#elif defined(__AVX__)
inline constexpr std::size_t register_bytes = 32, tile = 2;
#else
inline constexpr std::size_t register_bytes = 16, tile = 2;
#endif

/// n rows of panel_width doubles, aligned for whole-register loads.
class Panel {
 public:
  explicit Panel(std::size_t rows)
      : data_(static_cast<double*>(
            ::operator new[](rows* panel_width * sizeof(double), std::align_val_t{64}))) {}
  double* row(std::size_t i) { return data_.get() + i * panel_width; }
  const double* row(std::size_t i) const { return data_.get() + i * panel_width; }

 private:
  struct Free {
    void operator()(double* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };
  std::unique_ptr<double[], Free> data_;
};

/// Adds the dot products of rows [i, i + I) with rows [j, j + J) to gram (n x n, row-major).
template <std::size_t I, std::size_t J>
void panel_tile(const Panel& panel, std::size_t i, std::size_t j, std::size_t width, std::size_t n,
                double* gram) {
  typedef double Register __attribute__((vector_size(register_bytes)));
  constexpr std::size_t step = register_bytes / sizeof(double), registers = lanes / step;
  Register sum[I][J][registers] = {};
  for (std::size_t k = 0; k < width; k += lanes)
    for (std::size_t r = 0; r < registers; ++r) {
      Register left[I];
      for (std::size_t a = 0; a < I; ++a)
        left[a] = *reinterpret_cast<const Register*>(panel.row(i + a) + k + r * step);
      for (std::size_t b = 0; b < J; ++b) {
        const Register right = *reinterpret_cast<const Register*>(panel.row(j + b) + k + r * step);
        for (std::size_t a = 0; a < I; ++a) sum[a][b][r] += left[a] * right;
      }
    }
  for (std::size_t a = 0; a < I; ++a)
    for (std::size_t b = 0; b < J; ++b) {
      const auto s = [&](std::size_t lane) { return sum[a][b][lane / step][lane % step]; };
      gram[(i + a) * n + j + b] += ((s(0) + s(4)) + (s(2) + s(6))) + ((s(1) + s(5)) + (s(3) + s(7)));
    }
}

/// Rows [i, i + I) against every row up to and including themselves; what lies above the diagonal is
/// overwritten by the mirror image in the end.
template <std::size_t I>
void panel_rows(const Panel& panel, std::size_t i, std::size_t width, std::size_t n, double* gram) {
  const std::size_t last = i + I;
  std::size_t j = 0;
  for (; j + tile <= last; j += tile) panel_tile<I, tile>(panel, i, j, width, n, gram);
  for (; j < last; ++j) panel_tile<I, 1>(panel, i, j, width, n, gram);
}

/// Adds the dot products of all pairs of the panel's n rows.
inline void panel_pairs(const Panel& panel, std::size_t width, std::size_t n, double* gram) {
  std::size_t i = 0;
  for (; i + tile <= n; i += tile) panel_rows<tile>(panel, i, width, n, gram);
  if constexpr (tile > 2)
    for (; i + 2 <= n; i += 2) panel_rows<2>(panel, i, width, n, gram);
  for (; i < n; ++i) panel_rows<1>(panel, i, width, n, gram);
}

/// The Gram matrix of n vectors of `length` entries, row-major.
/// fill(begin, count, panel) writes entries [begin, begin + count) of every vector to the panel's rows; it
/// must not throw. O(n^2 length) operations, O(n^2 + n panel_width) memory a thread.
template <class Fill>
std::vector<double> panel_gram(std::size_t n, std::size_t length, Fill&& fill) {
  std::vector<Panel> panels;  // made here: an exception could not leave the parallel loop
  for (int thread = 0; thread < threads_for(n * length); ++thread) panels.emplace_back(n);
  const auto add_slice = [&](std::vector<double>& sum, std::size_t begin, std::size_t end,
                             std::size_t thread) {
    Panel& panel = panels[thread];
    for (; begin < end; begin += panel_width) {
      const std::size_t count = std::min(panel_width, end - begin);
      fill(begin, count, panel);
      const std::size_t width = (count + lanes - 1) / lanes * lanes;
      for (std::size_t i = 0; i < n; ++i) std::fill(panel.row(i) + count, panel.row(i) + width, 0.0);
      panel_pairs(panel, width, n, sum.data());
    }
  };
  std::vector<double> gram = reduce_slices(length, n * n, n * length, add_slice);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < i; ++j) gram[j * n + i] = gram[i * n + j];
  return gram;
}

}  // namespace fedval::detail
