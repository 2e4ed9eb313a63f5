// Lanczos quadrature: z^T f(A) z for a symmetric positive semidefinite A that is known by its products only.
//
//   A V_k = V_k J_k + beta_k v_{k+1} e_k^T,  v_1 = z / ||z||:   z^T f(A) z = ||z||^2 integral f dmu
//
// and J_k gives the Gauss rule of mu, and the Gauss-Radau rule with a node at 0. Where the derivatives of f
// of order 2, 3, 4, ... have alternating signs on (0, inf), as those of -x ln x and of x^p, the two rules
// hold the exact value between them: the error is bounded, not estimated. Lanczos is run for eight vectors
// side by side, so that they share each pass over A, and with full reorthogonalisation. Source: Golub and
// Meurant, Matrices, Moments and Quadrature with Applications, Princeton 2010, chapters 6 and 7.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/linalg/golub_welsch.hpp"
#include "fedval/tensor/slices.hpp"

namespace fedval::linalg {

/// Vectors that travel together: one register of doubles, or two, or four.
inline constexpr std::size_t block_width = 8;

/// A symmetric matrix of size() rows that can multiply. apply(in, out) writes A times the size() x
/// block_width row-major block `in` to `out`, which do not overlap. It must give the same bits every time
/// and, where a column of `in` is zero, a zero column.
template <class A>
concept BlockOperator = requires(const A& a, std::span<const double> in, std::span<double> out) {
  { a.size() } -> std::convertible_to<std::size_t>;
  a.apply(in, out);
};

/// What Lanczos has learned about A as seen from one vector z.
struct LanczosMeasure {
  double mass = 0;  ///< ||z||^2
  /// J_k's diagonal, k entries.
  std::vector<double> diagonal, off;  ///< J_k beside the diagonal, k entries; the last is beta_k, its way out
  bool exact = false;                 ///< the Krylov space of z is spanned: the Gauss rule is exact
  /// z^T f(A) z is at least this, up to rounding.
  double lower = 0, upper = 0;  ///< it is at most this

