// Who holds how many examples of which class: a row an agent, a column a class, the darker the more.
#pragma once

#include <string>

#include "harness/show/run_data.hpp"

namespace fedval::harness {

/// An <svg> element whose ids begin with `id`. The shade grows with the square root of the count; up to 20
/// agents and 30 classes the counts are written in. O(agents x classes).
std::string partition_picture(const RunData& run, const RunPartition& partition, const std::string& id);

}  // namespace fedval::harness
