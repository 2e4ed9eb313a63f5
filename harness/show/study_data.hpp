// A study: the runs of several settings, each over several seeds, and what its sections ask of them.
//
// Runs may train the same models and differ in what is looked at only: in the scores that are read, in
// attacks played beside the training, in the truth that is retrained. They are different settings, but one
// draw of whatever the honest rounds decide.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/show/groups.hpp"
#include "harness/show/json_place.hpp"
#include "harness/show/run_data.hpp"

namespace fedval::harness {

struct Study {
  std::vector<RunData> runs;
  std::vector<Group> settings;
  std::vector<std::string> names;  ///< of the settings, no two equal: "pow, N = 5"
  std::vector<Difference> differences;
  std::vector<std::size_t> training;  ///< of each run: the first run that trains the same models
};

/// A part of what is kept of a study. The text is empty where no run has what it is about.
struct StudySection {  // NOLINT(bugprone-exception-escape): a move of JSON asserts, and throws nothing
  std::string markdown = {};
  OrderedJson json = {};
};

using RunNumber = std::function<std::optional<double>(const RunData&)>;

/// O(runs x settings).
Study study_of(std::vector<RunData> runs);

/// The method in whose rounds a run's scores are read here: the first of its methods.run.
inline const RunMethod& reading_method(const RunData& run) { return run.methods.front(); }

/// "the first method of each run (fedavg)"
std::string reading_methods(const Study& study);

/// The method or score of that name; null where there is none.
const RunMethod* find_method(const RunData& run, const std::string& name);
const ScoreTrack* find_score(const RunMethod& method, const std::string& name);

/// Names in the order in which the runs have them: of all methods; of the scores of the reading methods.
std::vector<std::string> study_methods(const Study& study);
std::vector<std::string> study_scores(const Study& study);

/// Whether attackers take part in the training itself.
bool attacked_inside(const RunData& run);

/// A number of every honest training, at the place of its first run; the first of its runs that has the
/// number decides. Nothing at the other places.
std::vector<std::optional<double>> of_trainings(const Study& study, const RunNumber& number);

/// Those that are there, in order.
std::vector<double> defined(std::span<const std::optional<double>> values);

/// A number over the runs of a setting.
struct OverSeeds {
  std::vector<std::optional<double>> values;  ///< of its runs
  std::optional<Interval> interval;
};

OverSeeds over_setting(const Study& study, const Group& setting, const RunNumber& number);

/// {"mean", "half_width", "n", "values"}, or null where no run has the number.
OrderedJson json_of(const OverSeeds& number);
OrderedJson json_of(const std::optional<Interval>& interval);

}  // namespace fedval::harness
