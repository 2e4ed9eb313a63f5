// Runs one experiment from its settings to its run folder.
#pragma once

#include <filesystem>
#include <optional>
#include <ostream>

#include "harness/config/settings.hpp"

namespace fedval::harness {

struct Places {
  /// Folder with the data sets. Not given: default_data_folder(), and "auto" may fall back to built-in data.
  std::optional<std::filesystem::path> data;
  std::filesystem::path runs;  ///< folder that run folders go into
};

/// Loads the data, trains every agent alone, runs every method, prints the tables to `out` and progress to
/// `progress` (a line that is redrawn on a terminal of so many `columns`; 0: plain lines). Returns the run
/// folder. Error for bad input: then no run folder is left.
std::filesystem::path run_experiment(const Settings& settings, const Places& places, std::ostream& out,
                                     std::ostream& progress, std::size_t columns);

}  // namespace fedval::harness
