// What is there already of an experiment that is asked for again.
#pragma once

#include <filesystem>

#include "harness/config/settings.hpp"

namespace fedval::harness {

/// The settings without those that a run may go on with others of: its bits do not depend on them.
Settings what_decides(Settings settings);

/// Folders of runs with the same settings, one of each kind; empty: none.
struct EarlierRuns {
  std::filesystem::path finished;
  bool other_build = false;       ///< made the finished one
  std::filesystem::path stopped;  ///< the one that came furthest
  std::filesystem::path busy;     ///< another program is at it
};

/// Looks under `parent`, which need not be there, for runs of this name whose settings decide the same. A
/// folder whose settings cannot be read is none of them. Error where `parent` cannot be read.
EarlierRuns earlier_runs(const std::filesystem::path& parent, const Settings& settings);

}  // namespace fedval::harness
