// MNIST from its four original files, plain or gzip (".gz"):
//
//   train-images-idx3-ubyte, train-labels-idx1-ubyte    60,000 grey images of 28 x 28, labels 0..9
//   t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte      10,000
//
// They lie in folder/mnist or, where there is no such folder, in the folder itself.
// Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", 1998.
#pragma once

#include <filesystem>

#include "harness/data/dataset.hpp"

namespace fedval::harness {

/// True when any of the four files is there, so that half a set is an error on loading and not taken for
/// none.
bool mnist_present(const std::filesystem::path& folder);

/// Loads both parts in official order; 55 MB. Throws Error naming the file when one is missing (and where it
/// was looked for), damaged, or not of the shape above, or when a label is above 9.
Dataset load_mnist(const std::filesystem::path& folder);

}  // namespace fedval::harness
