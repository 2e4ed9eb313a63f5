// Runs held against each other: groups, intervals and correlations, against numbers found by hand.
#include "harness/show/comparison.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "harness/show/groups.hpp"
#include "harness/show/measures.hpp"
#include "harness/show/run_reader.hpp"
#include "tests/harness/show/run_writer.hpp"

namespace fedval::harness {
namespace {

using namespace test_runs;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("the interval over 1, 2, 4, 5 is that of Student's table") {
  const std::vector<double> draws{1, 2, 4, 5};
  const Interval interval = student_interval(draws).value();
  CHECK(interval.mean == doctest::Approx(3));
  // s^2 = (4 + 1 + 1 + 4) / 3; t for 3 degrees of freedom is 3.182446 in the tables; 3.182446 sqrt(10 / 12)
  CHECK(interval.half_width.value() == doctest::Approx(2.905162).epsilon(1e-6));
  CHECK(written(interval, 2, " %", "+/-", 4) == "3.00 +/- 2.91 %");
  CHECK(written(interval, 2, "", "+/-", 5) == "3.00 +/- 2.91 (n = 4)");
  const std::vector<double> two{1, 3};  // s / sqrt(2) = 1; t for 1 degree of freedom is 12.7062
  CHECK(student_interval(two)->half_width.value() == doctest::Approx(12.7062).epsilon(1e-5));
  const std::vector<double> one{7};
  CHECK(student_interval(one)->mean == 7);
  CHECK_FALSE(student_interval(one)->half_width.has_value());
  CHECK_FALSE(student_interval({}).has_value());
  CHECK(written(std::optional<Interval>(), 2, "", "+/-", 1) == "-");
}

// Four agents that reach 1, 2, 3 and 4 tenths alone.
RunData four_agents() {
  RunData run;
  for (const double accuracy : {.1, .2, .3, .4}) run.agents.push_back({.standalone_accuracy = accuracy});
  return run;
}

TEST_CASE("agreement with standalone accuracy, over the agents that have a value") {
  const RunData run = four_agents();
  // Deviations -1.5 -.5 .5 1.5 and -2.75 -1.75 -.75 5.25: 12.5 / sqrt(5 x 38.75) in units that cancel.
  const std::vector<std::optional<double>> grows{1, 2, 3, 9};
  CHECK(agreement(run, grows).pearson.value() == doctest::Approx(12.5 / std::sqrt(5 * 38.75)));
  CHECK(agreement(run, grows).spearman.value() == doctest::Approx(1));
  // Ranks 1 2 3 and 1 3 2: 1 - 6 x 2 / (3 x 8).
  const std::vector<std::optional<double>> partial{1, std::nullopt, 3, 2};
  CHECK(agreement(run, partial).spearman.value() == doctest::Approx(0.5));
  const std::vector<std::optional<double>> equal{5, 5, 5, 5},
      single{std::nullopt, 1, std::nullopt, std::nullopt};
  CHECK_FALSE(agreement(run, equal).pearson.has_value());
  CHECK_FALSE(agreement(run, single).spearman.has_value());
}

TEST_CASE("the last score of an agent is the one of the last round in which it was scored") {
  const ScoreTrack track{.name = "s", .of_agent = {{{1, .5, {}}, {2, .6, {}}}, {}, {{1, .7, {}}}}};
  CHECK(last_values(track) == std::vector<std::optional<double>>{.6, std::nullopt, .7});
}

TEST_CASE("runs belong together when nothing but name, seed, threads and checkpoints differs") {
  std::vector<RunData> runs(5);
  runs[1].settings.seed = 2;
  runs[1].settings.name = "other";
  runs[1].settings.threads = 7;
  runs[1].settings.checkpoint.every = 9;
  runs[2].settings.cgsv.beta = 2;
  runs[3].settings.training.rounds = 13;
  runs[4].settings.cgsv.beta = 2;
  const std::vector<Group> groups = groups_of_same_setting(runs);
  REQUIRE(groups.size() == 3);
  CHECK(groups[0].runs == std::vector<std::size_t>{0, 1});
  CHECK(groups[0].seeds_differ);
  CHECK(groups[1].runs == std::vector<std::size_t>{2, 4});
  CHECK_FALSE(groups[1].seeds_differ);
  const std::vector<Difference> found = differences(runs, groups);
  REQUIRE(found.size() == 2);
  CHECK(found[0].key == "training.rounds");
  CHECK(found[0].values == std::vector<std::string>{"12", "12", "13"});
  CHECK(found[1].key == "cgsv.beta");
  CHECK(found[1].values == std::vector<std::string>{"1.0", "2.0", "1.0"});

  const auto seed = [](const RunData& run) { return std::optional(static_cast<double>(run.settings.seed)); };
  CHECK(over_seeds(runs, groups[0], seed)->mean == 1.5);
  CHECK(over_seeds(runs, groups[0], seed)->half_width.has_value());
  CHECK_FALSE(over_seeds(runs, groups[1], seed)->half_width.has_value());  // the same draw twice
}

TEST_CASE("fairness by loss: minus the final losses against standalone accuracies, where they were kept") {
  const Temporary folder;
  Run run = made_up({.agents = 3, .rounds = 1, .scores = 1});
  const auto measured = [&](const char* name) {
    run.write_to(folder / name);
    const RunData read = read_run(folder / name);
    const auto measure = std::ranges::find(measures(), "Pearson loss", &Measure::name);
    REQUIRE(measure != measures().end());
    return measure->of(read, *std::ranges::find(read.methods, "cgsv", &RunMethod::name));
  };
  CHECK_FALSE(measured("before").has_value());
  const double alone[] = {0.5, 0.6, 0.8};
  for (std::size_t i = 0; i < 3; ++i) run.summary["agents"][i]["standalone_accuracy"] = alone[i];
  run.summary["methods"]["cgsv"]["agent_loss"] = {0.9, 0.8, 0.6};
  CHECK(measured("falling").value() == doctest::Approx(1));
  // Deviations of (.5, .6, .8) and of (-.7, -.9, -.8): (-4, -1, 5) / 30 and (1, -1, 0) / 10.
  run.summary["methods"]["cgsv"]["agent_loss"] = {0.7, 0.9, 0.8};
  CHECK(measured("mixed").value() == doctest::Approx(-3 / std::sqrt(42.0 * 2)));
  run.summary["methods"]["cgsv"]["agent_loss"] = {nullptr, 0.9, 0.8};  // what an infinite loss is written as
  CHECK(measured("infinite").value() == doctest::Approx(1));
}

TEST_CASE("downloads: the agent with the least, those that never took part left out") {
  const Temporary folder;
  Run run = made_up({.agents = 3, .rounds = 1, .scores = 1});
  const auto measured = [&](const char* name, const char* folder_name) {
    run.write_to(folder / folder_name);
    const RunData read = read_run(folder / folder_name);
    const auto measure = std::ranges::find(measures(), name, &Measure::name);
    REQUIRE(measure != measures().end());
    return measure->of(read, *std::ranges::find(read.methods, "cgsv", &RunMethod::name));
  };
  CHECK_FALSE(measured("download min", "before").has_value());
  run.summary["methods"]["cgsv"]["download"] = {{"energy", {0.75, nullptr, 0.5}},
                                                {"entries", {0.25, nullptr, 1}}};
  CHECK(measured("download min", "energy") == 0.5);
  CHECK(measured("entries min", "entries") == 0.25);
}

TEST_CASE("the terminal shows every run, and means over seeds with their intervals") {
  const Temporary folder;
  std::vector<std::filesystem::path> paths;
  for (const std::uint64_t seed : {1, 2, 3}) {
    Run run = made_up({.agents = 4, .rounds = 2, .scores = 1, .seed = seed});
    // 0.90, 0.92, 0.94: s = .02, t for 2 degrees of freedom is 4.302653, so +/- .0497 around .92
    run.summary["methods"]["cgsv"]["server_accuracy"] = 0.88 + 0.02 * static_cast<double>(seed);
    paths.push_back(folder / std::to_string(seed));
    run.write_to(paths.back());
  }
  Run other = made_up({.agents = 4, .rounds = 2, .scores = 1});
  other.settings.spectral_fed.momentum = 0.5;
  paths.push_back(folder / "other");
  other.write_to(paths.back());
  std::ostringstream out;
  print_comparison(out, paths);
  const std::string text = out.str();
  CAPTURE(text);
  CHECK(contains(text, "spectral_fed.momentum        0.9        0.5\n"));
  for (const auto& path : paths) CHECK(contains(text, path.string() + ", spectral_fed"));
  CHECK(contains(text, "Setting 1 over 3 runs\n"));
  CHECK_FALSE(contains(text, "Setting 2 over"));
  CHECK(contains(text, "0.9200 +/- 0.0497"));
  CHECK(contains(text, "Pearson accuracy "));
  CHECK(contains(text, "CGSV psi Spearman"));
}

TEST_CASE("the terminal says what accuracy is where it is not the share that is right") {
  const Temporary folder;
  const auto shown = [&](std::vector<std::string> kinds) {
    std::vector<std::filesystem::path> paths;
    for (const std::string& kind : kinds) {
      Run run = made_up({.agents = 3, .rounds = 1, .scores = 1});
      run.settings.evaluation.accuracy = kind;
      paths.push_back(folder / (kinds.front() + kinds.back() + std::to_string(paths.size())));
      run.write_to(paths.back());
    }
    std::ostringstream out;
    print_comparison(out, paths);
    return out.str();
  };
  CHECK_FALSE(contains(shown({"plain", "plain"}), "balanced"));
  const std::string all = shown({"balanced", "balanced"}), some = shown({"plain", "balanced"});
  CHECK(contains(all, "\nAccuracy is balanced accuracy: of each class"));
  CHECK(contains(all, "its balanced accuracy alone.\n"));
  CHECK(contains(some,
                 "\nWhere evaluation.accuracy is balanced, accuracy is balanced accuracy: of each class"));
  CHECK(contains(some, "its accuracy alone.\n"));
}

}  // namespace
}  // namespace fedval::harness
