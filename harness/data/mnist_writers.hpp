// MNIST with the writer of each digit as its owner: the natural partition that FEMNIST has, over ten digits.
// It is not FEMNIST, which has 62 classes and other images.
//
//   qmnist-train-labels-idx2-int    60,000 x 8 integers, row i about MNIST's training image i
//   qmnist-test-labels-idx2-int     10,000 x 8 or more, row i about MNIST's test image i; later rows:
//   QMNIST's
//                                   further digits, not used
//
// plain or gzip (".gz"), in the folder of MNIST's own files. Column 0 is the digit, column 2 the writer in
// NIST's Special Database 19.
// Source: Yadav, Bottou, "Cold case: the lost MNIST digits", NeurIPS 2019 (QMNIST).
#pragma once

#include <filesystem>

#include "harness/data/dataset.hpp"

namespace fedval::harness {

/// True when one of the two files is there.
bool mnist_writers_present(const std::filesystem::path& folder);

/// MNIST with owners; those of the training part come first and ascend by NIST's number, those that only the
/// test part has follow. 55 MB. Throws Error naming the file, and the row, when it is missing, damaged, has
/// other numbers of rows or columns, says another digit than MNIST's label, or has a negative writer; and as
/// load_mnist does.
Dataset load_mnist_writers(const std::filesystem::path& folder);

}  // namespace fedval::harness
