// Gram matrix of n vectors:  G_ij = <u_i, u_j>.  Everything that cosine scores need of the updates.
//
// One pass over the updates, products and sums in double whatever their scalar type; the same bits for any
// number of threads, and for a pair whatever the other vectors are. Vectors whose squared norm would overflow
// or lose digits are first scaled by a power of two, which changes no digit.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "fedval/tensor/check.hpp"
#include "fedval/tensor/device.hpp"
#include "fedval/tensor/panel_gram.hpp"

namespace fedval {

/// The inner products of n vectors, with a power of two set aside for each so that none overflows.
class Gram {
 public:
  /// From <u_i, u_j> 2^(-exponents[i] - exponents[j]), n x n and symmetric; sizes are not checked.
  Gram(std::vector<double> values, std::vector<int> exponents)
      : values_(std::move(values)), exponents_(std::move(exponents)) {}

  /// Number of vectors, n.
  std::size_t size() const { return exponents_.size(); }
  /// <u_i, u_j>; infinite or zero where that is beyond a double.
  double operator()(std::size_t i, std::size_t j) const {
    return std::ldexp(values_[i * size() + j], exponents_[i] + exponents_[j]);
  }
  /// ||u_i||; infinite or zero where that is beyond a double.
  double norm(std::size_t i) const { return std::ldexp(scaled_norm(i), exponents_[i]); }
  /// ||2^-exponent(i) u_i||, always within a double's range.
  double scaled_norm(std::size_t i) const { return std::sqrt(values_[i * size() + i]); }
  /// The power of two set aside for vector i; 0 unless its squared norm would leave the range.
  int exponent(std::size_t i) const { return exponents_[i]; }
  /// cos(u_i, u_j); 0 where either is the zero vector.
  double cosine(std::size_t i, std::size_t j) const {
    const double left = values_[i * size() + i], right = values_[j * size() + j];
    return left == 0 || right == 0 ? 0.0 : values_[i * size() + j] / (std::sqrt(left) * std::sqrt(right));
  }
  /// The Gram matrix of u_i / ||u_i||: cosines. Zero vectors stay zero. O(n^2).
  Gram directions() const {
    std::vector<double> cosines;
    for (std::size_t i = 0; i < size(); ++i)
      for (std::size_t j = 0; j < size(); ++j)
        cosines.push_back(i == j && scaled_norm(i) > 0 ? 1.0 : cosine(i, j));
    return {std::move(cosines), std::vector<int>(size(), 0)};
  }

 private:
  std::vector<double> values_;
  std::vector<int> exponents_;
};

/// The squared length of a weighted sum of vectors comes out of their Gram matrix with an error near 2^-52 of
/// the square of its terms' summed lengths. Below this share of that square it cannot be told from zero (a
/// sum shorter than 1e-7 of its terms), and a direction made of it would mean nothing.
inline constexpr double cancelled_square = 0x1p-46;

namespace detail {

inline std::string name_of(std::span<const std::string> names, std::size_t i) {
  return i < names.size() ? names[i] : "tensor " + std::to_string(i);
}

/// The device that all of `tensors` share. Error when sizes or places differ.
inline const DeviceOperations* common_device(std::span<const TensorView> tensors,
                                             std::span<const std::string> names) {
  for (std::size_t i = 1; i < tensors.size(); ++i) {
    if (tensors[i].size() != tensors[0].size())
      fail(name_of(names, i), " has ", tensors[i].size(), " entries (shape ", tensors[i].shape().text(),
           "), ", name_of(names, 0), " has ", tensors[0].size(), " (shape ", tensors[0].shape().text(), ")");
    if (tensors[i].device() != tensors[0].device())
      fail(name_of(names, i), " and ", name_of(names, 0), " do not lie on the same kind of device");
  }
  return tensors.empty() ? nullptr : tensors[0].device();
}

/// So many vectors of floats or doubles are read where they lie, every tile converting its entries anew; more
/// are copied to a panel of doubles first, which rounds nothing.
inline constexpr std::size_t most_direct_rows = 3 * tile;

/// One vector of a Gram matrix: entries from `first` on of a tensor in host memory, times 2^-exponent.
struct GramRow {
  const TensorView* tensor;
  std::size_t first = 0;
  int exponent = 0;
};

/// Adds the dot products of a block of rows, where they lie if they are few and their entries lie side by
/// side.
class RowBlocks {
 public:
  explicit RowBlocks(std::span<const GramRow> rows) : rows_(rows) {}

  void operator()(std::size_t begin, std::size_t count, double* gram, Panel& panel) {
    if (rows_.size() <= most_direct_rows && count % lanes == 0 &&
        (add_directly<float>(begin, count, gram) || add_directly<double>(begin, count, gram)))
      return;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const GramRow& row = rows_[i];
      row.tensor->read(row.first + begin, {panel.row(i), count});
      if (row.exponent == 0) continue;
      for (std::size_t k = 0; k < count; ++k) panel.row(i)[k] = std::ldexp(panel.row(i)[k], -row.exponent);
    }
    const std::size_t width = pad(panel, rows_.size(), count);
    row_pairs<true>(panel.rows(), width, rows_.size(), gram, [&](std::size_t t) {
      Place place;
      const std::byte* next = nullptr;
      if (t < rows_.size() && begin + count < rows_[t].tensor->size() - rows_[t].first)
        next = place.seek(rows_[t], begin + count);
      return next != nullptr ? next : reinterpret_cast<const std::byte*>(panel.rows());
    });
  }

