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

// Those whose difference to the first method is judged.
constexpr std::array<std::string_view, 4> compared{"accuracy mean", "server accuracy", "best accuracy",
                                                   "mean gain"};

OverSeeds measured(const Study& study, const Group& setting, const Measure& measure,
                   const std::string& name) {
  return over_setting(study, setting, [&](const RunData& run) -> std::optional<double> {
    const RunMethod* method = find_method(run, name);
    return method ? measure.of(run, *method) : std::nullopt;
  });
}

/// "+" or "-" where a method is above or below the first one: the interval of the difference, run by run, has
/// no 0. Nothing where it has, or there is none.
std::string beyond(const OverSeeds& method, const OverSeeds& first, const Group& setting) {
  std::vector<double> differences;
  for (std::size_t i = 0; i < method.values.size(); ++i)
    if (method.values[i] && first.values[i]) differences.push_back(*method.values[i] - *first.values[i]);
  const auto found = student_interval(differences);
  if (!found || !found->half_width || !setting.seeds_differ) return "";
  return found->mean > *found->half_width ? "+" : -found->mean > *found->half_width ? "-" : "";
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
    const bool judged = std::ranges::find(compared, name) != compared.end();
    bool marked = false;
    const std::vector<std::string> methods = study_methods(study);
    for (const std::string& method : methods) {
      std::vector<std::string> row{method};
      for (std::size_t g = 0; g < study.settings.size(); ++g) {
        const Group& setting = study.settings[g];
        const OverSeeds cell = measured(study, setting, measure, method);
        const std::string mark =
            judged ? beyond(cell, measured(study, setting, measure, methods.front()), setting) : "";
        row.push_back(
            written(cell.interval, measure.digits, std::string(measure.unit), "\u00B1", setting.runs.size()) +
            (mark.empty() ? "" : " (" + mark + ")"));
        json[method][study.names[g]] = json_of(cell);
        if (!mark.empty()) json[method][study.names[g]]["beyond_first"] = mark;
        marked = marked || !mark.empty();
        there = there || cell.interval.has_value();
      }
      table.add(row);
    }
    if (!there) continue;
    section.markdown += "\n### " + markdown_text(name) + "\n\n" + markdown_paragraph(measure.meaning) + "\n" +
                        table.text() + "\n" + markdown_paragraph(seeds_note(study));
    if (marked)
      section.markdown +=
          "\n" + markdown_paragraph("(+), (-): above or below " + methods.front() +
                                    ", the 95 % interval of the difference, run by run, without 0. Of many "
                                    "comparisons one in twenty is so by chance.");
  }
  return section;
}

}  // namespace fedval::harness
