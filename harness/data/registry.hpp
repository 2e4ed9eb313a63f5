// Data sets by name, as a configuration names them: one table, data_sources().
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/data/dataset.hpp"

namespace fedval::harness {

/// A data set that can be loaded.
struct DataSource {
  std::string_view name;    ///< as a configuration names it
  std::string_view folder;  ///< its own, below the data folder; empty: built in, needs no files
  std::string_view what;    ///< one line that says what it is
  bool (*present)(const std::filesystem::path& data_folder);
  /// `seed` matters where something is drawn: images or sentences, or a test part.
  Dataset (*load)(const std::filesystem::path& data_folder, std::uint64_t seed);
  std::string_view elsewhere = {};  ///< goes on after the folder in "no file in ..."; empty: nowhere else
  bool fetched = true;              ///< `harness fetch NAME` gets it
};

/// All data sets, the built-in ones last.
std::span<const DataSource> data_sources();

/// The names that load_dataset knows: those of the sources, and "auto".
std::vector<std::string_view> dataset_names();

/// What "auto" stands for: mnist when any of its files is in the folder, else digits.
std::string automatic_set(const std::filesystem::path& folder);

/// Loads a data set; of "auto" the name in the result is that of the set itself. `folder` is where files are
/// looked for; built-in sets do without it. Throws Error for an unknown name (listing the known ones), for a
/// set of which no file is there (saying where it was looked for, and how to get it) and for files that are
/// missing or damaged.
Dataset load_dataset(std::string_view set, const std::filesystem::path& folder, std::uint64_t seed);

}  // namespace fedval::harness
