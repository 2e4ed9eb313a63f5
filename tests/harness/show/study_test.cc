// A study's files: tables, numbers and plots of run folders of every shape, whole or not there.
#include "harness/show/study.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

#include "harness/show/json_place.hpp"
#include "tests/harness/show/run_writer.hpp"
#include "tests/support/complaint.hpp"

namespace fedval::harness {
namespace {

using namespace test_runs;
using tests::complaint_of;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

struct Files {
  std::string markdown, pearson, attacks;
  OrderedJson json;
};

// "run &" is a name that a folder may have.
std::vector<std::filesystem::path> written(const Temporary& folder, const std::vector<Run>& runs) {
  std::vector<std::filesystem::path> paths;
  for (const Run& run : runs) {
    paths.push_back(folder / ("run & " + std::to_string(paths.size())));
    run.write_to(paths.back());
  }
  return paths;
}

Files files_of(const std::vector<Run>& runs) {
  const Temporary folder;
  write_study(written(folder, runs), folder / "study");
  return {.markdown = read(folder / "study.md"),
          .pearson = read(folder / "study-pearson.svg"),
          .attacks = read(folder / "study-attacks.svg"),
          .json = parse_json(read(folder / "study.json"), "study.json")};
}

// Every row of a table has as many cells as the row above it, and all lines of it end at the same place.
void check_tables(const std::string& markdown) {
  std::istringstream lines(markdown);
  std::size_t cells = 0, end = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with('|')) {
      cells = 0;
      CHECK(line.size() <= 330);  // a plot's description is one line
      continue;
    }
    std::size_t found = 0, width = 0;
    for (std::size_t i = 0; i < line.size(); ++i) {
      found += line[i] == '|' && (i == 0 || line[i - 1] != '\\');
      width += (static_cast<unsigned char>(line[i]) & 0xC0U) != 0x80U;
    }
    if (cells > 0) {
      CHECK(found == cells);
      CHECK(width == end);
    }
    cells = found;
    end = width;
  }
}

Run with_attack(Run run, std::size_t agents) {
  std::vector<std::pair<std::string, std::vector<Json>>> scores;
  for (const auto& [name, entry] : run.summary["methods"]["fedavg"]["scores"].items())
    scores.emplace_back(name, std::vector<Json>(agents, 0.5));
  add_attack(run, "fedavg", "sign_flip", 1, scores);
  return run;
}

TEST_CASE("a study of several settings and numbers of agents") {
  std::vector<Run> runs;
  for (const std::size_t agents : {3, 5})
    for (const std::uint64_t seed : {1, 2, 3})
      runs.push_back(
          with_attack(made_up({.agents = agents, .rounds = 2, .scores = 2, .seed = seed}), agents));
  runs[0].summary["versions"]["fedval"] = "1";
  Json& first = runs[0].summary["methods"]["cgsv"];
  first["agent_loss"] = {0.5, 0.4, 0.3};
  first["download"] = {{"energy", {0.9, 1.0, 1.0}}, {"entries", {0.5, 0.6, 1.0}}};
  first["split"] = {{"queries", 3.0}};
  first["bytes"] = {{"seed", 16000}};
  const Files files = files_of(runs);
  check_tables(files.markdown);
  for (const char* part :
       {"# 6 runs of 2 settings\n", "Wall time of the runs together: 6 min 3 s.\n",
        "Built from: fedval 1 and 0; compiler 12.\n", "## Summary\n", "N = 3 ", "### Pearson loss\n",
        "### mean gain\n", "### gain spread\n", "### download min\n", "### Spearman\n",
        "## Scores under attack\n", "## Cost\n", "n = 3 runs a setting", "](<study-pearson.svg>)",
        "](<study-attacks.svg>)", "](<study-accuracy.svg>)", "### sent\n", "### Of phases\n", "### Bytes\n"})
    CHECK_MESSAGE(contains(files.markdown, part), part);
  CHECK_FALSE(contains(files.markdown, "retrained coalitions\n"));  // the section's heading
  std::vector<std::string> keys;
  for (const auto& [key, value] : files.json.items()) keys.push_back(key);
  CHECK(keys == std::vector<std::string>{"runs", "wall_seconds", "versions", "settings", "summary", "methods",
                                         "scores", "attacks", "cost"});
  CHECK(files.json["runs"][4].dump() == R"({"folder":"run & 4","setting":"N = 5","seed":2})");
  CHECK(files.json["settings"][1]["seeds"].dump() == "[1,2,3]");
  CHECK(files.json["versions"].dump() == R"({"fedval":["1","0"],"compiler":"12"})");
  CHECK(files.json["methods"]["server accuracy"]["cgsv"]["N = 3"]["values"].size() == 3);
  CHECK(files.json["cost"]["milliseconds_of_phases"]["cgsv"]["queries"]["median"] == 1500);  // of two rounds
  CHECK(files.json["cost"]["kilobytes"]["cgsv"]["seed"]["median"] == 8);
  for (const std::string& svg : {files.pearson, files.attacks}) {
    CHECK(svg.starts_with("<svg xmlns='http://www.w3.org/2000/svg'"));
    CHECK(contains(svg, "CGSV psi"));
    CHECK(svg.ends_with("</svg>\n"));
  }
  CHECK(contains(files.pearson, "N = 5"));
  CHECK(contains(files.attacks, "sign_flip"));
}

