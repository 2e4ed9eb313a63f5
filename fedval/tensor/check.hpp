// Where a bad entry is. Called only after a result turned out not to be finite, so that good input is read
// once.
#pragma once

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "fedval/tensor/device.hpp"

namespace fedval {

/// Throws Error "<name>[2, 17] is NaN" for the first entry of `tensor` that is NaN or infinite. O(D).
inline void check_finite(const TensorView& tensor, const std::string& name) {
  // What comes from a device comes at a high price a time.
  std::vector<double> block(tensor.device() == nullptr ? 1024
                                                       : std::min(tensor.size(), std::size_t{1} << 20));
  for (std::size_t begin = 0; begin < tensor.size(); begin += block.size()) {
    const std::size_t count = std::min(block.size(), tensor.size() - begin);
    tensor.read(begin, {block.data(), count});
    for (std::size_t i = 0; i < count; ++i)
      if (!std::isfinite(block[i]))
        fail(name, tensor.entry(begin + i), " is ",
             std::isnan(block[i]) ? "NaN"
             : block[i] > 0       ? "infinite"
                                  : "-infinite");
    detail::release_behind({&tensor, 1}, begin + count, begin + count == tensor.size());
  }
}

/// Largest magnitude of a tensor; NaN entries do not count. O(D).
inline double max_magnitude(const TensorView& tensor) {
  std::array<double, 1024> block;
  double largest = 0;
  for (std::size_t begin = 0; begin < tensor.size(); begin += block.size()) {
    const std::size_t count = std::min(block.size(), tensor.size() - begin);
    tensor.read(begin, {block.data(), count});
    for (std::size_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(block[i]));
    detail::release_behind({&tensor, 1}, begin + count, begin + count == tensor.size());
  }
  return largest;
}

}  // namespace fedval
