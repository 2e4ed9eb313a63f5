// Tensors that fedval makes itself: working memory beside a tensor of the user's, and copies of it.
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/tensor/device.hpp"
#include "fedval/tensor/traits.hpp"
#include "fedval/tensor/view.hpp"

namespace fedval {

/// Zeros in double, as many as `like` has entries, flat, and where it lies. The memory lives as long as a
/// copy of the view. Error when `like` lies in several places, or on a device that cannot make tensors.
inline MutableTensorView zeros_like(const TensorView& like) {
  if (const DeviceOperations* device = like.device()) {
    if (device->zeros == nullptr) fail("tensors of ", device->name, " cannot be made by fedval");
    return MutableTensorView(device->zeros(like.pieces().front(), like.size()));
  }
  const auto memory = std::make_shared<std::vector<double>>(like.size());
  const Shape shape{static_cast<std::int64_t>(like.size())};
  Piece piece = Piece::host(memory->data(), ScalarType::float64, shape, shape.row_major_strides());
  piece.owner = std::shared_ptr<const void>(memory, memory->data());
  return MutableTensorView(TensorView(shape, {std::move(piece)}));
}

namespace detail {

template <class T>
concept HasClone = requires(const T& tensor) {
  { traits_of<T>::clone(tensor) } -> std::convertible_to<T>;
};

}  // namespace detail

/// A copy with memory of its own: by the traits' clone() where a type's copies share memory (LibTorch's
/// tensors, and lists of them), else by the type's copy constructor. Error when the copy still shares memory
/// with the original, as an Eigen::Map or a std::span does, or may, as a device's without clone().
template <class T>
requires MutableTensor<T> T clone(const T& tensor) {
  if constexpr (detail::HasClone<T>) {
    return traits_of<T>::clone(tensor);
  } else {
    T copy(tensor);
    const MutableTensorView to(copy);
    const TensorView from(tensor);
    for (std::size_t p = 0; p < from.pieces().size(); ++p) {
      const Piece& piece = from.pieces()[p];
      if (piece.device != nullptr)
        fail("a tensor of ", piece.device->name,
             " is copied by clone() of its tensor_traits, which has none");
      if (piece.size > 0 && piece.data == to.pieces()[p].data)
        fail("a copy of this tensor shares its memory; pass one that owns its entries");
    }
    return copy;
  }
}

}  // namespace fedval