TEST_CASE("a study says what accuracy is where it is not the share that is right") {
  std::vector<Run> runs;
  for (const std::uint64_t seed : {1, 2})
    runs.push_back(made_up({.agents = 3, .rounds = 2, .scores = 1, .seed = seed}));
  const Files plain = files_of(runs);
  CHECK_FALSE(contains(plain.markdown, "balanced"));
  CHECK_FALSE(plain.json.contains("accuracy_meaning"));
  for (Run& run : runs) run.settings.evaluation.accuracy = "balanced";
  const Files balanced = files_of(runs);
  check_tables(balanced.markdown);
  CHECK(contains(balanced.markdown, "\nAccuracy is balanced accuracy: of each class"));
  CHECK(contains(balanced.markdown, "Test balanced accuracy of the server's model"));
  CHECK(contains(balanced.pearson, "standalone balanced accuracy"));
  CHECK(balanced.json["accuracy_meaning"].get<std::string>().starts_with("Accuracy is balanced accuracy"));
}

TEST_CASE("methods are marked where the difference to the first one, run by run, has an interval without 0") {
  const double base[] = {.80, .70, .60}, above[] = {.10, .12, .11}, either[] = {-.05, .02, .01};
  std::vector<Run> runs;
  for (const std::uint64_t seed : {1, 2, 3}) {
    runs.push_back(made_up({.agents = 3, .rounds = 2, .scores = 1, .seed = seed}));
    Json& methods = runs.back().summary["methods"];
    methods["fedavg"]["server_accuracy"] = base[seed - 1];
    methods["cgsv"]["server_accuracy"] = base[seed - 1] + above[seed - 1];
    methods["spectral_fed"]["server_accuracy"] = base[seed - 1] + either[seed - 1];
  }
  // .11 +- 4.302653 x .01 / sqrt(3), although the accuracies themselves differ by more from seed to seed.
  const auto table = [&] { return files_of(runs).json["methods"]["server accuracy"]; };
  CHECK(table()["cgsv"]["all runs"]["beyond_first"] == "+");
  CHECK_FALSE(table()["spectral_fed"]["all runs"].contains("beyond_first"));
  CHECK_FALSE(table()["fedavg"]["all runs"].contains("beyond_first"));
  CHECK(contains(files_of(runs).markdown, "0.8100 \u00B1 0.2370 (+) |"));
  for (std::size_t i = 0; i < 3; ++i)
    runs[i].summary["methods"]["cgsv"]["server_accuracy"] = base[i] - above[i];
  CHECK(table()["cgsv"]["all runs"]["beyond_first"] == "-");
  runs[2].settings.seed = 2;  // no longer a sample of seeds
  runs[2].summary["seed"] = 2;
  CHECK_FALSE(table()["cgsv"]["all runs"].contains("beyond_first"));
}

