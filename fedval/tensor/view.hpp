// A view of any tensor: a shape, and the pieces of memory that hold its entries. The one type that every
// algorithm of fedval reads, whatever library the tensor comes from.
//
//   piece     strided host memory (zero copy), or a tensor on a device that brings its own operations
//   view      shape + pieces; entries are read in row-major order, piece after piece
//
// So a matrix, a nested vector, and a model's whole list of parameters are all one view: the list of
// parameters is the flat vector of dimension D that the literature calls an update.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/tensor/scalar.hpp"
#include "fedval/tensor/traits.hpp"

namespace fedval {

struct DeviceOperations;  // fedval/tensor/device.hpp

/// Extents or strides of a tensor of at most eight dimensions.
class Shape {
 public:
  /// Most dimensions that a tensor may have.
  static constexpr std::size_t max_rank = 8;

  Shape() = default;
  /// From the values of the axes, first axis first. Error for more than max_rank.
  Shape(std::initializer_list<std::int64_t> values) : Shape(std::span(values.begin(), values.size())) {}

  /// From any range of numbers, one an axis. Error for more than max_rank.
  template <class Range>
  requires requires(const Range& r) { static_cast<std::int64_t>(*std::begin(r)); }
  explicit Shape(const Range& range) {
    for (const auto value : range) push_back(static_cast<std::int64_t>(value));
  }

  /// Appends an axis. Error when there are max_rank already.
  void push_back(std::int64_t value) {
    if (rank_ == max_rank) fail("a tensor has more than ", max_rank, " dimensions");
    values_[rank_++] = value;
  }

  /// Number of axes; 0 for a scalar.
  std::size_t rank() const { return rank_; }
  /// Extent or stride of an axis below rank(), which is not checked.
  std::int64_t operator[](std::size_t axis) const { return values_[axis]; }
  /// The same, to change it.
  std::int64_t& operator[](std::size_t axis) { return values_[axis]; }
  /// The value of the first axis; with end() a range over all.
  const std::int64_t* begin() const { return values_.data(); }
  /// Behind the last axis.
  const std::int64_t* end() const { return values_.data() + rank_; }
  /// Same rank and same values.
  bool operator==(const Shape& other) const { return std::equal(begin(), end(), other.begin(), other.end()); }

  /// Product of the extents; 1 for a scalar.
  std::size_t count() const {
    std::size_t product = 1;
    for (const auto extent : *this) product *= static_cast<std::size_t>(extent);
    return product;
  }

  /// Strides of a dense row-major tensor of this shape, in entries.
  Shape row_major_strides() const {
    Shape strides = *this;
    std::int64_t stride = 1;
    for (std::size_t axis = rank_; axis-- > 0;) {
      strides[axis] = stride;
      stride *= values_[axis];
    }
    return strides;
  }

  /// "[4, 6]"
  std::string text() const {
    std::string result = "[";
    for (std::size_t axis = 0; axis < rank_; ++axis) {
      if (axis > 0) result.append(", ");
      result.append(std::to_string(values_[axis]));
    }
    return result.append("]");
  }

 private:
  std::array<std::int64_t, max_rank> values_{};
  std::size_t rank_ = 0;
};

/// One strided block of host memory, or one tensor on a device.
struct Piece {
  void* data = nullptr;  ///< first entry in host memory; unused where `device` is set
  /// Scalar type of the entries.
  ScalarType type = ScalarType::float64;
  /// Extents of the axes.
  Shape shape, strides;                      ///< strides in entries, not bytes
  std::size_t size = 0;                      ///< entries
  bool dense = true;                         ///< row-major without gaps
  const DeviceOperations* device = nullptr;  ///< set when no pointer can show the entries
  std::shared_ptr<const void> owner;         ///< keeps the tensor alive where its library counts references
  /// Gives back the memory of entries [begin, end), which are there again when they are read; null where it
  /// is not a file's.
  void (*release)(const Piece& piece, std::size_t begin, std::size_t end) = nullptr;

  /// A piece over host memory, which the caller keeps alive; `strides` in entries. O(rank).
  static Piece host(void* data, ScalarType type, const Shape& shape, const Shape& strides) {
    Piece piece{data, type, shape, strides, shape.count(), true, nullptr, nullptr};
    std::int64_t expected = 1;
    for (std::size_t axis = shape.rank(); axis-- > 0;) {
      if (shape[axis] != 1 && strides[axis] != expected) piece.dense = false;
      expected *= shape[axis];
    }
    return piece;
  }

