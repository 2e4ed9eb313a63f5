// The tables an experiment ends with.
#pragma once

#include <ostream>

#include "harness/report/results.hpp"

namespace fedval::harness {

/// Agents (data, standalone accuracy, credit and final accuracy by method), methods (correlations,
/// accuracies, cost), and scores (all of them, on the rounds of the first method).
void print_tables(std::ostream& out, const Results& results);

}  // namespace fedval::harness
