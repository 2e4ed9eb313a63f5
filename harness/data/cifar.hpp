// CIFAR-10 and CIFAR-100 in their binary version: records without a header, 32 x 32 images, planes R, G, B.
//
//   CIFAR-10    data_batch_1.bin .. data_batch_5.bin, test_batch.bin   10,000 records each: label, 3072 bytes
//   CIFAR-100   train.bin, test.bin      50,000 and 10,000: coarse label 0..19, fine label 0..99, 3072 bytes
//
// They lie in folder/cifar-10 or folder/cifar-10-batches-bin, folder/cifar-100 or folder/cifar-100-binary
// (the names that the official archives unpack to); the first that is there counts. Source: Krizhevsky,
// "Learning multiple layers of features from tiny images", 2009.
#pragma once

#include <filesystem>

#include "harness/data/dataset.hpp"

namespace fedval::harness {

/// True when any of the set's files is there.
bool cifar10_present(const std::filesystem::path& folder);
bool cifar100_present(const std::filesystem::path& folder);

/// All six files in official order; 185 MB. The description counts the images that are known to be
/// approximate: a copy is known that has 111, and its files are recognised by their CRC-32. Throws Error
/// naming the file, and the record, when one is missing, not of 10,000 whole records, or has a label above 9.
Dataset load_cifar10(const std::filesystem::path& folder);

/// Which labels of CIFAR-100: the 100 classes, or the 20 that hold five of them each.
enum class Cifar100Labels { fine, coarse };

/// Both files in official order; 185 MB when complete. Parts of the set are accepted, any number of whole
/// records up to the official one, and the description says so. Throws Error naming the file, and the record,
/// when one is missing, empty, ends inside a record or has too many, has a label out of range, or two coarse
/// labels for one fine label.
Dataset load_cifar100(const std::filesystem::path& folder, Cifar100Labels labels);

}  // namespace fedval::harness