  /// The bracket's middle.
  double value() const { return lower + (upper - lower) / 2; }
  /// How far value() may be from z^T f(A) z, up to rounding.
  double half_width() const { return (upper - lower) / 2; }
  /// z^T A z
  double mean() const { return diagonal.empty() ? 0.0 : mass * diagonal[0]; }
};

/// When lanczos_quadrature() stops: at whichever comes first.
struct LanczosOptions {
  double tolerance = 0;         ///< stop once half_width() of all vectors is at most this
  std::size_t max_steps = 100;  ///< or after so many products with A
};

namespace detail {

using BlockRow [[gnu::vector_size(block_width * sizeof(double))]] = double;

/// A row where doubles lie. A struct, because clang forgets the alignment of a vector's alias in a reference
/// and reads it as if it were aligned to its size.
struct [[gnu::packed, gnu::aligned(alignof(double)), gnu::may_alias]] PlacedRow {
  BlockRow lanes;
};

inline const PlacedRow& placed_row(const double* block, std::size_t row) {
  return *reinterpret_cast<const PlacedRow*>(block + row * block_width);
}
inline PlacedRow& placed_row(double* block, std::size_t row) {
  return *reinterpret_cast<PlacedRow*>(block + row * block_width);
}

using Block = std::vector<double>;

/// sums[l * block_width + c] = <column c of blocks[l], column c of w>.
inline std::vector<double> column_dots(std::span<const Block> blocks, const Block& w) {
  return fedval::detail::reduce_slices(
      w.size(), blocks.size() * block_width, w.size() * blocks.size(),
      [&](std::vector<double>& sums, std::size_t begin, std::size_t end, std::size_t) {
        for (std::size_t l = 0; l < blocks.size(); ++l) {
          BlockRow even{}, odd{};  // two sums: one addition need not wait for the one before
          std::size_t row = begin / block_width;
          for (; row + 1 < end / block_width; row += 2) {
            even += placed_row(blocks[l].data(), row).lanes * placed_row(w.data(), row).lanes;
            odd += placed_row(blocks[l].data(), row + 1).lanes * placed_row(w.data(), row + 1).lanes;
          }
          if (row < end / block_width)
            even += placed_row(blocks[l].data(), row).lanes * placed_row(w.data(), row).lanes;
          placed_row(sums.data(), l).lanes += even + odd;
        }
      });
}

/// w -= sum_l blocks[l] times coefficients[l], column by column.
inline void subtract(std::span<const Block> blocks, std::span<const double> coefficients, Block& w) {
  const fedval::detail::Slices slices(w.size());
  const std::size_t count = slices.count();
  [[maybe_unused]] const int team = fedval::detail::threads_for(w.size() * blocks.size());
  FEDVAL_OMP(omp parallel for num_threads(team) schedule(dynamic, 1) if (team > 1))
  for (std::size_t s = 0; s < count; ++s)
    for (std::size_t l = 0; l < blocks.size(); ++l) {
      const BlockRow coefficient = placed_row(coefficients.data(), l).lanes;
      for (std::size_t row = slices.begin(s) / block_width; row < slices.end(s) / block_width; ++row)
        placed_row(w.data(), row).lanes -= coefficient * placed_row(blocks[l].data(), row).lanes;
    }
}

/// Divides each column by its entry of `lengths`; zeroes the columns whose entry is 0.
inline void divide_columns(Block& w, std::span<const double> lengths) {
  for (std::size_t i = 0; i < w.size(); ++i) {
    const double length = lengths[i % block_width];
    w[i] = length == 0 ? 0.0 : w[i] / length;
  }
}

/// Whether an entry of column c is not zero.
inline bool any_in_column(const Block& w, std::size_t c) {
  for (std::size_t i = c; i < w.size(); i += block_width)
    if (w[i] != 0) return true;
  return false;
}

/// The binary exponents of columns whose squares, or those of their rounding, would leave a double's range; 0
/// for all others.
inline std::array<int, block_width> extreme_exponents(const Block& w) {
  std::array<double, block_width> largest{};
  for (std::size_t i = 0; i < w.size(); ++i)
    largest[i % block_width] = std::max(largest[i % block_width], std::abs(w[i]));
  std::array<int, block_width> exponents{};
  for (std::size_t c = 0; c < block_width; ++c)
    if (largest[c] > 0 && std::isfinite(largest[c]) && std::abs(std::ilogb(largest[c])) > 400)
      exponents[c] = std::ilogb(largest[c]);
  return exponents;
}

/// Divides columns by powers of two.
inline void scale_columns(Block& w, const std::array<int, block_width>& exponents) {
  if (exponents == std::array<int, block_width>{}) return;
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = std::ldexp(w[i], -exponents[i % block_width]);
}

/// Error that says why a column of `start` has no length that can be squared.
[[noreturn]] inline void refuse_start(const Block& start) {
  for (std::size_t k = 0; k < start.size(); ++k)
    if (!std::isfinite(start[k]))
      fail("lanczos_quadrature: start[", k / block_width, ", ", k % block_width, "] is ", start[k]);
  fail("lanczos_quadrature: the squares of start leave a double's range");
}

/// Narrows [lower, upper] by the rules of J.
template <class Function>
void narrow(LanczosMeasure& measure, Function&& f) {
  const auto value = [&](const QuadratureRule& rule) {  // rounding may put a node left of 0
    return measure.mass * rule([&](double x) { return f(std::max(x, 0.0)); });
  };
  const double gauss = value(gauss_rule(measure.diagonal, measure.off));
  if (measure.exact) {
    measure.lower = measure.upper = gauss;
    return;
  }
  const std::span<const double> diagonal = measure.diagonal, off = measure.off;
  for (std::size_t k = diagonal.size(); k > 0; --k)  // of fewer steps where rounding ate J's last pivot
    if (const auto rule = radau_rule(diagonal.first(k), off.first(k), 0)) {
      const double radau = value(*rule);
      measure.lower = std::max(measure.lower, std::min(gauss, radau));
      measure.upper = std::min(measure.upper, std::max(gauss, radau));
      // They may have met, and what is left is rounding.
      if (measure.lower > measure.upper) measure.lower = measure.upper = gauss;
      return;
    }
  measure.lower = measure.upper = gauss;  // z^T A z <= 0: A z = 0
}

}  // namespace detail

/// Brackets of z^T f(A) z for the eight columns z of `start` (A.size() x block_width, row-major; unused
/// columns zero). f is called on [0, inf) and must be finite there. A must be positive semidefinite. Stops
/// early when every bracket is narrow enough; after A.size() steps all are exact. k steps cost k products
/// with A, O(A.size() k^2) operations and A.size() k block_width doubles of memory. Error when sizes do not
/// fit, an entry of `start` is not finite, a column's square is not within a double's range, or a product
/// with A has no finite length.
template <BlockOperator Operator, class Function>
std::array<LanczosMeasure, block_width> lanczos_quadrature(const Operator& a, std::vector<double> start,
                                                           Function&& f, const LanczosOptions& options = {}) {
  const auto n = static_cast<std::size_t>(a.size());
  if (start.size() != n * block_width)
    fail("lanczos_quadrature: ", start.size(), " start entries for a matrix of size ", n, ", needs ",
         n * block_width);
  if (!(options.tolerance >= 0))
    fail("lanczos_quadrature: tolerance is ", options.tolerance, ", must be at least 0");
  if (options.max_steps == 0) fail("lanczos_quadrature: max_steps is 0");
  constexpr double infinity = std::numeric_limits<double>::infinity();
  std::array<LanczosMeasure, block_width> measures;
  std::array<double, block_width> lengths{}, scale{};
  std::array<int, block_width> exponents{};
  std::array<bool, block_width> settled{};
  std::vector<detail::Block> basis{std::move(start)};
  const std::vector<double> masses = detail::column_dots(basis, basis[0]);
  for (std::size_t c = 0; c < block_width; ++c) {
    if (!std::isfinite(masses[c]) || (masses[c] < 0x1p-1000 && detail::any_in_column(basis[0], c)))
      detail::refuse_start(basis[0]);
    lengths[c] = std::sqrt(masses[c]);
    measures[c].exact = masses[c] == 0;
    if (!measures[c].exact) measures[c] = {masses[c], {}, {}, false, -infinity, infinity};
  }
  detail::divide_columns(basis[0], lengths);

  for (std::size_t c = 0; c < block_width; ++c) settled[c] = measures[c].exact;

  const std::size_t last = std::min(n, options.max_steps);
  std::size_t check = std::min<std::size_t>(2, last);  // the next step that looks at the brackets
  detail::Block w(n * block_width);
  for (std::size_t step = 1; !std::all_of(settled.begin(), settled.end(), std::identity{}); ++step) {
    a.apply(basis.back(), w);
    if (step == 1) exponents = detail::extreme_exponents(w);
    detail::scale_columns(w, exponents);
    // Twice is enough: the first projection leaves rounding that the second one removes.
    std::vector<double> diagonal(block_width, 0.0);
    for (int pass = 0; pass < 2; ++pass) {
      const std::vector<double> along = detail::column_dots(basis, w);
      detail::subtract(basis, along, w);
      for (std::size_t c = 0; c < block_width; ++c) diagonal[c] += along[(step - 1) * block_width + c];
    }
    const std::vector<double> squares = detail::column_dots({&w, 1}, w);
    for (std::size_t c = 0; c < block_width; ++c) {
      LanczosMeasure& measure = measures[c];
      lengths[c] = 0;
      if (measure.exact) continue;
      if (!std::isfinite(squares[c]))
        fail("lanczos_quadrature: product ", step, " with the matrix has no finite length");
      const double next = std::sqrt(squares[c]);
      measure.diagonal.push_back(std::ldexp(diagonal[c], exponents[c]));
      measure.off.push_back(std::ldexp(next, exponents[c]));
      scale[c] = std::max({scale[c], std::abs(diagonal[c]), next});
      // Below the rounding of the product no direction is left: the space is invariant.
      measure.exact = step == n || next <= 16 * std::numeric_limits<double>::epsilon() * scale[c];
      if (!measure.exact) lengths[c] = next;
      if (settled[c] || !(measure.exact || step == check)) continue;
      detail::narrow(measure, f);
      settled[c] = measure.exact || measure.half_width() <= options.tolerance;
    }
    if (step == last) break;
    if (step == check) check = std::min(last, step + std::max<std::size_t>(2, step / 6));
    detail::divide_columns(w, lengths);
    basis.push_back(w);
  }
  return measures;
}

}  // namespace fedval::linalg
