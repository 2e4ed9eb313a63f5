#include "harness/show/study_cost.hpp"

#include <algorithm>
#include <utility>

#include "harness/report/table.hpp"
#include "harness/show/markdown.hpp"
#include "harness/show/measures.hpp"
#include "harness/show/study_json.hpp"
#include "harness/show/study_names.hpp"

namespace fedval::harness {
namespace {

RunCosts costs(const Study& study, const RunNumber& number) {
  RunCosts found;
  for (const RunData& run : study.runs) found.values.push_back(number(run));
  std::vector<double> sorted = defined(found.values);
  std::sort(sorted.begin(), sorted.end());
  if (const std::size_t n = sorted.size(); n > 0) found.median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
  return found;
}

bool trains_for_attacks(const RunData& run) {
  return !run.settings.attack.kinds.empty() && !run.settings.attack.agents.empty();
}

OrderedJson json_of(const RunCosts& found) {
  return {{"median", rounded(found.median)}, {"values", rounded(found.values)}};
}

/// A table of figures that methods give names of their own to; a column for each name, nothing where no
/// method has one.
void add_figures(const Study& study, const std::vector<std::string>& methods, const std::string& title,
                 const std::string& key, const std::string& note, int digits, double scale,
                 NamedFigures figures, StudySection& section) {
  const std::vector<std::string> names = figure_names(study.runs, figures);
  if (names.empty()) return;
  std::vector<std::string> header{"method"};
  header.insert(header.end(), names.begin(), names.end());
  MarkdownTable table(header);
  for (const std::string& method : methods) {
    std::vector<std::string> row{method};
    for (const std::string& name : names) {
      const RunCosts found = costs(study, [&](const RunData& run) -> std::optional<double> {
        const RunMethod* of = find_method(run, method);
        const auto figure = of ? find_figure(*of, figures, name) : std::nullopt;
        if (!figure) return std::nullopt;
        return *figure * scale / static_cast<double>(of->rounds.size());
      });
      row.push_back(written(found, digits, ""));
      section.json[key][method][name] = json_of(found);
    }
    table.add(row);
  }
  section.markdown += "\n" + markdown_part("### " + title, table.text(), note);
}

}  // namespace

std::string written(const RunCosts& found, int digits, std::string_view unit) {
  if (!found.median) return "-";
  return written(found.median, digits, unit) + fewer(defined(found.values).size(), found.values.size());
}

StudyCosts study_costs(const Study& study) {
  StudyCosts found{.scores = study_scores(study),
                   .methods = study_methods(study),
                   .milliseconds = {},
                   .of_training = {},
                   .valuation = {}};
  found.trains_for_attacks = std::all_of(study.runs.begin(), study.runs.end(), trains_for_attacks);
  for (const std::string& score : found.scores) {
    const auto seconds = [&](const RunData& run) -> std::optional<double> {
      const ScoreTrack* track = find_score(reading_method(run), score);
      return track ? track->seconds : std::nullopt;
    };
    found.milliseconds.push_back(costs(study, [&](const RunData& run) -> std::optional<double> {
      const auto time = seconds(run);
      if (!time) return std::nullopt;
      return 1000 * *time / static_cast<double>(reading_method(run).rounds.size());
    }));
    found.of_training.push_back(costs(study, [&](const RunData& run) -> std::optional<double> {
      const auto time = seconds(run);
      const double training = reading_method(run).training_seconds;
      if (!time || training <= 0 || (trains_for_attacks(run) && !found.trains_for_attacks))
        return std::nullopt;
      return 100 * *time / training;
    }));
  }
  const Measure& valuation = *std::ranges::find(measures(), "valuation", &Measure::name);
  for (const std::string& name : found.methods)
    found.valuation.push_back(costs(study, [&](const RunData& run) -> std::optional<double> {
      const RunMethod* method = find_method(run, name);
      return method ? valuation.of(run, *method) : std::nullopt;
    }));
  return found;
}

StudySection cost_section(const Study& study, const StudyCosts& found) {
  const std::size_t runs = study.runs.size();
  const std::string medians = "Median over n = " + counted(runs, "run") +
                              ", fewer where (n = ...) says so. A dash: no run has the time.";
  StudySection section{.markdown = "## Cost\n"};
  const bool timed = std::any_of(found.milliseconds.begin(), found.milliseconds.end(),
                                 [](const RunCosts& each) { return each.median.has_value(); });
  if (timed) {
    MarkdownTable table({"score", "ms a round", "of training"});
    for (std::size_t s = 0; s < found.scores.size(); ++s) {
      table.add(
          {found.scores[s], written(found.milliseconds[s], 2, ""), written(found.of_training[s], 3, " %")});
      section.json["scores"][found.scores[s]] = {{"milliseconds_a_round", json_of(found.milliseconds[s])},
                                                 {"percent_of_training", json_of(found.of_training[s])}};
    }
    const std::string attackers =
        found.trains_for_attacks
            ? "In all runs attackers may have trained in that time as well."
            : "Runs with attacks do not count for it: attackers may have trained as well.";
    section.markdown +=
        "\n" + markdown_part("### Of scores", table.text(),
                             medians + " Of training: of the wall-clock time in which the agents of " +
                                 reading_methods(study) + " trained. " + attackers +
                                 " Runs of different settings are taken together.");
  }
  MarkdownTable table({"method", "valuation"});
  for (std::size_t m = 0; m < found.methods.size(); ++m) {
    table.add({found.methods[m], written(found.valuation[m], 2, " %")});
    section.json["methods"][found.methods[m]] = {{"valuation_percent", json_of(found.valuation[m])}};
  }
  section.markdown +=
      "\n" + markdown_part("### Of methods", table.text(),
                           medians +
                               " Valuation: share of the method's wall-clock time, without scores that are "
                               "only read, that went into scoring, weighing, aggregating and rewarding.");
  add_figures(study, found.methods, "Of phases", "milliseconds_of_phases",
              medians + " Milliseconds a round, of methods whose rounds have such phases.", 1, 1000,
              &RunMethod::split, section);
  add_figures(
      study, found.methods, "Bytes", "kilobytes",
      medians + " Kilobytes (1,000 bytes) a round that all clients and the server sent, by what they carry.",
      2, 1e-3, &RunMethod::bytes, section);
  return section;
}

}  // namespace fedval::harness