TEST_CASE("one run, and runs with little in them") {
  const Files one = files_of({made_up({.agents = 3, .rounds = 2, .scores = 1})});
  check_tables(one.markdown);
  CHECK(contains(one.markdown, "# 1 run of 1 setting\n"));
  CHECK(contains(one.markdown, "| all runs |"));
  CHECK(one.attacks.empty());
  for (const char* part :
       {"### Pearson loss", "### download min", "### sent", "### Of phases", "accuracy.svg"})
    CHECK_FALSE_MESSAGE(contains(one.markdown, part), part);
  CHECK_FALSE(one.json.contains("attacks"));
  CHECK_FALSE(contains(one.markdown, " \u00B1 0"));
  const Files bare = files_of({made_up({.agents = 1, .rounds = 1, .scores = 0})});
  check_tables(bare.markdown);
  CHECK(bare.pearson.empty());
  CHECK_FALSE(contains(bare.markdown, "## Summary"));
  Run nobody = made_up({.agents = 3, .rounds = 1, .scores = 1, .equal_accuracies = true});
  nobody.scores = "method,round,score,agent,value,variance\n";
  const Files empty = files_of({with_attack(nobody, 3)});
  check_tables(empty.markdown);
  CHECK(empty.json["summary"]["CGSV psi"]["fairness"].is_null());
  CHECK(contains(empty.markdown, "- (0)"));
  CHECK(empty.pearson.ends_with("</svg>\n"));
}

TEST_CASE("hostile names are text in every file") {
  const std::string hostile = "a<b'&\"|`*[x](y) $END 5%q%g";
  const Run run = made_up({.agents = 3, .rounds = 1, .scores = 1, .score_names = {hostile}});
  const Files files = files_of({with_attack(run, 3)});
  check_tables(files.markdown);
  CHECK(contains(files.markdown, "| a\\<b'\\&\"\\|\\`\\*\\[x\\](y) \\$END 5%q%g |"));
  CHECK(files.json["summary"].contains(hostile));
  for (const std::string& svg : {files.pearson, files.attacks}) {
    CHECK(contains(svg, "a&lt;b'&amp;"));
    CHECK(contains(svg, "5%q%g"));
  }
  CHECK_FALSE(contains(files.attacks, "a<b"));
}

TEST_CASE("the terminal shows the same text without plots") {
  const Temporary folder;
  const auto paths = written(folder, {made_up({.agents = 3, .rounds = 2, .scores = 1})});
  write_study(paths, folder / "study");
  std::ostringstream out;
  print_study(out, paths);
  const std::string whole = read(folder / "study.md");
  CHECK(out.str() == whole.substr(0, whole.find("\n## Plots\n")));
  CHECK(out.str().size() < whole.size());
}

TEST_CASE("the folder of a study's files is made") {
  const Temporary folder;
  const auto paths = written(folder, {made_up({.agents = 3, .rounds = 1, .scores = 1})});
  write_study(paths, folder / "some" / "where" / "study");
  CHECK(contains(read(folder / "some" / "where" / "study.md"), "# 1 run"));
}

TEST_CASE("a study that fails leaves what was there, and nothing else") {
  const Temporary folder;
  Run run = made_up({.agents = 2, .rounds = 1, .scores = 1});
  const auto paths = written(folder, {run});
  write(folder / "study.md", "old");
  run.summary["seed"] = 9;
  run.write_to(paths[0]);
  CHECK(contains(complaint_of([&] { write_study(paths, folder / "study"); }), "seed is 9"));
  run.summary["seed"] = 1;
  run.write_to(paths[0]);
  const std::string path = getenv("PATH");
  setenv("PATH", "/nowhere", 1);
  CHECK(contains(complaint_of([&] { write_study(paths, folder / "study"); }), "gnuplot"));
  setenv("PATH", path.c_str(), 1);
  CHECK(contains(complaint_of([&] { write_study(paths, (folder / "study.md") / "in" / "study"); }),
                 "study.md/in: cannot be made: "));
  CHECK(complaint_of([&] { write_study({}, folder / "study"); }) == "no run folder was given");
  CHECK(read(folder / "study.md") == "old");
  const auto files = [&] {
    return std::distance(std::filesystem::directory_iterator(folder / ""),
                         std::filesystem::directory_iterator());
  };
  CHECK(files() == 2);
  std::filesystem::create_directory(folder / "study.json");  // in the way of a file
  CHECK(
      contains(complaint_of([&] { write_study(paths, folder / "study"); }), "study.json: cannot be written"));
  CHECK(read(folder / "study.md") == "old");
  std::filesystem::remove(folder / "study.json");
  write_study(paths, folder / "study");
  CHECK(files() == 4);  // the run, and three files
}

}  // namespace
}  // namespace fedval::harness
