// A built-in set of 28 x 28 grey digits, for runs and tests without any file. It is not MNIST and says so.
//
// A digit is a few pen strokes whose points are jittered, then sent through a random affine map (rotation,
// shear, scale along each axis, shift) and drawn with a round pen of random width and intensity:
//
//   pixel = intensity * clamp(pen radius + 1/2 - distance to the nearest stroke, 0, 1) + Gaussian noise
#pragma once

#include <cstddef>
#include <cstdint>

#include "harness/data/dataset.hpp"

namespace fedval::harness {

/// Draws `train` and `test` images of the ten digits; O(train + test), about 0.1 ms an image. Image i of a
/// part depends on (seed, part, i) alone, so a larger set begins with the smaller one. Labels come in blocks
/// of ten, each digit once in random order. Throws Error when a part has more than 2^30 images.
Dataset rendered_digits(std::uint64_t seed, std::size_t train, std::size_t test);

}  // namespace fedval::harness
