// The part of a report that is about one run.
#pragma once

#include <string>

#include "harness/show/run_data.hpp"

namespace fedval::harness {

/// Markup: setting, methods, figures, agents, scores, refusals, notes, versions. `id` begins every id inside;
/// headings are <h2> with <h3> below. Errors as of gnuplot_svg().
std::string run_section(const RunData& run, const std::string& id);

}  // namespace fedval::harness
