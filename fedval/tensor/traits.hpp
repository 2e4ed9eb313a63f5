// What makes a type a tensor: one specialisation of tensor_traits.
//
//   template <>
//   struct fedval::tensor_traits<MyTensor> : fedval::strided_traits<MyTensor> {
//     using scalar = float;                                              // double, float, Half or BFloat16
//     static std::array<int, 2> shape(const MyTensor& t) { return {t.rows, t.columns}; }
//     static auto data(auto& t) { return t.pointer; }                    // first entry
//     static std::array<int, 2> strides(const MyTensor& t) { ... }       // in entries; leave out when row-major
//   };
//
// Adapters: fedval/tensor/{std,eigen,xtensor,torch}.hpp.
#pragma once

#include <concepts>
#include <type_traits>

#include "fedval/tensor/device.hpp"
#include "fedval/tensor/view.hpp"

namespace fedval {

/// Base of a tensor_traits specialisation for strided host memory: makes the views from shape(), data() and,
/// where there are any, strides().
template <class T>
struct strided_traits {
  static TensorView view(const T& tensor) { return make(tensor); }

  /// Only for a tensor whose entries may be written.
  static TensorView mutable_view(T& tensor)
    requires(!std::is_const_v<std::remove_pointer_t<decltype(tensor_traits<T>::data(tensor))>>)
  {
    return make(tensor);
  }

 private:
  template <class U>
  static TensorView make(U& tensor) {
    using Traits = tensor_traits<T>;
    using Scalar = typename Traits::scalar;
    static_assert(FloatingScalar<Scalar>, "tensor_traits<T>::scalar must be double, float, Half or BFloat16");
    const Shape shape(Traits::shape(tensor));
    Shape strides = shape.row_major_strides();
    if constexpr (requires { Traits::strides(tensor); }) strides = Shape(Traits::strides(tensor));
    const Scalar* data = Traits::data(tensor);
    // The read-only view never writes through the pointer; a mutable one was made from a mutable pointer.
    return {shape, {Piece::host(const_cast<Scalar*>(data), scalar_type_of<Scalar>, shape, strides)}};
  }
};

/// Any type with tensor_traits: it can be read through a TensorView.
template <class T>
concept Tensor = requires(const std::remove_cvref_t<T>& tensor) {
  { tensor_traits<std::remove_cvref_t<T>>::view(tensor) } -> std::same_as<TensorView>;
};

/// A tensor whose entries may be written.
template <class T>
concept MutableTensor = Tensor<T> && requires(T& tensor) {
  { tensor_traits<std::remove_cvref_t<T>>::mutable_view(tensor) } -> std::same_as<TensorView>;
};

/// A tensor whose scalar type is known when the program is compiled (LibTorch's is not).
template <class T>
concept FloatingTensor = Tensor<T> && FloatingScalar<typename tensor_traits<std::remove_cvref_t<T>>::scalar>;

/// A tensor that may be a matrix: its rank is two, or is known only when the program runs.
template <class T>
concept Matrix = Tensor<T> && (!requires { tensor_traits<std::remove_cvref_t<T>>::rank; } || requires {
  requires tensor_traits<std::remove_cvref_t<T>>::rank == 2;
});

/// A view is its own tensor.
template <>
struct tensor_traits<TensorView> {
  static TensorView view(const TensorView& tensor) { return tensor; }
};

}  // namespace fedval
