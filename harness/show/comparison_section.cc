#include "harness/show/comparison_section.hpp"

#include <cstddef>
#include <vector>

#include "harness/show/groups.hpp"
#include "harness/show/markup.hpp"
#include "harness/show/measure_definitions.hpp"
#include "harness/show/measures.hpp"

namespace fedval::harness {
namespace {

std::string runs_table(std::span<const RunData> runs, std::span<const Group> groups) {
  HtmlTable table({"run", "setting", "seed", "data", "agents", "rounds", "seconds"});
  for (std::size_t g = 0; g < groups.size(); ++g)
    for (const std::size_t i : groups[g].runs) {
      const RunData& run = runs[i];
      table.add({element("a href='#run-" + std::to_string(i + 1) + "'", escaped(run.folder.string())),
                 std::to_string(g + 1), std::to_string(run.settings.seed), escaped(run.settings.data.set),
                 std::to_string(run.agents.size()), std::to_string(run.methods.front().rounds.size()),
                 written(run.seconds, 1)});
    }
  return table.markup(
      "Runs. Those of one setting differ in nothing but name, seed, threads and checkpoints.");
}

std::string differences_table(std::span<const RunData> runs, std::span<const Group> groups) {
  std::vector<std::string> header{"key"};
  for (std::size_t g = 0; g < groups.size(); ++g) header.push_back("setting " + std::to_string(g + 1));
  HtmlTable table(header);
  for (const Difference& difference : differences(runs, groups)) {
    std::vector<std::string> row{escaped(difference.key)};
    for (const std::string& value : difference.values) row.push_back(escaped(value));
    table.add(row);
  }
  return table.markup("What differs between the settings.");
}

std::string cell(const std::optional<Interval>& interval, int digits, std::string_view unit,
                 const Group& group) {
  return written(interval, digits, std::string(unit), "\u00B1", group.runs.size());
}

std::string methods_table(std::span<const RunData> runs, std::span<const Group> groups) {
  std::vector<std::string> header{"setting, method", "seeds"};
  for (const Measure& measure : measures()) header.emplace_back(measure.name);
  HtmlTable table(header);
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const Group& group = groups[g];
    const RunData& first = runs[group.runs.front()];
    for (std::size_t m = 0; m < first.methods.size(); ++m) {
      std::vector<std::string> row{std::to_string(g + 1) + ", " + escaped(first.methods[m].name),
                                   std::to_string(group.runs.size())};
      for (const Measure& measure : measures())
        row.push_back(
            cell(over_seeds(runs, group, [&](const RunData& run) { return measure.of(run, run.methods[m]); }),
                 measure.digits, measure.unit, group));
      table.add(row);
    }
  }
  return table.markup("Methods: mean \u00B1 half-width of the 95 % interval over seeds.");
}

std::string scores_table(std::span<const RunData> runs, const Group& group, std::size_t number) {
  const RunData& first = runs[group.runs.front()];
  if (score_names(first).empty()) return "";
  std::vector<std::string> header{"score"};
  for (const RunMethod& method : first.methods)
    for (const char* which : {"Pearson", "Spearman"}) header.push_back(escaped(method.name) + ": " + which);
  HtmlTable table(header);
  for (const std::string& score : score_names(first)) {
    std::vector<std::string> row{escaped(score)};
    for (std::size_t m = 0; m < first.methods.size(); ++m)
      for (const auto which : {&Agreement::pearson, &Agreement::spearman})
        row.push_back(
            cell(over_seeds(runs, group,
                            [&](const RunData& run) { return agreement(run, run.methods[m], score).*which; }),
                 3, "", group));
    table.add(row);
  }
  return table.markup(
      "Scores of setting " + std::to_string(number) + " (" + std::to_string(group.runs.size()) +
      (group.runs.size() == 1 ? " seed" : " seeds") +
      "): correlation of each agent's last score with its standalone accuracy, by the method in "
      "whose rounds the scores were read.");
}

}  // namespace

std::string comparison_section(std::span<const RunData> runs) {
  const std::vector<Group> groups = groups_of_same_setting(runs);
  std::string markup = element("h2", "Comparison") + "\n" + runs_table(runs, groups);
  if (groups.size() > 1) markup += differences_table(runs, groups);
  markup += methods_table(runs, groups) + element("p class='note'", interval_definition("\u00B1")) + "\n" +
            measure_definitions(runs);
  for (std::size_t g = 0; g < groups.size(); ++g) markup += scores_table(runs, groups[g], g + 1);
  return element("section id='comparison'", "\n" + markup) + "\n";
}

}  // namespace fedval::harness
