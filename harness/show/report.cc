#include "harness/show/report.hpp"

#include <string>
#include <vector>

#include "harness/files/output_file.hpp"
#include "harness/show/comparison_section.hpp"
#include "harness/show/markup.hpp"
#include "harness/show/page_style.hpp"
#include "harness/show/run_reader.hpp"
#include "harness/show/run_section.hpp"

namespace fedval::harness {
namespace {

namespace fs = std::filesystem;

std::string page(std::span<const RunData> runs) {
  const std::string title = runs.size() == 1
                                ? "Who contributed what: " + escaped(runs.front().settings.name)
                                : "Who contributed what: " + std::to_string(runs.size()) + " runs";
  std::string body = element("h1", "Who contributed what") + "\n";
  if (runs.size() > 1) body += comparison_section(runs);
  for (std::size_t i = 0; i < runs.size(); ++i) body += run_section(runs[i], "run-" + std::to_string(i + 1));
  return "<!DOCTYPE html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
         "<meta name='viewport' content='width=device-width, initial-scale=1'>\n" +
         element("title", title) + "\n" + element("style", page_style) + "\n</head>\n" +
         element("body", "\n" + body) + "\n</html>\n";
}

}  // namespace

void write_report(std::span<const fs::path> folders, const fs::path& file) {
  const std::vector<RunData> runs = read_runs(folders);
  replace_file(file, {page(runs)});
}

}  // namespace fedval::harness
