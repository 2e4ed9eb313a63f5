// What a backend implements for tensors whose memory the host cannot read (a GPU's). Everything else that
// fedval computes is built from these few operations: updates are multiplied, added, searched and decomposed
// where they lie, and only an N x N matrix or a spectrum comes to the host. What the host must have (the
// indices and values of a sparse download) is read in one transfer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "fedval/tensor/view.hpp"

namespace fedval {

/// The k entries of largest magnitude: those above `threshold` in magnitude, and the first `ties` (by index)
/// of those equal to it. k = 0 has an infinite threshold and no ties.
struct TopK {
  double threshold = 0;   ///< magnitude of the k-th largest entry
  std::size_t above = 0;  ///< entries strictly above the threshold
  std::size_t ties = 0;   ///< entries equal to it that belong to the k
};

/// Entries [begin, end) of a tensor, of which those of `top` stay.
struct MaskedPart {
  std::size_t begin = 0,  ///< the first entry
      end = 0;            ///< past the last
  TopK top;               ///< of this part alone

  /// Entries that stay.
  std::size_t kept() const { return top.above + top.ties; }
};

/// Updates of x entry by entry from a (and b), with parameters p and q.
enum class Update : std::uint8_t {
  square_mean,  ///< x = p x + (1 - p) a^2
  maximum,      ///< x = max(x, a)
  sign_step,    ///< x = x - p sign(a), sign(0) = 0
  root_step     ///< x = x - p a / (sqrt(b) + q), unmoved where a or the denominator is 0
};

struct RandomOperations;  // fedval/random/device.hpp

/// Adds to `sum` what entries [begin, end) of vectors in host memory give.
using AddEntries = std::function<void(std::span<const TensorView> vectors, std::size_t begin, std::size_t end,
                                      std::vector<double>& sum)>;

/// One table a backend. All views handed to it have this table as their device; sizes agree.
struct DeviceOperations {
  /// What messages call the backend.
  const char* name;
  /// out[i * n + j] = <tensors[i], tensors[j]>, accumulated in double.
  void (*gram)(std::span<const TensorView> tensors, std::span<double> out);
  /// out = keep * out + sum_i weights[i] * tensors[i]
  void (*combine)(std::span<const double> weights, std::span<const TensorView> tensors, double keep,
                  const MutableTensorView& out);
  /// One TopK for each k. NaN entries sort above everything.
  std::vector<TopK> (*top_k)(const TensorView& tensor, std::span<const std::size_t> ks);
  /// Squared singular values, as shares of their sum and in any order, of matrices of one shape: of the Gram
  /// matrices on the smaller side or, where `accurate`, of the matrices themselves. Nothing for a matrix
  /// whose squared norm is not within [2^-900, 2^1000]: it is zero, not finite, or must be scaled first.
  std::vector<std::vector<double>> (*squared_singular_values)(std::span<const TensorView> matrices,
                                                              bool accurate);
  /// Copies entries [begin, begin + out.size()) of one piece to the host.
  void (*read)(const Piece& piece, std::size_t begin, std::span<double> out);
  /// Writes values to entries [begin, begin + values.size()) of one piece.
  void (*write)(const Piece& piece, std::size_t begin, std::span<const double> values);
  /// Null where random numbers are drawn on the host and written.
  const RandomOperations* random = nullptr;
  /// A flat tensor of doubles, all zero, beside `like`; its piece owns it. Null where none can be made.
  TensorView (*zeros)(const Piece& like, std::size_t size) = nullptr;
  /// x updated from a (and b) in double, rounded once. Null where steps that need it are not offered.
  void (*update)(Update rule, double p, double q, std::span<const TensorView> inputs,
                 const MutableTensorView& x) = nullptr;
  /// Sums of `width` doubles over all entries, slice by slice as on the host (slices.hpp), where hosts can
  /// read the memory after all, each a part of it. Null where none can.
  std::vector<double> (*sum_slices)(std::span<const TensorView> tensors, std::size_t width,
                                    const AddEntries& add) = nullptr;
  /// The entries of `tensor` that stay in its parts (disjoint and ascending): written to `out`, with zeros in
  /// the places of the others, or, with `add`, added to `out`, whose other entries keep their bits. False,
  /// with `out` of no use, where a threshold is another tensor's. Null where the host must do it.
  bool (*mask)(const TensorView& tensor, std::span<const MaskedPart> parts, bool add,
               const MutableTensorView& out) = nullptr;
};

inline void TensorView::read(std::size_t begin, std::span<double> out) const {
  double* target = out.data();
  for_each_part(begin, out.size(), [&](const Piece& piece, std::size_t first, std::size_t count) {
    if (piece.device != nullptr) {
      piece.device->read(piece, first, {target, count});
      target += count;
      return;
    }
    visit_scalar(piece.type, [&]<class S>(S) {
      piece.for_each_run<const S>(first, count, [&](const S* source, std::ptrdiff_t stride, std::size_t run) {
        if (stride == 1) {  // a loop of its own, so that the compiler vectorises the conversion
          for (std::size_t i = 0; i < run; ++i) target[i] = static_cast<double>(source[i]);
        } else {
          for (std::size_t i = 0; i < run; ++i)
            target[i] = static_cast<double>(source[static_cast<std::ptrdiff_t>(i) * stride]);
        }
        target += run;
      });
    });
  });
}

inline void MutableTensorView::write(std::size_t begin, std::span<const double> values) const {
  const double* source = values.data();
  for_each_part(begin, values.size(), [&](const Piece& piece, std::size_t first, std::size_t count) {
    if (piece.device != nullptr) {
      piece.device->write(piece, first, {source, count});
      source += count;
      return;
    }
    visit_scalar(piece.type, [&]<class S>(S) {
      piece.for_each_run<S>(first, count, [&](S* target, std::ptrdiff_t stride, std::size_t run) {
        for (std::size_t i = 0; i < run; ++i)
          target[static_cast<std::ptrdiff_t>(i) * stride] = static_cast<S>(source[i]);
        source += run;
      });
    });
  });
}

namespace detail {

/// Entries of each tensor that may stay in memory behind who reads a file in blocks.
inline constexpr std::size_t entries_behind = std::size_t{1} << 14;

/// Called by who reads tensors in blocks from the front: the entries before `end` are done with. Files'
/// memory goes back now and then, and where a block is the `last`.
inline void release_behind(std::span<const TensorView> tensors, std::size_t end, bool last) {
  if (!last && end % entries_behind != 0) return;
  const std::size_t begin = end - std::min(end, entries_behind);
  for (const TensorView& tensor : tensors) {
    std::size_t start = 0;
    for (const Piece& piece : tensor.pieces()) {
      if (piece.release != nullptr && start < end && start + piece.size > begin)
        piece.release(piece, begin > start ? begin - start : 0, std::min(end - start, piece.size));
      start += piece.size;
    }
  }
}

}  // namespace detail

}  // namespace fedval
