// Spectrum of a matrix W (C x d) that does not fit in memory and arrives in blocks.
//
//   rows arrive:     W^T W = sum over rows w_r of w_r^T w_r       (d x d)
//   columns arrive:  W W^T = sum over columns w_c of w_c w_c^T    (C x C)
//
// and p_j = lambda_j / sum lambda, as in fedval/spectral/spectrum.hpp. Only the Gram matrix and a panel of
// 512 rows (or columns) are kept. A panel is added when it is full, wherever the blocks were cut, so the
// result has the same bits for every way to cut. A power of two is set aside where squares would leave a
// double's range, which changes no digit; what is then lost is below 2^-400 of the largest entry.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "fedval/linalg/symmetric_eigenvalues.hpp"
#include "fedval/tensor/check.hpp"
#include "fedval/tensor/panel_gram.hpp"

namespace fedval::spectral {

namespace detail {

/// A sum of panel Gram matrices: 4^exponent times gram (lower triangle), n x n.
class PanelSum {
 public:
  explicit PanelSum(std::size_t n) : n_(n), gram_(n * n, 0.0) {}

  /// Adds the first `count` entries of each of the panel's n rows, which are scaled in place.
  void add(fedval::detail::Panel& panel, std::size_t count) {
    double largest = 0;
    for (std::size_t i = 0; i < n_; ++i)
      for (std::size_t k = 0; k < count; ++k) largest = std::max(largest, std::abs(panel.row(i)[k]));
    if (largest == 0) return;
    const int power = std::ilogb(largest);
    if (zero_) {
      exponent_ = std::abs(power) <= safe ? 0 : power;
      zero_ = false;
    } else if (power > exponent_ + safe) {
      rescale(power);
    }
    const std::size_t width =
        (count + fedval::detail::lanes - 1) / fedval::detail::lanes * fedval::detail::lanes;
    for (std::size_t i = 0; i < n_; ++i) {
      double* row = panel.row(i);
      if (exponent_ != 0)
        for (std::size_t k = 0; k < count; ++k) row[k] = std::ldexp(row[k], -exponent_);
      std::fill(row + count, row + width, 0.0);
    }
    fedval::detail::panel_pairs(panel, width, n_, gram_.data());
  }

  void add(PanelSum other) {
    if (other.zero_) return;
    if (zero_) {
      *this = std::move(other);
      return;
    }
    const int common = std::max(exponent_, other.exponent_);
    rescale(common);
    other.rescale(common);
    for (std::size_t i = 0; i < gram_.size(); ++i) gram_[i] += other.gram_[i];
  }

  /// Eigenvalues as shares of their sum, ascending, the largest `count` of them; none for a zero matrix.
  std::vector<double> spectrum(std::size_t count) && {
    double trace = 0;
    for (std::size_t i = 0; i < n_; ++i) trace += gram_[i * n_ + i];
    if (trace == 0) return {};
    for (double& value : gram_) value /= trace;
    std::vector<double> p = linalg::symmetric_eigenvalues(std::move(gram_), n_);
    p.erase(p.begin(), p.end() - static_cast<std::ptrdiff_t>(count));
    double sum = 0;  // what is negative is rounding of a zero
    for (double& value : p) sum += value = std::max(value, 0.0);
    for (double& value : p) value /= sum;
    return p;
  }

 private:
  static constexpr int safe = 400;  // squares of 2^safe, and sums of them, are within a double's range

  void rescale(int exponent) {
    if (exponent == exponent_) return;
    for (double& value : gram_) value = std::ldexp(value, 2 * (exponent_ - exponent));
    exponent_ = exponent;
  }

  std::size_t n_;
  std::vector<double> gram_;
  int exponent_ = 0;
  bool zero_ = true;
};

}  // namespace detail

/// The spectrum of a matrix that is shown block by block. n, the side that is known, is the number of columns
/// for of_rows and of rows for of_columns; 8 n (n + 512) bytes. Movable, not copyable. One thread at a time.
class SpectrumStream {
 public:
  /// For a matrix of `columns` columns whose rows arrive. Error when there are none.
  static SpectrumStream of_rows(std::size_t columns) { return {columns, true}; }
  /// For a matrix of `rows` rows whose columns arrive. Error when there are none.
  static SpectrumStream of_columns(std::size_t rows) { return {rows, false}; }

  /// The matrix so far.
  std::size_t rows() const { return by_rows_ ? seen_ : n_; }
  /// As rows(): the side that arrives grows, the other was announced.
  std::size_t columns() const { return by_rows_ ? n_ : seen_; }

  /// Appends the rows of a k x d block, read in place. O(k d^2). Error for another width, a stream of columns
  /// and an entry that is not finite (`name` and its place in the whole matrix); the stream stays as it was.
  void add_rows(const TensorView& block, const std::string& name = "matrix") {
    if (!by_rows_) fail(name, ": rows for a stream that was made for columns");
    add(block, name);
  }

