// One table of all a study found about each score.
//
// Fairness is the mean Pearson correlation with standalone accuracy over the honest trainings, with Student's
// interval. One score is ahead of another when the 95 % Student interval of their differences, over the
// trainings in which both have a correlation, lies above 0; best, or tied for best, is who has nobody ahead.
// In a study of one training, where no difference has an interval, the one with the larger mean is ahead.
// Means alone would hold a score that is undefined in the hard settings, as data size is for equal shares,
// against others that are judged in all of them.
#pragma once

#include "harness/show/study_attacks.hpp"
#include "harness/show/study_cost.hpp"
#include "harness/show/study_data.hpp"
#include "harness/show/study_truth.hpp"

namespace fedval::harness {

struct Fairness {
  struct Ahead {
    std::size_t score = 0;
    Interval difference;  ///< its correlation minus this one's
  };
  std::optional<Interval> pearson;
  std::optional<Ahead> ahead;                      ///< who is ahead of it, by the largest mean difference
  bool best() const { return pearson && !ahead; }  ///< or tied for best
};

/// Of each score.
std::vector<Fairness> fairness(const Study& study, const std::vector<std::string>& scores);

/// Columns only for what the study has.
StudySection summary_section(const Study& study, const TruthComparison& truth, const AttackResults& attacks,
                             const StudyCosts& costs);

}  // namespace fedval::harness
