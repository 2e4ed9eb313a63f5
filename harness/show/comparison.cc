#include "harness/show/comparison.hpp"

#include <string>
#include <vector>

#include "harness/report/table.hpp"
#include "harness/show/groups.hpp"
#include "harness/show/markup.hpp"
#include "harness/show/measures.hpp"
#include "harness/show/run_reader.hpp"

namespace fedval::harness {
namespace {

Table differences_table(std::span<const RunData> runs, std::span<const Group> groups) {
  std::vector<std::string> header{"key"};
  for (std::size_t g = 0; g < groups.size(); ++g) header.push_back("setting " + std::to_string(g + 1));
  Table table(header);
  for (const Difference& difference : differences(runs, groups)) {
    std::vector<std::string> row{difference.key};
    row.insert(row.end(), difference.values.begin(), difference.values.end());
    table.add(row);
  }
  return table;
}

Table runs_table(std::span<const RunData> runs, std::span<const Group> groups) {
  std::vector<std::string> header{"run, method", "setting", "seed"};
  for (const Measure& measure : measures()) header.emplace_back(measure.name);
  Table table(header);
  for (std::size_t g = 0; g < groups.size(); ++g)
    for (const std::size_t i : groups[g].runs)
      for (const RunMethod& method : runs[i].methods) {
        std::vector<std::string> row{plain(runs[i].folder.string()) + ", " + method.name,
                                     std::to_string(g + 1), std::to_string(runs[i].settings.seed)};
        for (const Measure& measure : measures())
          row.push_back(written(measure.of(runs[i], method), measure.digits, measure.unit));
        table.add(row);
      }
  return table;
}

// One row a measure: with an interval in every cell, a column a measure would be wider than any terminal.
Table seeds_table(std::span<const RunData> runs, const Group& group) {
  const RunData& first = runs[group.runs.front()];
  std::vector<std::string> header{"measure"};
  for (const RunMethod& method : first.methods) header.push_back(method.name);
  Table table(header);
  const auto add = [&](const std::string& name, int digits, std::string_view unit, const auto& number) {
    std::vector<std::string> row{name};
    for (std::size_t m = 0; m < first.methods.size(); ++m)
      row.push_back(
          written(over_seeds(runs, group, [&](const RunData& run) { return number(run, run.methods[m]); }),
                  digits, std::string(unit), "+/-", group.runs.size()));
    table.add(row);
  };
  for (const Measure& measure : measures())
    add(std::string(measure.name), measure.digits, measure.unit, measure.of);
  for (const std::string& score : score_names(first)) {
    add(plain(score) + " Pearson", 3, "",
        [&](const RunData& run, const RunMethod& method) { return agreement(run, method, score).pearson; });
    add(plain(score) + " Spearman", 3, "",
        [&](const RunData& run, const RunMethod& method) { return agreement(run, method, score).spearman; });
  }
  return table;
}

}  // namespace

void print_comparison(std::ostream& out, std::span<const std::filesystem::path> folders) {
  const std::vector<RunData> runs = read_runs(folders);
  const std::vector<Group> groups = groups_of_same_setting(runs);
  if (groups.size() > 1) out << "Settings: what differs\n" << differences_table(runs, groups) << '\n';
  out << "Runs\n" << runs_table(runs, groups);
  for (const Measure& measure : measures()) out << measure.name << ": " << measure.meaning << '\n';
  if (const std::string meaning = accuracy_meaning(runs); !meaning.empty()) out << meaning << '\n';
  for (std::size_t g = 0; g < groups.size(); ++g)
    if (groups[g].runs.size() > 1)
      out << "\nSetting " << g + 1 << " over " << groups[g].runs.size() << " runs\n"
          << seeds_table(runs, groups[g]);
  out << "\nScores: correlation of each agent's last score with its " << accuracy_name(runs) << " alone.\n"
      << interval_definition("+/-") << '\n';
}

}  // namespace fedval::harness
