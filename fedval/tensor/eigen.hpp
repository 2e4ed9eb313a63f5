// Eigen's matrices, arrays, maps, references and blocks as tensors, of any storage order and stride. A vector
// at compile time has rank one, everything else rank two. Expressions without memory (a + b) are not tensors:
// evaluate them first.
#pragma once

#include <Eigen/Core>

#include "fedval/tensor/std.hpp"

namespace fedval {

namespace detail {

template <class S>
using eigen_scalar = std::conditional_t<std::same_as<S, Eigen::half>, Half,
                                        std::conditional_t<std::same_as<S, Eigen::bfloat16>, BFloat16, S>>;

}  // namespace detail

/// An Eigen object whose entries are floating-point numbers in memory.
template <class T>
concept EigenTensor = std::derived_from<T, Eigen::DenseBase<T>> &&(T::Flags& Eigen::DirectAccessBit) != 0 &&
                      FloatingScalar<detail::eigen_scalar<typename T::Scalar>>;

/// Eigen objects, read and written in place.
template <EigenTensor T>
struct tensor_traits<T> {
  /// The entry's type; Half and BFloat16 for Eigen's half and bfloat16, whose bits they share.
  using scalar = detail::eigen_scalar<typename T::Scalar>;
  static_assert(sizeof(scalar) == sizeof(typename T::Scalar));
  /// 1 for what is a vector at compile time, else 2.
  static constexpr std::size_t rank = T::IsVectorAtCompileTime ? 1 : 2;

  /// {size}, or {rows, columns}.
  static std::array<Eigen::Index, rank> shape(const T& t) {
    if constexpr (rank == 1) {
      return {t.size()};
    } else {
      return {t.rows(), t.cols()};
    }
  }
  /// In entries, axis by axis.
  static std::array<Eigen::Index, rank> strides(const T& t) {
    if constexpr (rank == 1) {
      return {t.innerStride()};
    } else {
      return {t.rowStride(), t.colStride()};
    }
  }
  /// First entry; a pointer to const where `t` may not be written.
  static auto data(auto& t) {
    using Pointer = decltype(t.data());
    constexpr bool read_only =
        std::is_const_v<std::remove_pointer_t<Pointer>> || (T::Flags & Eigen::LvalueBit) == 0;
    if constexpr (read_only) {
      return reinterpret_cast<const scalar*>(t.data());
    } else {
      return reinterpret_cast<scalar*>(t.data());
    }
  }
};

}  // namespace fedval