  /// Calls body(pointer, stride, count) for each run of entries along the last axis within [begin, begin +
  /// count).
  template <class S, class Body>
  void for_each_run(std::size_t begin, std::size_t count, Body&& body) const {
    S* base = static_cast<S*>(data);
    if (dense) return body(base + begin, std::ptrdiff_t{1}, count);
    const std::size_t rank = shape.rank();
    const auto inner = static_cast<std::size_t>(shape[rank - 1]);
    while (count > 0) {
      std::size_t rest = begin / inner;
      const std::size_t column = begin % inner;
      auto offset = static_cast<std::int64_t>(column) * strides[rank - 1];
      for (std::size_t axis = rank - 1; axis-- > 0;) {
        const auto extent = static_cast<std::size_t>(shape[axis]);
        offset += static_cast<std::int64_t>(rest % extent) * strides[axis];
        rest /= extent;
      }
      const std::size_t run = std::min(count, inner - column);
      body(base + offset, static_cast<std::ptrdiff_t>(strides[rank - 1]), run);
      begin += run;
      count -= run;
    }
  }
};

/// Read-only view of a tensor, or of a list of tensors as one flat vector. Cheap to copy; does not own host
/// memory, so the tensor must outlive it (a LibTorch tensor and a mapped file are owned with it). An empty
/// view (default) stands for "not given".
class TensorView {
 public:
  TensorView() = default;
  /// From pieces whose entries, one piece after the other, fill `shape` in row-major order. Error when they
  /// are more or fewer.
  TensorView(Shape shape, std::vector<Piece> pieces)
      : shape_(shape), pieces_(std::move(pieces)), given_(true) {
    std::size_t end = 0;
    for (const Piece& piece : pieces_) ends_.push_back(end += piece.size);
    if (end != shape_.count()) fail("a view of shape ", shape_.text(), " got ", end, " entries");
  }
  /// Several tensors as one flat vector; a single one keeps its shape.
  TensorView(std::initializer_list<TensorView> parts)
      : TensorView(parts.size() == 1 ? *parts.begin() : concatenate(parts)) {}

  /// Any tensor converts.
  template <class T>
  // NOLINTNEXTLINE(*-explicit-*)
  requires(!std::is_base_of_v<TensorView, T>) && Tensor<T> TensorView(const T& tensor)
      : TensorView(of(tensor)) {}

  /// Several tensors as one flat vector.
  static TensorView concatenate(std::span<const TensorView> parts) {
    std::vector<Piece> pieces;
    std::int64_t size = 0;
    for (const TensorView& part : parts) {
      pieces.insert(pieces.end(), part.pieces_.begin(), part.pieces_.end());
      size += static_cast<std::int64_t>(part.size());
    }
    return {Shape{size}, std::move(pieces)};
  }

  /// False for a default-constructed view, which stands for a tensor that was left out.
  bool given() const { return given_; }
  /// Extents of the axes.
  const Shape& shape() const { return shape_; }
  /// Number of axes; 0 for a scalar, and where nothing was given.
  std::size_t rank() const { return shape_.rank(); }
  /// Number of entries, of all pieces together.
  std::size_t size() const { return ends_.empty() ? 0 : ends_.back(); }
  /// The blocks that hold the entries, in row-major order of the whole.
  std::span<const Piece> pieces() const { return pieces_; }

  /// The device whose operations read this view; null on the host. Error when the pieces lie in several
  /// places.
  const DeviceOperations* device() const {
    for (const Piece& piece : pieces_)
      if (piece.device != pieces_.front().device)
        fail("a tensor list lies partly on a device, partly elsewhere");
    return pieces_.empty() ? nullptr : pieces_.front().device;
  }

  /// Copies entries [begin, begin + out.size()) in row-major order to `out`, as doubles.
  void read(std::size_t begin, std::span<double> out) const;

