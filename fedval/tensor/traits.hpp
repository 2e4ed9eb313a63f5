// What makes a type a tensor: one specialisation of tensor_traits.
//
//   template <>
//   struct fedval::tensor_traits<MyTensor> {
//     using scalar = float;  // double, float, Half or BFloat16
//     static std::array<int, 2> shape(const MyTensor& t) { return {t.rows, t.columns}; }
//     static auto data(auto& t) { return t.pointer; }  // first entry
//     static std::array<int, 2> strides(const MyTensor& t) { ... }  // in entries; not where row-major
//   };
//
// A type whose memory is no single strided block (a list of tensors, a tensor on a device) gives view() and,
// where it can be written, mutable_view() instead; both return a TensorView.
//
// Adapters: fedval/tensor/{std,eigen,xtensor,torch}.hpp.
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include "fedval/tensor/scalar.hpp"

namespace fedval {

class TensorView;  // fedval/tensor/view.hpp

/// How T is read and written as a tensor; a type without a specialisation is none.
template <class T>
struct tensor_traits;

/// The traits of a type, whether const or a reference.
template <class T>
using traits_of = tensor_traits<std::remove_cvref_t<T>>;

/// A tensor that is one strided block of host memory.
template <class T>
concept StridedTensor = requires(const std::remove_cvref_t<T>& tensor) {
  requires FloatingScalar<typename traits_of<T>::scalar>;
  traits_of<T>::shape(tensor);
  { traits_of<T>::data(tensor) } -> std::convertible_to<const typename traits_of<T>::scalar*>;
};

/// A tensor that makes its own view.
template <class T>
concept ComposedTensor = requires(const std::remove_cvref_t<T>& tensor) {
  { traits_of<T>::view(tensor) } -> std::convertible_to<TensorView>;
};

/// Any type with tensor_traits: it can be read through a TensorView.
template <class T>
concept Tensor = StridedTensor<T> || ComposedTensor<T>;

/// A tensor whose entries may be written.
template <class T>
concept MutableTensor = (StridedTensor<T> &&
                         requires(std::remove_reference_t<T> & tensor) {
                           {
                             traits_of<T>::data(tensor)
                             } -> std::convertible_to<typename traits_of<T>::scalar*>;
                         }) ||
                        (ComposedTensor<T> && requires(std::remove_reference_t<T> & tensor) {
                          traits_of<T>::mutable_view(tensor);
                        });

/// A tensor whose scalar type is known when the program is compiled (LibTorch's is not).
template <class T>
concept FloatingTensor = Tensor<T> && FloatingScalar<typename traits_of<T>::scalar>;

/// A tensor that may be a matrix: its rank is two, or is known only when the program runs.
template <class T>
concept Matrix = Tensor<T> &&(
    !requires { traits_of<T>::rank; } || requires { requires traits_of<T>::rank == 2; });

}  // namespace fedval
