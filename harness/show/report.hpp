// What runs found, as one HTML file that needs nothing else: settings, tables and figures, on screen and on
// paper.
#pragma once

#include <filesystem>
#include <span>

namespace fedval::harness {

/// Writes the report of one finished run, or of several with a comparison in front, to `file`; a file that is
/// there is replaced when the new one is whole. Some 2 s a run. Errors as of read_runs() and gnuplot_svg();
/// and when the file cannot be written.
void write_report(std::span<const std::filesystem::path> runs, const std::filesystem::path& file);

}  // namespace fedval::harness
