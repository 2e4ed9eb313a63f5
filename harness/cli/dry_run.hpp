// What an experiment would do, without doing it.
#pragma once

#include <ostream>

#include "harness/cli/laboratory.hpp"

namespace fedval::harness {

/// Prints the setting, who holds what (numbers and a picture), how many steps and tests there are, and how
/// long they and how much memory they will take, from a few steps and tests that are really done. Writes no
/// file.
void dry_run(const Settings& settings, const Places& places, std::ostream& out);

}  // namespace fedval::harness
