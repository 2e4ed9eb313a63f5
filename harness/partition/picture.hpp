// A partition as a picture for a terminal: agents x classes, darker where an agent holds more of a class.
#pragma once

#include <cstddef>
#include <ostream>
#include <vector>

namespace fedval::harness {

/// One line an agent, its number and its size in front; one block a class, shaded by its count in five steps
/// relative to the largest count: ' ' none, then up to a quarter, a half, three quarters, and above. `counts`
/// as class_counts() gives them.
void print_partition(std::ostream& out, const std::vector<std::vector<std::size_t>>& counts);

}  // namespace fedval::harness
