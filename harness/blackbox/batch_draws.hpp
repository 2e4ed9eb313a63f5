// Noise and classes for a batch of samples.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "fedval/random/sequence.hpp"

namespace fedval::harness {

struct BatchDraws {
  at::Tensor noise;                    ///< [B, nz], standard Gaussian
  at::Tensor class_tensor;             ///< [B], int64
  std::vector<std::uint32_t> classes;  ///< the same
};

/// Classes drawn alike; all from the key alone. The tensors lie on `device`.
BatchDraws draw_batch(random::Key key, std::size_t batch, std::size_t noise, std::size_t classes,
                      at::Device device);

}  // namespace fedval::harness
