// The part of a report that holds several runs against each other.
#pragma once

#include <span>
#include <string>

#include "harness/show/run_data.hpp"

namespace fedval::harness {

/// Markup: which runs belong together and how their settings differ; methods and scores over seeds. The run
/// at place i is linked to as "#run-<i + 1>".
std::string comparison_section(std::span<const RunData> runs);

}  // namespace fedval::harness
