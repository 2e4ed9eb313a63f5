// FEMNIST: digits and letters by writer, 62 classes (0-9, A-Z, a-z), from LEAF's files:
//
//   folder/femnist/train/*.json, folder/femnist/test/*.json    the cut that LEAF made, or without these
//   folder/femnist/*.json, folder/femnist/all_data/*.json      all images of each writer
//
// Images are 28 x 28, grey, as LEAF leaves them.
// Source: Caldas et al., "LEAF: a benchmark for federated settings", 2018.
#pragma once

#include <cstdint>
#include <filesystem>

#include "harness/data/dataset.hpp"

namespace fedval::harness {

/// True when there is a folder/femnist.
bool femnist_present(const std::filesystem::path& folder);

/// All writers' images, in the order of the files by name; owners ascend by the writers' names, those that
/// only the test part has after the others. Where the files are not cut in two, a tenth of each writer's
/// images (rounded down), drawn by `seed`, is the test part. O(bytes); memory: the images. Throws Error when
/// there is no such file or a part is empty, and as read_leaf does.
Dataset load_femnist(const std::filesystem::path& folder, std::uint64_t seed);

}  // namespace fedval::harness
