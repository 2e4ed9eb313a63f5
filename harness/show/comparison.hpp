// Runs side by side, for a terminal.
#pragma once

#include <filesystem>
#include <ostream>
#include <span>

namespace fedval::harness {

/// Reads the runs and prints how their settings differ, each run's methods, and methods and scores over the
/// seeds of a setting. Errors as of read_runs(); nothing is printed then.
void print_comparison(std::ostream& out, std::span<const std::filesystem::path> runs);

}  // namespace fedval::harness
