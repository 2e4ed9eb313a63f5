// What scores and methods cost, as medians over runs.
#pragma once

#include "harness/show/study_data.hpp"

namespace fedval::harness {

/// A cost of each run that has it, and their median.
struct RunCosts {
  std::vector<std::optional<double>> values;  ///< of the runs
  std::optional<double> median;
};

/// "10.000 % (n = 3)", the latter where not all runs have it; "-" where none has.
std::string written(const RunCosts& found, int digits, std::string_view unit);

struct StudyCosts {
  std::vector<std::string> scores, methods;
  std::vector<RunCosts> milliseconds;  ///< of each score in a round
  std::vector<RunCosts> of_training;   ///< of each score, in percent of the agents' training time
  std::vector<RunCosts> valuation;     ///< of each method, in percent of its time
  bool trains_for_attacks = false;     ///< every run's training time holds that of attackers
};

/// Runs whose training time holds that of attackers do not count for of_training where there are others.
StudyCosts study_costs(const Study& study);

/// Two tables: of scores, where any was timed, and of methods.
StudySection cost_section(const Study& study, const StudyCosts& found);

}  // namespace fedval::harness
