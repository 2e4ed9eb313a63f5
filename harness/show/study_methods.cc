#include "harness/show/study_methods.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "harness/show/markdown.hpp"
#include "harness/show/measures.hpp"
#include "harness/show/study_names.hpp"

namespace fedval::harness {
namespace {

// Ranks and times have their own sections.
constexpr std::array<std::string_view, 12> shown{
    "accuracy mean", "accuracy max", "server accuracy", "best accuracy", "Pearson accuracy", "Pearson loss",
    "mean gain",     "gain spread",  "entries min",     "download min",  "Pearson credit",   "sent"};

OverSeeds measured(const Study& study, const Group& setting, const Measure& measure,
                   const std::string& name) {
  return over_setting(study, setting, [&](const RunData& run) -> std::optional<double> {
    const RunMethod* method = find_method(run, name);
    return method ? measure.of(run, *method) : std::nullopt;
  });
}

}  // namespace

std::string seeds_note(const Study& study) {
  std::size_t least = study.runs.size(), most = 0;
  for (const Group& setting : study.settings) {
    least = std::min(least, setting.runs.size());
    most = std::max(most, setting.runs.size());
  }
  const std::string runs =
      least == most ? counted(most, "run") : std::to_string(least) + " to " + counted(most, "run");
  return "n = " + runs +
         " a setting (seeds: see Settings); fewer where (n = ...) says so. A dash: no run has " +
         "the number, or it is undefined.";
}

StudySection methods_section(const Study& study) {
  StudySection section{.markdown = "## Methods that steer\n", .json = OrderedJson::object()};
  std::vector<std::string> header{"method"};
  header.insert(header.end(), study.names.begin(), study.names.end());
  for (const std::string_view name : shown) {
    const Measure& measure = *std::ranges::find(measures(), name, &Measure::name);
    OrderedJson& json = section.json[std::string(name)] = OrderedJson::object();
    MarkdownTable table(header);
    bool there = false;  // runs that were made before a number was kept have no table of it
    for (const std::string& method : study_methods(study)) {
      std::vector<std::string> row{method};
      for (std::size_t g = 0; g < study.settings.size(); ++g) {
        const Group& setting = study.settings[g];
        const OverSeeds cell = measured(study, setting, measure, method);
        row.push_back(
            written(cell.interval, measure.digits, std::string(measure.unit), "\u00B1", setting.runs.size()));
        json[method][study.names[g]] = json_of(cell);
        there = there || cell.interval.has_value();
      }
      table.add(row);
    }
    if (!there) continue;
    section.markdown += "\n### " + markdown_text(name) + "\n\n" + markdown_paragraph(measure.meaning) + "\n" +
                        table.text() + "\n" + markdown_paragraph(seeds_note(study));
  }
  return section;
}

}  // namespace fedval::harness