 private:
  /// The piece of a row's tensor that holds an entry, found from the piece of an entry before it.
  struct Place {
    std::size_t piece = 0, start = 0, offset = 0;  // start: the piece's first entry; offset: the entry in it

    /// The entry's address; null where its neighbours do not follow it.
    const std::byte* seek(const GramRow& row, std::size_t entry) {
      const std::span<const Piece> pieces = row.tensor->pieces();
      while (row.first + entry >= start + pieces[piece].size) start += pieces[piece++].size;
      offset = row.first + entry - start;
      if (!pieces[piece].dense || pieces[piece].device != nullptr) return nullptr;
      const std::size_t bytes = visit_scalar(pieces[piece].type, [](auto value) { return sizeof(value); });
      return static_cast<const std::byte*>(pieces[piece].data) + offset * bytes;
    }
  };

  /// False, and nothing done, where a row's entries are not of type S, lie apart, or have an exponent.
  template <class S>
  bool add_directly(std::size_t begin, std::size_t count, double* gram) {
    std::array<const S*, most_direct_rows> entries;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      Place& place = places_[i];
      entries[i] = reinterpret_cast<const S*>(place.seek(rows_[i], begin));
      const Piece& piece = rows_[i].tensor->pieces()[place.piece];
      if (entries[i] == nullptr || piece.type != scalar_type_of<S> || place.offset + count > piece.size ||
          rows_[i].exponent != 0)
        return false;
    }
    row_pairs<false>(entries.data(), count, rows_.size(), gram, [](std::size_t) { return nullptr; });
    return true;
  }

  std::span<const GramRow> rows_;
  std::array<Place, most_direct_rows> places_{};
};

/// The Gram matrix of vectors in host memory, each of `length` entries. O(n^2 length).
inline std::vector<double> panel_gram(std::span<const GramRow> rows, std::size_t length) {
  return gram_of_blocks(rows.size(), length, RowBlocks(rows));
}

/// Inner products of 2^-exponents[i] u_i.
inline std::vector<double> scaled_gram(std::span<const TensorView> tensors, std::span<const int> exponents) {
  std::vector<GramRow> rows;
  for (std::size_t i = 0; i < tensors.size(); ++i) rows.push_back({&tensors[i], 0, exponents[i]});
  const std::size_t length = tensors[0].size();
  const auto add = [tensors, length, slice = Slices(length).end(0), blocks = RowBlocks(rows)](
                       std::size_t begin, std::size_t count, double* gram, Panel& panel) mutable {
    blocks(begin, count, gram, panel);
    const std::size_t end = begin + count;
    release_behind(tensors, end, end % slice == 0 || end == length);
  };
  return gram_of_blocks(rows.size(), length, add);
}

/// Whether a sum of squares kept all its digits: neither overflowed nor near the subnormal numbers.
inline bool safe_square(double square) { return square > 0x1p-900 && square < 0x1p1000; }

/// The power of two to set aside for a tensor whose sum of squares is not safe; 0 where it is all zeros.
/// Error when an entry is not finite, and for one on a device, where nothing is scaled. A tensor that only
/// the device can read is not brought here unless there is an entry to name.
inline int scaling_exponent(const TensorView& tensor, const std::string& name) {
  const DeviceOperations* device = tensor.device();
  double largest = 0;
  if (device != nullptr && device->sum_slices == nullptr && tensor.size() > 0) {
    const std::size_t one = 1;
    largest = device->top_k(tensor, {&one, 1})[0].threshold;
    if (!std::isfinite(largest)) check_finite(tensor, name);
  } else {
    check_finite(tensor, name);
    largest = max_magnitude(tensor);
  }
  if (largest == 0) return 0;
  if (device != nullptr)
    fail(name, ": its largest magnitude is ", largest,
         "; on a device the sum of squares must be within 2^-900 and 2^1000");
  return std::ilogb(largest);
}

}  // namespace detail

/// Gram matrix of n tensors of equal size, each read as a flat row-major vector. O(n^2 D) time, O(n^2)
/// memory. Error when sizes differ or an entry is not finite, and for vectors on a device whose squared norm
/// is not within 2^-900 and 2^1000; `names` (for messages) may be empty.
inline Gram gram(std::span<const TensorView> tensors, std::span<const std::string> names = {}) {
  const std::size_t n = tensors.size();
  std::vector<int> exponents(n, 0);
  if (n == 0) return {{}, {}};
  const DeviceOperations* device = detail::common_device(tensors, names);
  std::vector<double> values(n * n, 0.0);
  if (device != nullptr) {
    device->gram(tensors, values);
  } else {
    values = detail::scaled_gram(tensors, exponents);
  }

  bool again = false;
  for (std::size_t i = 0; i < n; ++i) {
    if (detail::safe_square(values[i * n + i])) continue;
    exponents[i] = detail::scaling_exponent(tensors[i], detail::name_of(names, i));
    again |= exponents[i] != 0;
  }
  if (again) values = detail::scaled_gram(tensors, exponents);
  return {std::move(values), std::move(exponents)};
}

}  // namespace fedval
