// Runs one experiment from its settings to its run folder.
#pragma once

#include <filesystem>
#include <ostream>

#include "harness/config/settings.hpp"

namespace fedval::harness {

struct Places {
  std::filesystem::path data;  ///< folder with the data sets
  std::filesystem::path runs;  ///< folder that run folders go into
};

/// Loads the data, trains every agent alone, runs every method, prints the tables to `out` and progress to
/// `progress` (a line that is redrawn when `terminal`). Returns the run folder. Error for bad input: then no
/// run folder is left.
std::filesystem::path run_experiment(const Settings& settings, const Places& places, std::ostream& out,
                                     std::ostream& progress, bool terminal);

}  // namespace fedval::harness