  /// Where entry `index` (row-major) is, for messages: "[2, 17]"; for a list of tensors also which one.
  std::string entry(std::size_t index) const {
    if (pieces_.size() > 1 && rank() == 1) {
      const auto piece =
          static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), index) - ends_.begin());
      const std::size_t start = piece == 0 ? 0 : ends_[piece - 1];
      return Shape{static_cast<std::int64_t>(index)}
          .text()
          .append(" (tensor ")
          .append(std::to_string(piece))
          .append(", entry ")
          .append(unravel(index - start, pieces_[piece].shape).text())
          .append(")");
    }
    return unravel(index, shape_).text();
  }

  /// Where entries [begin, begin + count) lie, if they are of type S and side by side in this host's memory;
  /// else null. O(log(pieces)).
  template <FloatingScalar S>
  const S* contiguous(std::size_t begin, std::size_t count) const {
    const auto end = std::upper_bound(ends_.begin(), ends_.end(), begin);
    if (end == ends_.end() || begin + count > *end) return nullptr;
    const Piece& piece = pieces_[static_cast<std::size_t>(end - ends_.begin())];
    if (piece.device != nullptr || !piece.dense || piece.type != scalar_type_of<S>) return nullptr;
    return static_cast<const S*>(piece.data) + (begin + piece.size - *end);
  }

 protected:
  /// The view of a tensor, read-only or not.
  template <class T>
  static TensorView of(T& tensor) {
    using Traits = traits_of<T>;
    if constexpr (StridedTensor<T>) {
      using Scalar = typename Traits::scalar;
      const Shape shape(Traits::shape(tensor));
      Shape strides = shape.row_major_strides();
      if constexpr (requires { Traits::strides(tensor); }) strides = Shape(Traits::strides(tensor));
      const Scalar* data = Traits::data(tensor);
      // A read-only view never writes through the pointer; a mutable one was made from a mutable pointer.
      return {shape, {Piece::host(const_cast<Scalar*>(data), scalar_type_of<Scalar>, shape, strides)}};
    } else if constexpr (std::is_const_v<T>) {
      return Traits::view(tensor);
    } else {
      return Traits::mutable_view(tensor);
    }
  }

  /// Calls body(piece, first entry inside it, count) for the parts of [begin, begin + count).
  template <class Body>
  void for_each_part(std::size_t begin, std::size_t count, Body&& body) const {
    auto piece =
        static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), begin) - ends_.begin());
    while (count > 0) {
      const std::size_t start = piece == 0 ? 0 : ends_[piece - 1];
      const std::size_t part = std::min(count, ends_[piece] - begin);
      if (part > 0) body(pieces_[piece], begin - start, part);
      begin += part;
      count -= part;
      ++piece;
    }
  }

 private:
  static Shape unravel(std::size_t index, const Shape& shape) {
    Shape position = shape;
    for (std::size_t axis = shape.rank(); axis-- > 0;) {
      const auto extent = static_cast<std::size_t>(shape[axis]);
      position[axis] = static_cast<std::int64_t>(index % extent);
      index /= extent;
    }
    return position;
  }

  Shape shape_;
  std::vector<Piece> pieces_;
  std::vector<std::size_t> ends_;  // running sums of the pieces' sizes
  bool given_ = false;
};

/// A view through which entries may be written.
class MutableTensorView : public TensorView {
 public:
  MutableTensorView() = default;
  /// For adapters, which know that the pieces may be written. Only a TensorView itself, nothing that
  /// converts.
  template <std::same_as<TensorView> View>
  explicit MutableTensorView(View view) : TensorView(std::move(view)) {}

  /// Any tensor whose entries may be written converts; views such as an Eigen block also as temporaries.
  template <class T>
  requires(!std::is_base_of_v<TensorView, std::remove_cvref_t<T>>) &&
      // NOLINTNEXTLINE(*-explicit-*, *-forwarding-reference-*)
      MutableTensor<T> MutableTensorView(T&& tensor) : TensorView(of(tensor)) {}

  /// Writes `values`, rounded to the tensor's scalar type, to the entries from `begin` on.
  void write(std::size_t begin, std::span<const double> values) const;
};

/// A view is its own tensor, so that lists of views are tensors too.
template <>
struct tensor_traits<TensorView> {
  /// The view itself.
  static TensorView view(const TensorView& tensor) { return tensor; }
};

/// A view that may be written is its own tensor, too.
template <>
struct tensor_traits<MutableTensorView> {
  /// The view itself, to be read.
  static TensorView view(const MutableTensorView& tensor) { return tensor; }
  /// The view itself, whose pieces may be written.
  static TensorView mutable_view(const MutableTensorView& tensor) { return tensor; }
};

}  // namespace fedval
