// Images and labels as the network reads them.
//
//   x = (pixel / 255 - mean) / deviation,  mean and deviation over the training part alone
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <span>

#include "harness/data/dataset.hpp"

namespace fedval::harness {

struct Samples {
  at::Tensor images;  ///< n x 1 x height x width, float
  at::Tensor labels;  ///< n, int64

  std::size_t size() const { return static_cast<std::size_t>(labels.size(0)); }
};

struct Normalisation {
  double mean = 0, deviation = 1;  ///< of pixel / 255
};

/// Over all pixels of a set. O(pixels).
Normalisation normalisation_of(const ImageSet& set);

/// The chosen images of a set, in the order of `indices`.
Samples make_samples(const ImageSet& set, std::span<const std::size_t> indices,
                     const Normalisation& normalisation);

}  // namespace fedval::harness
