// The plots of a study, drawn by gnuplot as SVG files of their own.
#pragma once

#include <string>

#include "harness/show/study_attacks.hpp"
#include "harness/show/study_data.hpp"
#include "harness/show/study_scores.hpp"

namespace fedval::harness {

// Errors as of gnuplot_svg().

/// Pearson of each score (a row) in each setting (a colour and marker): the mean and its interval over seeds.
std::string pearson_plot(const Study& study, const ScoreAgreements& found);

/// The server's accuracy of each setting (a row) by each method: the same.
std::string accuracy_plot(const Study& study);

/// What attackers earn relative to their honest twins: rows scores, columns kinds, blue below 1, orange
/// above.
std::string attack_plot(const AttackResults& found);

}  // namespace fedval::harness
