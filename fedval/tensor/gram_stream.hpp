// Gram matrix of n vectors that need not fit in memory: their entries arrive in chunks.
//
//   G_ij = sum over chunks of <u_i[chunk], u_j[chunk]>
//
// Chunks are cut again into blocks of 512 entries, which lie where gram() has them; a block that is not full
// waits for the next chunk. Blocks are multiplied side by side and added in their order, so the bits are
// those of gram() for every way to cut and any number of threads. A power of two is set aside for a vector
// where a block's squared norm leaves [2^-900, 2^900], which changes no digit; only what is then below
// 2^-1000 of the vector's largest square is lost, and only there bits may differ from those of gram().
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "fedval/tensor/gram.hpp"
#include "fedval/tensor/std.hpp"

namespace fedval {

namespace detail {

/// The exponent of a vector that was zero so far.
inline constexpr int no_exponent = std::numeric_limits<int>::min();

/// The lower triangle of the Gram matrix of 2^-exponents[i] u_i, over one block of entries.
struct GramBlock {
  std::vector<double> values;
  std::vector<int> exponents;
  bool ends_slice = false;
};

/// Largest magnitude of entries [begin, begin + count) of a row, at most panel_width of them; `entry` is the
/// first one's number in the whole vector. Error names the entry that is not finite.
inline double largest_entry(const GramRow& row, std::size_t begin, std::size_t count, std::size_t entry,
                            const std::string& name) {
  std::array<double, panel_width> entries;
  row.tensor->read(row.first + begin, {entries.data(), count});
  bool zero = true;  // most often, and found out several entries at a time
  for (std::size_t k = 0; k < count; ++k) zero &= entries[k] == 0;
  if (zero) return 0;
  double largest = 0;
  for (std::size_t k = 0; k < count; ++k) {
    if (!std::isfinite(entries[k]))
      fail(name, "[", entry + k, "] is ",
           std::isnan(entries[k]) ? "NaN"
           : entries[k] > 0       ? "infinite"
                                  : "-infinite");
    largest = std::max(largest, std::abs(entries[k]));
  }
  return largest;
}

/// Multiplies entries [begin, begin + count) of the rows, which `add` reads too. Errors as for largest_entry.
inline void multiply(GramBlock& block, RowBlocks& add, std::span<const GramRow> rows, std::size_t begin,
                     std::size_t count, std::size_t entry, std::span<const std::string> names, Panel& panel) {
  const std::size_t n = rows.size();
  block.values.assign(n * n, 0.0);
  block.exponents.assign(n, 0);
  add(begin, count, block.values.data(), panel);
  std::vector<GramRow> scaled;
  for (std::size_t i = 0; i < n; ++i) {
    const double square = block.values[i * n + i];
    if (square > 0x1p-900 && square < 0x1p900) continue;
    const double largest = largest_entry(rows[i], begin, count, entry, name_of(names, i));
    block.exponents[i] = largest > 0 ? std::ilogb(largest) : no_exponent;
    if (largest == 0) continue;
    if (scaled.empty()) scaled.assign(rows.begin(), rows.end());
    scaled[i].exponent = block.exponents[i];
  }
  if (scaled.empty()) return;
  block.values.assign(n * n, 0.0);
  RowBlocks{scaled}(begin, count, block.values.data(), panel);
}

/// The blocks added so far: the sum of the slice that is not complete, and that of the slices that are.
struct GramSums {
  std::vector<double> slice, total;
  std::vector<int> exponents;

  explicit GramSums(std::size_t n) : slice(n * n, 0.0), total(n * n, 0.0), exponents(n, no_exponent) {}

  /// Adds the blocks in their order.
  void add(std::span<GramBlock> blocks) {
    const std::size_t n = exponents.size();
    bool same = true;
    for (const GramBlock& block : blocks)
      for (std::size_t i = 0; i < n; ++i) {
        if (block.exponents[i] == no_exponent) continue;
        if (exponents[i] == no_exponent) exponents[i] = block.exponents[i];  // all zero so far
        same &= exponents[i] == block.exponents[i];
      }
    if (same) return add_scaled(blocks);
    for (GramBlock& block : blocks) {
      rescale(block);
      add_scaled({&block, 1});
    }
  }

 private:
  void add_scaled(std::span<const GramBlock> blocks) {
    const Slices parts(slice.size());
    for_each_index(parts.count(), slice.size() * blocks.size(), [&](std::size_t part) {
      for (const GramBlock& block : blocks) {
        for (std::size_t p = parts.begin(part); p < parts.end(part); ++p) slice[p] += block.values[p];
        if (!block.ends_slice) continue;
        for (std::size_t p = parts.begin(part); p < parts.end(part); ++p)
          total[p] += std::exchange(slice[p], 0.0);
      }
    });
  }

