// The standard library's containers as tensors: vector, array, span, C array of scalars; and any of them
// nested, or holding other tensors. Equal inner shapes make a tensor of one rank more; different ones (a
// model's list of parameters) make one flat vector.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "fedval/tensor/device.hpp"
#include "fedval/tensor/owned.hpp"
#include "fedval/tensor/view.hpp"

namespace fedval {

namespace detail {

template <class Container, class Scalar>
struct scalar_container_traits {
  using scalar = std::remove_const_t<Scalar>;
  static constexpr std::size_t rank = 1;
  static std::array<std::size_t, 1> shape(const Container& c) { return {std::size(c)}; }
  static auto data(auto& c) { return std::data(c); }
};

template <class Container>
struct nested_container_traits {
  static TensorView view(const Container& c) {
    std::vector<TensorView> parts;
    parts.reserve(std::size(c));
    for (const auto& part : c) parts.emplace_back(part);
    return join(parts);
  }
  static TensorView mutable_view(Container& c) requires MutableTensor<decltype(*std::begin(c))> {
    std::vector<TensorView> parts;
    parts.reserve(std::size(c));
    for (auto& part : c) parts.push_back(MutableTensorView(part));
    return join(parts);
  }

 private:
  static TensorView join(const std::vector<TensorView>& parts) {
    TensorView flat = TensorView::concatenate(parts);
    Shape shape{static_cast<std::int64_t>(parts.size())};
    for (const TensorView& part : parts)
      if (!(part.shape() == parts.front().shape())) return flat;
    if (parts.empty() || parts.front().rank() == Shape::max_rank) return flat;
    for (const auto extent : parts.front().shape()) shape.push_back(extent);
    return {shape, {flat.pieces().begin(), flat.pieces().end()}};
  }
};

/// A container that owns its tensors.
template <class Container>
struct owning_container_traits : nested_container_traits<Container> {
  static Container clone(const Container& c) {
    Container copy(c);
    auto part = std::begin(copy);
    for (const auto& original : c) *part++ = fedval::clone(original);
    return copy;
  }
};

}  // namespace detail

/// Scalars in a vector: rank one, in place.
template <FloatingScalar S, class Allocator>
struct tensor_traits<std::vector<S, Allocator>>
    : detail::scalar_container_traits<std::vector<S, Allocator>, S> {};

/// Scalars in an array: rank one, in place.
template <FloatingScalar S, std::size_t N>
struct tensor_traits<std::array<S, N>> : detail::scalar_container_traits<std::array<S, N>, S> {};

/// A span of scalars: rank one, in place; of const ones read-only.
template <class S, std::size_t N>
requires FloatingScalar<std::remove_const_t<S>>
struct tensor_traits<std::span<S, N>> : detail::scalar_container_traits<std::span<S, N>, S> {
};

/// Scalars in a C array: rank one, in place.
template <FloatingScalar S, std::size_t N>
struct tensor_traits<S[N]> : detail::scalar_container_traits<S[N], S> {};

/// A vector of tensors: of one rank more where their shapes are equal, else flat.
template <Tensor T, class Allocator>
struct tensor_traits<std::vector<T, Allocator>> : detail::owning_container_traits<std::vector<T, Allocator>> {
};

/// An array of tensors, as a vector of them.
template <Tensor T, std::size_t N>
struct tensor_traits<std::array<T, N>> : detail::owning_container_traits<std::array<T, N>> {};

/// A span of tensors, as a vector of them.
template <class T, std::size_t N>
requires Tensor<std::remove_const_t<T>>
struct tensor_traits<std::span<T, N>> : detail::nested_container_traits<std::span<T, N>> {
};

}  // namespace fedval
