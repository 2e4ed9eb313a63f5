// Reads a finished run folder (harness/report/run_folder.hpp says what is in one) and holds its four files
// against each other.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "harness/show/run_data.hpp"

namespace fedval::harness {

/// O(bytes of the folder) memory. Throws Error naming the file, and the line or the member, when the folder
/// is none of a run, the run is unfinished, a file is missing or damaged, or the files disagree about the
/// agents, methods, scores or rounds.
RunData read_run(const std::filesystem::path& folder);

/// Each of them. Throws Error as well when there is none or one is given twice.
std::vector<RunData> read_runs(std::span<const std::filesystem::path> folders);

}  // namespace fedval::harness
