#include "harness/show/study_data.hpp"

#include <algorithm>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "harness/show/measures.hpp"
#include "harness/show/study_json.hpp"
#include "harness/show/study_names.hpp"

namespace fedval::harness {
namespace {

// Puts the tables that only other methods train by at their defaults. A table that is not named here makes
// several trainings of one, a method that is not named beside its table would make one of several.
void forget_other_methods(Settings& settings, std::string_view method) {
  const Settings any;
  const auto is_one_of = [&](std::initializer_list<std::string_view> names) {
    return std::ranges::find(names, method) != names.end();
  };
  if (!method.starts_with("cgsv") && method != "rffl") settings.cgsv = any.cgsv;
  if (method != "spectral_fed") settings.spectral_fed = any.spectral_fed;
  if (method != "fedopt") settings.fedopt = any.fedopt;
  if (method != "qffl") settings.qffl = any.qffl;
  if (method != "afl") settings.afl = any.afl;
  if (method != "cffl") settings.cffl = any.cffl;
  if (method != "cffl") settings.validation = any.validation;
  if (method != "rffl") settings.rffl = any.rffl;
  if (!is_one_of({"fedzge", "fedmd", "feddf", "dense", "fedgen"})) settings.black_box = any.black_box;
}

// The settings that decide which models the reading method trains.
Settings of_training(Settings settings) {
  const Settings any;
  settings.name = any.name;
  settings.threads = any.threads;
  settings.checkpoint = any.checkpoint;
  settings.scores = any.scores;
  settings.truth = any.truth;
  settings.evaluation.every = any.evaluation.every;
  settings.methods.run.resize(1);
  forget_other_methods(settings, settings.methods.run.front());
  if (settings.attack.role != "inside") settings.attack = any.attack;
  return settings;
}

void add_new(std::vector<std::string>& names, const std::string& name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

template <class T>
void reorder(std::vector<T>& things, const std::vector<std::size_t>& order) {
  std::vector<T> ordered;
  for (const std::size_t place : order) ordered.push_back(std::move(things[place]));
  things = std::move(ordered);
}

}  // namespace

Study study_of(std::vector<RunData> runs) {
  Study study{.runs = std::move(runs), .settings = {}, .names = {}, .differences = {}, .training = {}};
  study.settings = groups_of_same_setting(study.runs);
  study.differences = differences(study.runs, study.settings);
  const std::vector<std::size_t> order = order_of_settings(study.settings.size(), study.differences);
  reorder(study.settings, order);
  for (Difference& difference : study.differences) reorder(difference.values, order);
  study.names = setting_names(study.settings.size(), study.differences);
  std::vector<Settings> trainings;
  for (const RunData& run : study.runs) {
    trainings.push_back(of_training(run.settings));
    const auto first = std::find(trainings.begin(), trainings.end(), trainings.back());
    study.training.push_back(static_cast<std::size_t>(first - trainings.begin()));
  }
  return study;
}

std::string reading_methods(const Study& study) {
  std::vector<std::string> names;
  for (const RunData& run : study.runs) add_new(names, reading_method(run).name);
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return "the first method of each run (" + list + ")";
}

const RunMethod* find_method(const RunData& run, const std::string& name) {
  const auto found = std::ranges::find(run.methods, name, &RunMethod::name);
  return found == run.methods.end() ? nullptr : &*found;
}

const ScoreTrack* find_score(const RunMethod& method, const std::string& name) {
  const auto found = std::ranges::find(method.scores, name, &ScoreTrack::name);
  return found == method.scores.end() ? nullptr : &*found;
}

std::vector<std::string> study_methods(const Study& study) {
  std::vector<std::string> names;
  for (const RunData& run : study.runs)
    for (const RunMethod& method : run.methods) add_new(names, method.name);
  return names;
}

std::vector<std::string> study_scores(const Study& study) {
  std::vector<std::string> names;
  for (const RunData& run : study.runs)
    for (const ScoreTrack& score : reading_method(run).scores) add_new(names, score.name);
  return names;
}

bool attacked_inside(const RunData& run) {
  const AttackSettings& attack = run.settings.attack;
  return attack.role == "inside" && !attack.kinds.empty() && !attack.agents.empty();
}

std::vector<std::optional<double>> of_trainings(const Study& study, const RunNumber& number) {
  std::vector<std::optional<double>> values(study.runs.size());
  for (std::size_t i = 0; i < study.runs.size(); ++i) {
    std::optional<double>& value = values[study.training[i]];
    if (!value && !attacked_inside(study.runs[i])) value = number(study.runs[i]);
  }
  return values;
}

std::vector<double> defined(std::span<const std::optional<double>> values) {
  std::vector<double> all;
  for (const auto& value : values)
    if (value) all.push_back(*value);
  return all;
}

OverSeeds over_setting(const Study& study, const Group& setting, const RunNumber& number) {
  OverSeeds result{.values = {}, .interval = over_seeds(study.runs, setting, number)};
  for (const std::size_t i : setting.runs) result.values.push_back(number(study.runs[i]));
  return result;
}

OrderedJson json_of(const std::optional<Interval>& interval) {
  if (!interval) return nullptr;
  OrderedJson json{{"mean", rounded(interval->mean)}};
  if (interval->half_width) json["half_width"] = rounded(*interval->half_width);
  json["n"] = interval->count;
  return json;
}

OrderedJson json_of(const OverSeeds& number) {
  OrderedJson json = json_of(number.interval);
  if (number.interval) json["values"] = rounded(number.values);
  return json;
}

}  // namespace fedval::harness
