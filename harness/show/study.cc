#include "harness/show/study.hpp"

#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "fedval/error.hpp"
#include "harness/files/output_file.hpp"
#include "harness/report/wording.hpp"
#include "harness/show/markdown.hpp"
#include "harness/show/measures.hpp"
#include "harness/show/run_reader.hpp"
#include "harness/show/study_attacks.hpp"
#include "harness/show/study_cost.hpp"
#include "harness/show/study_data.hpp"
#include "harness/show/study_json.hpp"
#include "harness/show/study_methods.hpp"
#include "harness/show/study_names.hpp"
#include "harness/show/study_plots.hpp"
#include "harness/show/study_scores.hpp"
#include "harness/show/study_settings.hpp"
#include "harness/show/study_summary.hpp"
#include "harness/show/study_truth.hpp"

namespace fedval::harness {
namespace {

namespace fs = std::filesystem;

struct Findings {
  Study study;
  ScoreAgreements scores = score_agreements(study);
  TruthComparison truth = against_truth(study);
  AttackResults attacks = attack_results(study);
  StudyCosts costs = study_costs(study);
};

Findings findings_of(std::span<const fs::path> folders) { return {.study = study_of(read_runs(folders))}; }

struct Plot {
  fs::path file;
  std::string markdown, svg;
};

fs::path with_end(const fs::path& prefix, const char* end) { return fs::path(prefix).concat(end); }

Plot plot_of(const fs::path& prefix, const char* end, const std::string& caption, std::string svg) {
  fs::path file = with_end(prefix, end);
  const std::string link = markdown_text(file.filename().string());
  return {std::move(file),
          "![" + markdown_text(caption) + "](<" + link + ">)\n\n" + markdown_paragraph(caption),
          std::move(svg)};
}

std::vector<Plot> plots_of(const Findings& found, const fs::path& prefix) {
  const std::string accuracy = accuracy_name(found.study.runs);
  std::vector<Plot> plots;
  if (!found.scores.scores.empty())
    plots.push_back(plot_of(prefix, "-pearson.svg",
                            "Pearson correlation of each score with standalone " + accuracy +
                                ": mean over seeds and its 95 % interval, cut at 1, by setting.",
                            pearson_plot(found.study, found.scores)));
  if (found.study.runs.size() > 1)
    plots.push_back(
        plot_of(prefix, "-accuracy.svg",
                "Test " + accuracy +
                    " of the server's model after the last round: mean over seeds and its 95 % interval, cut "
                    "at 1, by method.",
                accuracy_plot(found.study)));
  if (!found.attacks.kinds.empty() && !found.attacks.scores.empty())
    plots.push_back(plot_of(prefix, "-attacks.svg",
                            "What an attacker earns, relative to its honest twin: blue below 1, white 1, "
                            "orange above, the same from 4 on; grey where undefined.",
                            attack_plot(found.attacks)));
  return plots;
}

std::vector<std::pair<std::string, StudySection>> sections_of(const Findings& found) {
  const Study& study = found.study;
  return {{"versions", versions_section(study)},
          {"settings", settings_section(study)},
          {"summary", summary_section(study, found.truth, found.attacks, found.costs)},
          {"methods", methods_section(study)},
          {"scores", scores_section(study, found.scores)},
          {"truth", truth_section(study, found.truth)},
          {"attacks", attacks_section(study, found.attacks)},
          {"cost", cost_section(study, found.costs)}};
}

double wall_seconds(const Study& study) {
  double sum = 0;
  for (const RunData& run : study.runs) sum += run.seconds;
  return sum;
}

std::string document(const Findings& found, const std::vector<Plot>& plots) {
  std::string text =
      "# " + counted(found.study.runs.size(), "run") + " of " +
      counted(found.study.settings.size(), "setting") + "\n\n" +
      markdown_paragraph("Wall time of the runs together: " + duration(wall_seconds(found.study)) + ".");
  if (const std::string meaning = accuracy_meaning(found.study.runs); !meaning.empty())
    text += "\n" + markdown_paragraph(meaning);
  for (const auto& [name, section] : sections_of(found))
    if (!section.markdown.empty()) text += "\n" + section.markdown;
  if (!plots.empty()) text += "\n## Plots\n";
  for (const Plot& plot : plots) text += "\n" + plot.markdown;
  return text;
}

std::string numbers(const Findings& found) {
  OrderedJson json{{"runs", runs_json(found.study)}, {"wall_seconds", wall_seconds(found.study)}};
  if (const std::string meaning = accuracy_meaning(found.study.runs); !meaning.empty())
    json["accuracy_meaning"] = meaning;
  for (const auto& [name, section] : sections_of(found))
    if (!section.json.is_null()) json[name] = section.json;
  return laid_out(json);
}

}  // namespace

void write_study(std::span<const fs::path> folders, const fs::path& prefix) {
  const Findings found = findings_of(folders);
  const std::vector<Plot> plots = plots_of(found, prefix);
  const std::string text = document(found, plots), json = numbers(found);
  std::error_code error;
  if (prefix.has_parent_path()) fs::create_directories(prefix.parent_path(), error);
  if (error) fail(prefix.parent_path().string(), ": cannot be made: ", error.message());
  for (const Plot& plot : plots) replace_file(plot.file, {plot.svg});
  replace_file(with_end(prefix, ".json"), {json});
  replace_file(with_end(prefix, ".md"), {text});
}

void print_study(std::ostream& out, std::span<const fs::path> folders) {
  out << document(findings_of(folders), {});
}

}  // namespace fedval::harness
