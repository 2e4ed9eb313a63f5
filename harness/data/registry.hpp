// Data sets by name, as a configuration names them:
//
//   mnist    the original files, which must be there
//   digits   rendered digits, built in: 12,000 train and 2,000 test images
//   auto     mnist when any of its files is there, else digits
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/data/dataset.hpp"

namespace fedval::harness {

/// The names that load_dataset knows.
std::vector<std::string> dataset_names();

/// Loads a data set; the name in the result is that of the set itself, never "auto". `folder` is where files
/// are looked for, `seed` that of rendered digits. Throws Error for an unknown name (listing the known ones)
/// and for files that are missing or damaged.
Dataset load_dataset(const std::string& set, const std::filesystem::path& folder, std::uint64_t seed);

}  // namespace fedval::harness
