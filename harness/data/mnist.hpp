// MNIST, and Fashion-MNIST, which takes its place file by file; four original files, plain or gzip (".gz"):
//
//   train-images-idx3-ubyte, train-labels-idx1-ubyte    60,000 grey images of 28 x 28, labels 0..9
//   t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte      10,000
//
// MNIST's lie in folder/mnist or, where there is no such folder, in the folder itself; Fashion-MNIST's in
// folder/fashion-mnist.
// Sources: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", 1998;
// Xiao, Rasul, Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms",
// 2017.
#pragma once

#include <filesystem>

#include "harness/data/dataset.hpp"

namespace fedval::harness {

/// Where MNIST's files are looked for: folder/mnist, or the folder itself where there is no folder/mnist.
std::filesystem::path mnist_place(const std::filesystem::path& folder);

/// True when any of the set's four files is there, so that half a set is an error on loading and not taken
/// for none.
bool mnist_present(const std::filesystem::path& folder);
bool fashion_mnist_present(const std::filesystem::path& folder);

/// Loads both parts in official order; 55 MB. Throws Error naming the file when one is missing (and where it
/// was looked for), damaged, or not of the shape above, or when a label is above 9.
Dataset load_mnist(const std::filesystem::path& folder);
Dataset load_fashion_mnist(const std::filesystem::path& folder);

}  // namespace fedval::harness