  /// Brings the block and the sums to the larger of their exponents, vector by vector.
  void rescale(GramBlock& block) {
    const std::size_t n = exponents.size();
    std::vector<int> of_block(n, 0), of_sums(n, 0);
    for (std::size_t i = 0; i < n; ++i) {
      if (block.exponents[i] == no_exponent) continue;
      const int common = std::max(exponents[i], block.exponents[i]);
      of_block[i] = block.exponents[i] - common;
      of_sums[i] = exponents[i] - common;
      exponents[i] = common;
    }
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j <= i; ++j) {
        const std::size_t p = i * n + j;
        block.values[p] = std::ldexp(block.values[p], of_block[i] + of_block[j]);
        slice[p] = std::ldexp(slice[p], of_sums[i] + of_sums[j]);
        total[p] = std::ldexp(total[p], of_sums[i] + of_sums[j]);
      }
  }
};

}  // namespace detail

/// The Gram matrix of n vectors of D entries, shown chunk by chunk. O(n^2 D) time in all, on all cores;
/// beside the chunk O(n^2 + 512 n) memory a thread, and 8 MB. Movable; one caller at a time.
class GramStream {
 public:
  /// `names` of the vectors, for messages, may be empty.
  GramStream(std::size_t vectors, std::size_t entries, std::vector<std::string> names = {})
      : n_(vectors), entries_(entries), names_(std::move(names)), waiting_(vectors * width), sums_(vectors) {}

  /// n, the number of vectors.
  std::size_t vectors() const { return n_; }
  /// D, the entries of each vector that were announced.
  std::size_t entries() const { return entries_; }
  /// Entries of each vector shown so far.
  std::size_t seen() const { return seen_; }

  /// The next entries of every vector, as many of each, read where they lie. O(n^2) an entry. Error, which
  /// leaves the stream as it was, when there are not n of them, their sizes differ, they are more than was
  /// announced, or an entry is not finite (named by vector and place in the whole vector).
  void add(std::span<const TensorView> chunk) {
    if (chunk.size() != n_) fail("GramStream: a chunk of ", chunk.size(), " vectors, expected ", n_);
    detail::common_device(chunk, names_);
    std::vector<std::vector<double>> copies(n_);
    std::vector<TensorView> views;
    for (std::size_t i = 0; i < n_; ++i) views.push_back(on_host(chunk[i], copies[i]));
    std::vector<detail::GramRow> rows;
    rows.reserve(n_);
    for (const TensorView& view : views) rows.push_back({&view});
    append(rows, chunk.empty() ? 0 : chunk[0].size());
  }

  /// As add(), the chunk as one n x k matrix.
  void add_columns(const TensorView& chunk) {
    if (chunk.rank() != 2 || chunk.shape()[0] != static_cast<std::int64_t>(n_))
      fail("GramStream: a chunk of shape ", chunk.shape().text(), ", expected a matrix of ", n_, " rows");
    std::vector<double> copy;
    const TensorView matrix = on_host(chunk, copy);
    const auto count = static_cast<std::size_t>(chunk.shape()[1]);
    append(rows_of(matrix, count), count);
  }

  /// The Gram matrix. O(n^2). Error unless all entries announced were shown.
  Gram result() const {
    if (seen_ != entries_) fail("GramStream: ", seen_, " of ", entries_, " entries were shown");
    detail::GramSums sums = sums_;
    if (waits() > 0) {
      const TensorView matrix(std::span<const double>{waiting_});
      const std::vector<detail::GramRow> rows = rows_of(matrix, width);
      detail::RowBlocks blocks(rows);
      detail::Panel panel(n_);
      detail::GramBlock last;
      detail::multiply(last, blocks, rows, 0, waits(), seen_ - waits(), names_, panel);
      sums.add({&last, 1});
    }
    for (std::size_t p = 0; p < sums.total.size(); ++p) sums.total[p] += sums.slice[p];
    for (std::size_t i = 0; i < n_; ++i) {
      if (sums.exponents[i] == detail::no_exponent) sums.exponents[i] = 0;
      for (std::size_t j = 0; j < i; ++j) sums.total[j * n_ + i] = sums.total[i * n_ + j];
    }
    return {std::move(sums.total), std::move(sums.exponents)};
  }

