#include "harness/show/measures.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "fedval/statistics/correlation.hpp"
#include "harness/report/table.hpp"
#include "harness/report/wording.hpp"

namespace fedval::harness {
namespace {

Agreement of_accuracy(const RunData& run, const RunMethod& method) {
  return agreement(
      run, std::vector<std::optional<double>>(method.agent_accuracy.begin(), method.agent_accuracy.end()));
}

// What each agent gains by taking part: the accuracy of its final model minus what it reaches alone.
std::vector<double> gains(const RunData& run, const RunMethod& method) {
  std::vector<double> gains;
  for (std::size_t i = 0; i < run.agents.size(); ++i)
    gains.push_back(method.agent_accuracy[i] - run.agents[i].standalone_accuracy);
  return gains;
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

bool balanced(const RunData& run) { return run.settings.evaluation.accuracy == "balanced"; }

using Value = std::optional<double>;

Value least(const std::vector<std::optional<double>>& values) {
  Value found;
  for (const Value& value : values)
    if (value && (!found || *value < *found)) found = value;
  return found;
}

constexpr std::array<Measure, 16> all{{
    {"accuracy mean", "Test accuracy of the model an agent ends with, mean over the agents.", 4, "",
     [](const RunData&, const RunMethod& m) -> Value { return mean(m.agent_accuracy); }},
    {"accuracy max", "The largest of these accuracies.", 4, "",
     [](const RunData&, const RunMethod& m) -> Value {
       return *std::max_element(m.agent_accuracy.begin(), m.agent_accuracy.end());
     }},
    {"server accuracy", "Test accuracy of the server's model after the last round.", 4, "",
     [](const RunData&, const RunMethod& m) -> Value { return m.server_accuracy; }},
    {"best accuracy", "The best of its rounds, chosen on the test set itself: what a reported best hides.", 4,
     "", [](const RunData&, const RunMethod& m) { return m.best_server_accuracy; }},
    {"Pearson credit", "Pearson correlation of the agents' credit with their standalone accuracy.", 3, "",
     [](const RunData& run, const RunMethod& m) { return agreement(run, m.credit).pearson; }},
    {"Spearman credit", "Spearman's rank correlation of the same.", 3, "",
     [](const RunData& run, const RunMethod& m) { return agreement(run, m.credit).spearman; }},
    {"Pearson accuracy", "Pearson correlation of the agents' final with their standalone accuracy.", 3, "",
     [](const RunData& run, const RunMethod& m) { return of_accuracy(run, m).pearson; }},
    {"Spearman accuracy", "Spearman's rank correlation of the same.", 3, "",
     [](const RunData& run, const RunMethod& m) { return of_accuracy(run, m).spearman; }},
    {"Pearson loss", "Pearson correlation of minus the loss of the agents' final models with the same.", 3,
     "",
     [](const RunData& run, const RunMethod& m) -> Value {
       if (m.agent_loss.empty()) return std::nullopt;
       std::vector<std::optional<double>> values;
       for (const Value& loss : m.agent_loss) values.push_back(loss ? Value(-*loss) : std::nullopt);
       return agreement(run, values).pearson;
     }},
    {"mean gain", "Final minus standalone accuracy, mean over the agents.", 4, "",
     [](const RunData& run, const RunMethod& m) -> Value { return mean(gains(run, m)); }},
    {"gain spread", "Root of the mean squared deviation of these gains from their mean.", 4, "",
     [](const RunData& run, const RunMethod& m) -> Value {
       const std::vector<double> all_gains = gains(run, m);
       const double centre = mean(all_gains);
       double squares = 0;
       for (const double gain : all_gains) squares += (gain - centre) * (gain - centre);
       return std::sqrt(squares / static_cast<double>(all_gains.size()));
     }},
    {"entries min",
     "Share of the model's entries that a round changed, mean over rounds, of the agent with the least.", 3,
     "", [](const RunData&, const RunMethod& m) { return least(m.download_entries); }},
    {"download min",
     "Share of the server's step that an agent's model took in, <change, step> / <step, step>, mean over "
     "rounds, of "
     "the agent with the least.",
     3, "", [](const RunData&, const RunMethod& m) { return least(m.download_energy); }},
    {"seconds", "Wall-clock time of all rounds, without the scores that are only read.", 1, "",
     [](const RunData&, const RunMethod& m) -> Value { return m.seconds; }},
    {"sent", "Between server and agents, both ways, all rounds; 1 MB = 1,000,000 bytes.", 2, " MB",
     [](const RunData&, const RunMethod& m) -> Value {
       if (m.bytes.empty()) return std::nullopt;
       double sum = 0;
       for (const auto& [what, bytes] : m.bytes) sum += bytes;
       return sum / 1e6;
     }},
    {"valuation", "Share of that time that went into scoring, weighing, aggregating and rewarding.", 2, " %",
     [](const RunData&, const RunMethod& m) -> Value {
       if (m.seconds > 0) return 100 * m.valuation_seconds / m.seconds;
       return std::nullopt;
     }},
}};

}  // namespace

Agreement agreement(const RunData& run, std::span<const std::optional<double>> values) {
  std::vector<double> x, y;
  for (std::size_t i = 0; i < run.agents.size(); ++i) {
    if (!values[i]) continue;
    x.push_back(run.agents[i].standalone_accuracy);
    y.push_back(*values[i]);
  }
  return {statistics::pearson(x, y), statistics::spearman(x, y)};
}

Agreement agreement(const RunData& run, const RunMethod& method, const std::string& score) {
  for (const ScoreTrack& track : method.scores)
    if (track.name == score) return agreement(run, last_values(track));
  return {};
}

std::vector<std::optional<double>> last_values(const ScoreTrack& track) {
  std::vector<std::optional<double>> values;
  for (const std::vector<ScorePoint>& points : track.of_agent)
    values.push_back(points.empty() ? std::nullopt : std::optional(points.back().value));
  return values;
}

std::vector<std::string> score_names(const RunData& run) {
  std::vector<std::string> names;
  for (const RunMethod& method : run.methods)
    for (const ScoreTrack& score : method.scores)
      if (std::find(names.begin(), names.end(), score.name) == names.end()) names.push_back(score.name);
  return names;
}

std::span<const Measure> measures() { return all; }

std::string accuracy_name(std::span<const RunData> runs) {
  return accuracy_name(std::ranges::all_of(runs, balanced) ? "balanced" : "plain");
}

std::string accuracy_meaning(std::span<const RunData> runs) {
  if (std::ranges::none_of(runs, balanced)) return "";
  return std::string(std::ranges::all_of(runs, balanced)
                         ? "Accuracy is"
                         : "Where evaluation.accuracy is balanced, accuracy is") +
         " balanced accuracy: of each class that has test examples the share that is labelled right, and of "
         "these shares the mean.";
}

std::vector<std::string> figure_names(std::span<const RunData> runs, NamedFigures figures) {
  std::vector<std::string> names;
  for (const RunData& run : runs)
    for (const RunMethod& method : run.methods)
      for (const auto& [name, value] : method.*figures)
        if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  return names;
}

std::optional<double> find_figure(const RunMethod& method, NamedFigures figures, const std::string& name) {
  for (const auto& [figure, value] : method.*figures)
    if (figure == name) return value;
  return std::nullopt;
}

std::string written(const std::optional<double>& value, int digits, std::string_view unit) {
  return value ? fixed(*value, digits) + std::string(unit) : "-";
}

}  // namespace fedval::harness