  /// Appends the columns of a C x k block, read in place. O(k C^2). Errors as for add_rows.
  void add_columns(const TensorView& block, const std::string& name = "matrix") {
    if (by_rows_) fail(name, ": columns for a stream that was made for rows");
    add(block, name);
  }

  /// As if the other stream's rows (or columns) had been shown to this one after its own, up to rounding: the
  /// sums are added in another order. O(n^2). Error when the two are not of one kind and size.
  void merge(const SpectrumStream& other) {
    if (by_rows_ != other.by_rows_ || n_ != other.n_)
      fail("merge: a stream of ", by_rows_ ? "rows" : "columns", " of ", n_, " entries and one of ",
           other.by_rows_ ? "rows" : "columns", " of ", other.n_);
    sum_.add(other.total());
    seen_ += other.seen_;
  }

  /// p_j = sigma_j^2 / sum sigma^2 of the matrix so far, ascending, min(rows(), columns()) of them; none for
  /// a zero or empty matrix. More blocks may follow. O(n^3).
  std::vector<double> spectrum() const { return total().spectrum(std::min(n_, seen_)); }

 private:
  using Panel = fedval::detail::Panel;
  static constexpr std::size_t width = fedval::detail::panel_width;

  SpectrumStream(std::size_t n, bool by_rows)
      : n_(n > 0 ? n : throw_empty(by_rows)), by_rows_(by_rows), panel_(n), sum_(n) {}

  [[noreturn]] static std::size_t throw_empty(bool by_rows) {
    fail("SpectrumStream: a matrix without ", by_rows ? "columns" : "rows");
  }

  void add(const TensorView& block, const std::string& name) {
    if (block.rank() != 2) fail(name, " has shape ", block.shape().text(), ", expected a matrix");
    const auto across = static_cast<std::size_t>(block.shape()[by_rows_ ? 1 : 0]);
    const auto count = static_cast<std::size_t>(block.shape()[by_rows_ ? 0 : 1]);
    if (across != n_)
      fail(name, " has shape ", block.shape().text(), ", expected ", n_, by_rows_ ? " columns" : " rows");
    if (block.device() != nullptr) {  // one transfer instead of one a row
      std::vector<double> values(block.size());
      block.read(0, values);
      const Shape shape = block.shape();
      const Shape strides = shape.row_major_strides();
      return add(TensorView(shape, {Piece::host(values.data(), ScalarType::float64, shape, strides)}), name);
    }
    check(block, name);
    for (std::size_t done = 0; done < count;) {
      const std::size_t take = std::min(count - done, width - filled_);
      if (by_rows_) {
        for (std::size_t r = 0; r < take; ++r) read_row(block, done + r, filled_ + r);
      } else {
        for (std::size_t i = 0; i < n_; ++i) block.read(i * count + done, {panel_.row(i) + filled_, take});
      }
      done += take;
      filled_ += take;
      if (filled_ < width) continue;
      sum_.add(panel_, width);
      filled_ = 0;
    }
    seen_ += count;
  }

  void read_row(const TensorView& block, std::size_t row, std::size_t place) {
    std::array<double, 512> part;
    for (std::size_t first = 0; first < n_; first += part.size()) {
      const std::size_t size = std::min(part.size(), n_ - first);
      block.read(row * n_ + first, {part.data(), size});
      for (std::size_t j = 0; j < size; ++j) panel_.row(first + j)[place] = part[j];
    }
  }

  /// Error for the first entry that is not finite, by its place in the whole matrix.
  void check(const TensorView& block, const std::string& name) const {
    const auto columns = static_cast<std::size_t>(block.shape()[1]);
    std::array<double, 1024> part;
    for (std::size_t begin = 0; begin < block.size(); begin += part.size()) {
      const std::size_t size = std::min(part.size(), block.size() - begin);
      block.read(begin, {part.data(), size});
      for (std::size_t i = 0; i < size; ++i)
        if (!std::isfinite(part[i]))
          fail(name, "[", (begin + i) / columns + (by_rows_ ? seen_ : 0), ", ",
               (begin + i) % columns + (by_rows_ ? 0 : seen_), "] is ",
               std::isnan(part[i]) ? "NaN"
               : part[i] > 0       ? "infinite"
                                   : "-infinite");
    }
  }

  /// The sum with the rows that still wait for a full panel.
  detail::PanelSum total() const {
    detail::PanelSum sum = sum_;
    if (filled_ == 0) return sum;
    Panel rest(n_);
    for (std::size_t i = 0; i < n_; ++i) std::copy_n(panel_.row(i), filled_, rest.row(i));
    sum.add(rest, filled_);
    return sum;
  }

  std::size_t n_;
  bool by_rows_;
  Panel panel_;
  detail::PanelSum sum_;
  std::size_t filled_ = 0, seen_ = 0;
};

}  // namespace fedval::spectral
