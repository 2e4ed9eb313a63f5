// xtensor's containers, adaptors and strided views as tensors, row- or column-major. Lazy expressions are not
// tensors: evaluate them first.
#pragma once

#if __has_include(<xtensor/containers/xtensor.hpp>)  // 0.26 moved its headers
#include <xtensor/containers/xarray.hpp>
#include <xtensor/containers/xtensor.hpp>
#include <xtensor/views/xview.hpp>
#else
#include <xtensor/xarray.hpp>
#include <xtensor/xtensor.hpp>
#include <xtensor/xview.hpp>
#endif

#include "fedval/tensor/std.hpp"

namespace fedval {

/// An xtensor object whose entries are floating-point numbers in memory.
template <class T>
concept XTensor = xt::is_xexpression<T>::value && FloatingScalar<typename T::value_type> &&
    requires(const T& t) {
  t.data();
  t.data_offset();
  t.strides();
  t.shape();
};

/// xtensor objects, read and written in place.
template <XTensor T>
struct tensor_traits<T> {
  /// The entry's type.
  using scalar = typename T::value_type;
  /// Extents. Error for more than Shape::max_rank.
  static auto shape(const T& t) { return Shape(t.shape()); }
  /// In entries, axis by axis.
  static auto strides(const T& t) { return Shape(t.strides()); }
  /// First entry; a pointer to const where `t` may not be written.
  static auto data(auto& t) { return t.data() + t.data_offset(); }
};

}  // namespace fedval
