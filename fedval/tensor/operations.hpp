// The vector operations that algorithms are written with, over any tensors of equal size, read as flat
// row-major vectors: dot, norm, axpy, scale, and weighted sums. Sums run in double; the result is rounded
// once to the output's scalar type. Operands may mix scalar types and layouts, but not devices.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "fedval/tensor/gram.hpp"

namespace fedval {

/// <a, b>, summed in double. O(D). Error when sizes differ. NaN and infinities propagate.
inline double dot(const TensorView& a, const TensorView& b) {
  const std::array<TensorView, 2> both{a, b};
  if (const DeviceOperations* device = detail::common_device(both, {})) {
    std::array<double, 4> values;
    device->gram(both, values);
    return values[1];
  }
  return detail::reduce_slices(
      a.size(), 1, 2 * a.size(), [&](std::vector<double>& sum, std::size_t begin, std::size_t end) {
        detail::Panel panel(2);
        for (; begin < end; begin += detail::panel_width) {
          const std::size_t count = std::min(detail::panel_width, end - begin);
          const std::size_t width = (count + detail::lanes - 1) / detail::lanes * detail::lanes;
          for (std::size_t i = 0; i < 2; ++i) {
            both[i].read(begin, {panel.row(i), count});
            std::fill(panel.row(i) + count, panel.row(i) + width, 0.0);
          }
          detail::panel_tile<1, 1>(panel, 0, 1, width, 0, sum.data() - 1);
        }
      })[0];
}

/// Euclidean norm, without overflow or underflow. O(D). Error names the first entry that is not finite.
inline double norm(const TensorView& a) { return gram({&a, 1}).norm(0); }

/// out = keep * out + sum_i weights[i] tensors[i]; tensors are added in the order given. O(n D). Error when
/// counts or sizes differ. `out` may be one of the tensors.
inline void combine(std::span<const double> weights, std::span<const TensorView> tensors, double keep,
                    const MutableTensorView& out) {
  if (weights.size() != tensors.size())
    fail("combine: ", weights.size(), " weights for ", tensors.size(), " tensors");
  std::vector<TensorView> all(tensors.begin(), tensors.end());
  all.push_back(out);
  if (const DeviceOperations* device = detail::common_device(all, {})) {
    device->combine(weights, tensors, keep, out);
    return;
  }
  detail::for_each_slice(out.size(), [&](std::size_t begin, std::size_t end) {
    std::array<double, 512> sum, term;
    for (; begin < end; begin += sum.size()) {
      const std::size_t count = std::min(sum.size(), end - begin);
      // keep = 0 overwrites: what stood there, NaN included, does not matter.
      if (keep == 0) {
        sum.fill(0.0);
      } else {
        out.read(begin, {sum.data(), count});
        for (std::size_t k = 0; k < count; ++k) sum[k] *= keep;
      }
      for (std::size_t i = 0; i < tensors.size(); ++i) {
        tensors[i].read(begin, {term.data(), count});
        for (std::size_t k = 0; k < count; ++k) sum[k] += weights[i] * term[k];
      }
      out.write(begin, {sum.data(), count});
    }
  });
}

/// y = y + alpha x. O(D).
inline void axpy(double alpha, const TensorView& x, const MutableTensorView& y) {
  combine({&alpha, 1}, {&x, 1}, 1.0, y);
}

/// y = alpha y. O(D).
inline void scale(double alpha, const MutableTensorView& y) { combine({}, {}, alpha, y); }

}  // namespace fedval
