#include "harness/show/study_settings.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "harness/show/markdown.hpp"
#include "harness/show/markup.hpp"
#include "harness/show/study_names.hpp"

namespace fedval::harness {
namespace {

std::string folder_name(const std::filesystem::path& folder) {
  return plain(std::filesystem::weakly_canonical(folder).filename().string());
}

}  // namespace

StudySection settings_section(const Study& study) {
  std::vector<std::string> header{"setting", "runs", "seeds", "agents"};
  for (const Difference& difference : study.differences) header.push_back(difference.key);
  MarkdownTable table(header);
  StudySection section;
  for (std::size_t g = 0; g < study.settings.size(); ++g) {
    const Group& setting = study.settings[g];
    std::string seeds;
    OrderedJson json{{"name", study.names[g]},
                     {"runs", setting.runs},
                     {"agents", study.runs[setting.runs.front()].agents.size()}};
    for (const std::size_t i : setting.runs) {
      seeds += (seeds.empty() ? "" : ", ") + std::to_string(study.runs[i].settings.seed);
      json["seeds"].push_back(study.runs[i].settings.seed);
    }
    std::vector<std::string> row{study.names[g], std::to_string(setting.runs.size()), seeds,
                                 std::to_string(study.runs[setting.runs.front()].agents.size())};
    for (const Difference& difference : study.differences) {
      row.push_back(unquoted(difference.values[g]));
      json["differs_in"][difference.key] = unquoted(difference.values[g]);
    }
    table.add(row);
    section.json.push_back(json);
  }
  section.markdown = markdown_part("## Settings", table.text(), interval_definition("\u00B1"));
  return section;
}

OrderedJson runs_json(const Study& study) {
  OrderedJson list = OrderedJson::array();
  for (std::size_t i = 0; i < study.runs.size(); ++i)
    for (std::size_t g = 0; g < study.settings.size(); ++g)
      if (std::ranges::count(study.settings[g].runs, i) > 0)
        list.push_back({{"folder", folder_name(study.runs[i].folder)},
                        {"setting", study.names[g]},
                        {"seed", study.runs[i].settings.seed}});
  return list;
}

// Each thing's version; all of them where runs differ.
StudySection versions_section(const Study& study) {
  std::vector<std::pair<std::string, std::vector<std::string>>> versions;
  for (const RunData& run : study.runs)
    for (const auto& [name, version] : run.versions) {
      auto place = std::find_if(versions.begin(), versions.end(),
                                [&, &name = name](const auto& v) { return v.first == name; });
      if (place == versions.end()) place = versions.insert(place, {name, {}});
      if (std::ranges::count(place->second, version) == 0) place->second.push_back(version);
    }
  StudySection section{.markdown = {}, .json = OrderedJson::object()};
  for (const auto& [name, all] : versions) {
    section.json[name] = all.size() == 1 ? OrderedJson(all.front()) : OrderedJson(all);
    section.markdown += (section.markdown.empty() ? "Built from: " : "; ") + name;
    for (std::size_t v = 0; v < all.size(); ++v) section.markdown += (v == 0 ? " " : " and ") + all[v];
  }
  if (!section.markdown.empty()) section.markdown = markdown_paragraph(section.markdown + ".");
  return section;
}

}  // namespace fedval::harness
