// A vector with all but its k largest magnitudes left out, kept as (indices, values): the reward an agent
// downloads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/top_k.hpp"

namespace fedval::reward {

/// The entries of a vector of `size` entries that are not left out, by ascending index.
struct SparseVector {
  std::size_t size = 0;
  std::vector<std::uint64_t> indices;
  std::vector<double> values;
};

/// The k = `top.above + top.ties` entries of largest magnitude; equal magnitudes by ascending index. O(D).
/// The input is not touched.
inline SparseVector sparsify(const TensorView& tensor, const TopK& top) {
  SparseVector kept{tensor.size(), {}, {}};
  const std::size_t k = top.above + top.ties;
  kept.indices.reserve(k);
  kept.values.reserve(k);
  std::size_t ties = top.ties;
  fedval::detail::for_each_block(
      tensor, 0, k == 0 ? 0 : tensor.size(), [&](std::span<const double> values, std::size_t begin) {
        for (std::size_t i = 0; i < values.size(); ++i) {
          const double magnitude = std::abs(values[i]);
          if (magnitude < top.threshold || (magnitude == top.threshold && ties == 0)) continue;
          if (magnitude == top.threshold) --ties;
          kept.indices.push_back(begin + i);
          kept.values.push_back(values[i]);
        }
      });
  return kept;
}

/// The k entries of largest magnitude. O(D). Error when k exceeds D or an entry is not finite.
inline SparseVector sparsify(const TensorView& tensor, std::size_t k) {
  return sparsify(tensor, top_k_threshold(tensor, k));
}

/// tensor = tensor + alpha * sparse; entries left out keep their bits. O(D). Error when sizes differ.
inline void axpy(double alpha, const SparseVector& sparse, const MutableTensorView& tensor) {
  if (sparse.size != tensor.size())
    fail("sparse update of ", sparse.size, " entries for a tensor of ", tensor.size());
  // On a device, one transfer there and back instead of one a block.
  std::vector<double> block(tensor.device() == nullptr ? std::min<std::size_t>(512, tensor.size())
                                                       : tensor.size());
  for (std::size_t next = 0; next < sparse.indices.size();) {
    const std::size_t begin = tensor.device() == nullptr ? sparse.indices[next] : 0;
    const std::size_t count = std::min(block.size(), tensor.size() - begin);
    tensor.read(begin, {block.data(), count});
    for (; next < sparse.indices.size() && sparse.indices[next] < begin + count; ++next)
      block[sparse.indices[next] - begin] += alpha * sparse.values[next];
    tensor.write(begin, {block.data(), count});
  }
}

}  // namespace fedval::reward