 private:
  static constexpr std::size_t width = detail::panel_width;

  /// Entries of each vector that wait for a full block.
  std::size_t waits() const { return seen_ % width; }

  /// The tensor itself or, from a device in one transfer, a copy.
  static TensorView on_host(const TensorView& tensor, std::vector<double>& copy) {
    if (tensor.device() == nullptr) return tensor;
    copy.resize(tensor.size());
    tensor.read(0, copy);
    return TensorView(std::span<const double>{copy});
  }

  std::vector<detail::GramRow> rows_of(const TensorView& matrix, std::size_t columns) const {
    std::vector<detail::GramRow> rows;
    for (std::size_t i = 0; i < n_; ++i) rows.push_back({&matrix, i * columns});
    return rows;
  }

  void append(std::span<const detail::GramRow> rows, std::size_t count) {
    if (count > entries_ - seen_)
      fail("GramStream: ", seen_ + count, " entries, more than the ", entries_, " announced");
    // What fills the block that waits, whole blocks, and what waits then.
    const std::size_t head = waits() == 0 ? 0 : std::min(count, width - waits());
    const std::size_t tail = (count - head) % width, blocks = (count - head) / width;
    check(rows, 0, head);
    const bool full = waits() + head == width;
    keep(rows, 0, head, waits());  // only where nothing waits: an error later leaves what waits as it is
    if (full || blocks > 0) {
      detail::GramSums sums = sums_;
      if (full) {
        const TensorView matrix(std::span<const double>{waiting_});
        add_blocks(rows_of(matrix, width), 0, 1, seen_ - waits(), sums);
      }
      add_blocks(rows, head, blocks, seen_ + head, sums);
      check(rows, count - tail, tail);
      sums_ = std::move(sums);
    } else {
      check(rows, count - tail, tail);
    }
    keep(rows, count - tail, tail, 0);
    seen_ += count;
  }

  /// Adds whole blocks of the rows from `begin` on; `entry` is the first entry's number in the whole vectors.
  void add_blocks(std::span<const detail::GramRow> rows, std::size_t begin, std::size_t count,
                  std::size_t entry, detail::GramSums& sums) {
    const auto team = static_cast<std::size_t>(detail::threads_for(n_ * width * count));
    while (panels_.size() < team) panels_.emplace_back(n_);
    const std::size_t slice = detail::Slices(entries_).end(0);
    const std::size_t most = std::clamp(most_sums / std::max<std::size_t>(1, n_ * n_), team, 64 * team);
    for (std::size_t first = 0; first < count; first += most) {
      const std::size_t group = std::min(most, count - first);
      if (blocks_.size() < group) blocks_.resize(group);
      const std::size_t run = std::clamp<std::size_t>(group / (4 * team), 1, 8);  // one reader's blocks
      detail::for_each_index((group + run - 1) / run, n_ * width * group, [&](std::size_t r) {
        detail::RowBlocks reader(rows);
        for (std::size_t b = r * run; b < std::min(group, (r + 1) * run); ++b) {
          const std::size_t at = (first + b) * width;
          detail::multiply(blocks_[b], reader, rows, begin + at, width, entry + at, names_,
                           panels_[detail::thread_index()]);
          blocks_[b].ends_slice = (entry + at + width) % slice == 0;
        }
      });
      sums.add({blocks_.data(), group});
    }
  }

  /// Error unless entries [begin, begin + count) of all rows, fewer than a block, are finite.
  void check(std::span<const detail::GramRow> rows, std::size_t begin, std::size_t count) const {
    for (std::size_t i = 0; i < n_; ++i)
      detail::largest_entry(rows[i], begin, count, seen_ + begin, detail::name_of(names_, i));
  }

  /// Copies entries [begin, begin + count) of all rows to where they wait.
  void keep(std::span<const detail::GramRow> rows, std::size_t begin, std::size_t count, std::size_t place) {
    for (std::size_t i = 0; i < n_ && count > 0; ++i)
      rows[i].tensor->read(rows[i].first + begin, {waiting_.data() + i * width + place, count});
  }

  static constexpr std::size_t most_sums = std::size_t{1} << 20;  // of all blocks that are multiplied at once

  std::size_t n_, entries_, seen_ = 0;
  std::vector<std::string> names_;
  std::vector<double> waiting_;  // n rows of `width` entries
  detail::GramSums sums_;
  std::vector<detail::GramBlock> blocks_;  // kept, as are the panels, so that a chunk need not allocate
  std::vector<detail::Panel> panels_;
};

}  // namespace fedval
