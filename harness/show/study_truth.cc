#include "harness/show/study_truth.hpp"

#include <numeric>
#include <set>
#include <utility>

#include "fedval/statistics/bootstrap.hpp"
#include "fedval/statistics/correlation.hpp"
#include "harness/report/table.hpp"
#include "harness/show/markdown.hpp"
#include "harness/show/measures.hpp"
#include "harness/show/study_json.hpp"
#include "harness/show/study_names.hpp"

namespace fedval::harness {
namespace {

using Values = std::vector<std::optional<double>>;
using ValuesOf = std::function<Values(const RunData&)>;  // of the agents
using CorrelationOf = std::optional<double> (*)(std::span<const double>, std::span<const double>);

// Over the agents that have a value.
std::optional<double> correlation(const Values& values, const std::vector<double>& truth,
                                  CorrelationOf compute) {
  std::vector<double> x, y;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!values[i]) continue;
    x.push_back(*values[i]);
    y.push_back(truth[i]);
  }
  return compute(x, y);
}

TruthComparison::Agreements agreements(const Study& study, const std::vector<std::size_t>& runs,
                                       const ValuesOf& values_of, std::vector<double> RunTruth::*truth) {
  const auto over_runs = [&](CorrelationOf compute) {
    Values values;
    for (const std::size_t i : runs) {
      const RunData& run = study.runs[i];
      values.push_back(correlation(values_of(run), *run.truth.*truth, compute));
    }
    return resampled_mean(std::move(values));
  };
  return {over_runs(statistics::pearson), over_runs(statistics::spearman), over_runs(statistics::kendall)};
}

std::string written(const Resampled& number, std::size_t runs) {
  if (!number.mean) return "-";
  std::string text = fixed(*number.mean, 3);
  if (number.low) text += " (" + fixed(*number.low, 3) + " to " + fixed(*number.high, 3) + ")";
  return text + fewer(defined(number.values).size(), runs);
}

OrderedJson json_of(const Resampled& number) {
  OrderedJson json{{"mean", rounded(number.mean)}};
  if (number.low) json["interval"] = {rounded(*number.low), rounded(*number.high)};
  if (number.extreme) json["interval_ends_where_resamples_do"] = true;
  json["values"] = rounded(number.values);
  return json;
}

OrderedJson json_of(const TruthComparison::Agreements& found) {
  return {{"pearson", json_of(found.pearson)},
          {"spearman", json_of(found.spearman)},
          {"kendall", json_of(found.kendall)}};
}

std::string table_text(const TruthComparison& found,
                       const std::vector<TruthComparison::Agreements>& agreements) {
  MarkdownTable table({"score", "Pearson", "Spearman", "Kendall"});
  const std::size_t runs = found.runs.size();
  for (std::size_t s = 0; s < found.names.size(); ++s)
    table.add({found.names[s], written(agreements[s].pearson, runs), written(agreements[s].spearman, runs),
               written(agreements[s].kendall, runs)});
  return table.text();
}

}  // namespace

Resampled resampled_mean(Values values) {
  const std::vector<double> draws = defined(values);
  Resampled result{.values = std::move(values), .mean = {}, .low = {}, .high = {}};
  if (draws.empty()) return result;
  const auto mean = [&](std::span<const std::size_t> units) -> std::optional<double> {
    double sum = 0;
    for (const std::size_t i : units) sum += draws[i];
    return sum / static_cast<double>(units.size());
  };
  std::vector<std::size_t> all(draws.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  result.mean = mean(all);
  if (draws.size() < 2) return result;
  if (const auto interval = statistics::bootstrap(draws.size(), mean)) {
    result.low = interval->low;
    result.high = interval->high;
    result.extreme = interval->extreme;
  }
  return result;
}

TruthComparison against_truth(const Study& study) {
  TruthComparison found;
  std::set<std::size_t> trainings;
  for (std::size_t i = 0; i < study.runs.size(); ++i)
    if (study.runs[i].truth && !attacked_inside(study.runs[i]) && trainings.insert(study.training[i]).second)
      found.runs.push_back(i);
  if (found.runs.empty()) return found;
  const auto add = [&](const std::string& name, const ValuesOf& values_of) {
    found.names.push_back(name);
    found.by_accuracy.push_back(agreements(study, found.runs, values_of, &RunTruth::by_accuracy));
    found.by_loss.push_back(agreements(study, found.runs, values_of, &RunTruth::by_loss));
  };
  for (const std::string& score : study_scores(study))
    add(score, [&](const RunData& run) {
      const ScoreTrack* track = find_score(reading_method(run), score);
      return track ? last_values(*track) : Values(run.agents.size());
    });
  add("standalone accuracy", [](const RunData& run) {
    Values values;
    for (const RunAgent& agent : run.agents) values.emplace_back(agent.standalone_accuracy);
    return values;
  });
  add("number of examples", [](const RunData& run) {
    Values values;
    for (const RunAgent& agent : run.agents) values.emplace_back(static_cast<double>(agent.samples));
    return values;
  });
  return found;
}

StudySection truth_section(const Study& study, const TruthComparison& found) {
  if (found.runs.empty()) return {};
  const std::string note =
      "Correlation over the agents of a run, mean over n = " + counted(found.runs.size(), "run") +
      " with retrained coalitions (fewer where (n = ...) says so), with its 95 % BCa bootstrap interval from "
      "2000 resamples of the runs, which is too narrow for few runs, and none where it is undefined, as for "
      "one run. Scores are the last of each agent in the rounds of " +
      reading_methods(study) + ". A dash: no run has the score, or the correlation is undefined.";
  StudySection section;
  section.markdown = "## Scores against the Shapley value of retrained coalitions\n\n" +
                     markdown_part("### By accuracy", table_text(found, found.by_accuracy), note) + "\n" +
                     markdown_part("### By loss", table_text(found, found.by_loss), note);
  OrderedJson& runs = section.json["runs"] = OrderedJson::array();
  for (const std::size_t i : found.runs) runs.push_back(i);
  for (std::size_t s = 0; s < found.names.size(); ++s) {
    section.json["by_accuracy"][found.names[s]] = json_of(found.by_accuracy[s]);
    section.json["by_loss"][found.names[s]] = json_of(found.by_loss[s]);
  }
  return section;
}

}  // namespace fedval::harness
