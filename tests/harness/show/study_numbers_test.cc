// What a study's sections find: correlations, attacks, truth, cost and who is best, against numbers by hand.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "harness/show/run_reader.hpp"
#include "harness/show/study_attacks.hpp"
#include "harness/show/study_cost.hpp"
#include "harness/show/study_scores.hpp"
#include "harness/show/study_summary.hpp"
#include "harness/show/study_truth.hpp"
#include "tests/harness/show/run_writer.hpp"

namespace fedval::harness {
namespace {

using namespace test_runs;
using doctest::Approx;
using Scores = std::vector<std::pair<std::string, std::vector<Json>>>;
using Values = std::vector<std::optional<double>>;

// Agents that reach .1, .2, ... alone, the same scores in the rounds of every method.
Run run_with(std::uint64_t seed, const Scores& scores, std::size_t agents = 4) {
  Run run = made_up({.agents = agents, .rounds = 2, .scores = 0, .seed = seed});
  for (std::size_t i = 0; i < agents; ++i)
    run.summary["agents"][i]["standalone_accuracy"] = 0.1 * static_cast<double>(i + 1);
  for (const std::string& method : run.settings.methods.run) set_scores(run, method, scores);
  return run;
}

// Whether a table has this row, in which cells may be padded.
bool has_row(const StudySection& section, const std::string& row) {
  std::string text;
  for (const char byte : section.markdown)
    if (byte != ' ' || !text.ends_with(' ')) text += byte;
  return text.find("\n" + row + "\n") != std::string::npos;
}

Study study_of_runs(const std::vector<Run>& runs) {
  const Temporary folder;
  std::vector<std::filesystem::path> paths;
  for (const Run& run : runs) {
    paths.push_back(folder / std::to_string(paths.size()));
    run.write_to(paths.back());
  }
  return study_of(read_runs(paths));
}

const std::vector<Json> ascending{1, 2, 3, 4}, descending{4, 3, 2, 1};

TEST_CASE("scores by setting: means over seeds, the settings' mean and the worst") {
  std::vector<Run> runs{run_with(1, {{"bad", descending}}), run_with(2, {{"bad", ascending}}),
                        run_with(1, {{"bad", {1, 2, 3, 9}}})};
  for (std::size_t i : {0, 1}) runs[i].settings.partition.kind = "pow";
  set_scores(runs[2], "cgsv", {{"bad", descending}});
  const Study study = study_of_runs(runs);
  CHECK(study.names == std::vector<std::string>{"pow", "uni"});
  const ScoreAgreements found = score_agreements(study);
  REQUIRE(found.scores == std::vector<std::string>{"bad"});
  CHECK(found.pearson[0][0].interval->mean == Approx(0));
  CHECK(*found.pearson[0][0].interval->half_width ==
        Approx(12.7062).epsilon(1e-5));  // t s / sqrt 2, s = sqrt 2
  CHECK(found.pearson[0][0].values == Values{-1, 1});
  CHECK(found.pearson[0][1].interval->mean == Approx(12.5 / std::sqrt(5 * 38.75)));
  CHECK_FALSE(found.pearson[0][1].interval->half_width.has_value());
  CHECK(found.spearman[0][1].interval->mean == Approx(1));
  const StudySection section = scores_section(study, found);
  CHECK(has_row(section, "| bad | 0.000 \u00B1 12.706 | 0.898 | 0.449 | 0.000 (pow) |"));
  CHECK(section.markdown.find("first method of each run (fedavg)") != std::string::npos);
  CHECK(section.json["pearson"]["fedavg"]["bad"]["uni"].dump() ==
        "{\"mean\":0.89803,\"n\":1,\"values\":[0.89803]}");
  CHECK(section.json["pearson"]["cgsv"]["bad"]["uni"]["mean"] == -1);  // others are in the JSON only
}

TEST_CASE("scores of settings with attackers inside are shown, but count for no mean") {
  std::vector<Run> runs{run_with(1, {{"s", ascending}}), run_with(1, {{"s", descending}})};
  runs[1].settings.attack = {.kinds = {"zero"}, .agents = {1}, .role = "inside"};
  for (Run& run : runs) add_truth(run, {1, 2, 3, 4}, {1, 2, 3, 4});
  const Study study = study_of_runs(runs);
  const StudySection section = scores_section(study, score_agreements(study));
  CHECK(has_row(section, "| s | 1.000 | -1.000 | 1.000 | 1.000 (role = beside) |"));
  CHECK(attacks_section(study, attack_results(study)).markdown.empty());
  CHECK(fairness(study, {"s"})[0].pearson->mean == 1);
  CHECK(fairness(study, {"s"})[0].pearson->count == 1);
  CHECK(against_truth(study).runs == std::vector<std::size_t>{0});
}

TEST_CASE("an attacker's share against its honest twin's") {
  CHECK(positive_shares({1, -2, std::nullopt, 3}) == Values{0.25, 0, std::nullopt, 0.75});
  CHECK(positive_shares({0, -1}) == Values{std::nullopt, std::nullopt});
  const Scores honest{{"s", ascending}, {"zero", {0, 2, 3, 4}}};
  std::vector<Run> runs{run_with(1, honest), run_with(2, honest), run_with(3, {{"s", ascending}})};
  // s: the share was 1/10. Attacked 3/12 with the others' order kept, then 0 with their order reversed.
  add_attack(runs[0], "fedavg", "copy", 1, {{"s", {3, 2, 3, 4}}, {"zero", {1, 2, 3, 4}}});
  add_attack(runs[0], "fedavg", "zero", 1, {{"s", ascending}, {"zero", {0, 0, 0, -1}}});
  add_attack(runs[1], "fedavg", "copy", 1, {{"s", {-1, 4, 3, 2}}, {"zero", {nullptr, 2, 3, 4}}});
  add_attack(runs[2], "fedavg", "zero", 4, {{"s", {1, 1, 1, 4 * (1 + 1e-11)}}});
  const Study study = study_of_runs(runs);
  const AttackResults found = attack_results(study);
  REQUIRE(found.kinds == std::vector<std::string>{"copy", "zero"});
  const AttackEffects &copy = found.effects[0][0], &zero = found.effects[0][1];
  REQUIRE(copy.ratio.size() == 2);
  CHECK(*copy.ratio[0] == Approx(2.5));
  CHECK(*copy.ratio[1] == 0);
  CHECK(*copy.moved[0] == Approx(0));
  CHECK(*copy.moved[1] == Approx(2));
  CHECK(copy.more == 1);
  CHECK(copy.compared == 2);
  // 1 at agent 1; 4 / 7 against 4 / 10 at agent 4, where the equal scores of the others have no order.
  CHECK(*zero.ratio[0] == 1);
  CHECK(*zero.ratio[1] == Approx(10.0 / 7));
  CHECK(zero.more == 1);
  CHECK_FALSE(zero.moved[1].has_value());
  // The twin earns 0: no ratio, but more is more; a missing score and a world where nobody earns compare to
  // nothing.
  const AttackEffects &nothing = found.effects[1][0], &world = found.effects[1][1];
  CHECK(defined(nothing.ratio).empty());
  CHECK(nothing.cases == 2);
  CHECK(nothing.compared == 1);
  CHECK(nothing.more == 1);
  CHECK(world.ratio.size() == 2);
  CHECK(world.cases == 1);  // the third run does not read it
  CHECK(world.compared == 0);
  CHECK(found.kinds[*worst_attack(found, 0)] == "copy");
  CHECK_FALSE(worst_attack(found, 1).has_value());

  const StudySection section = attacks_section(study, found);
  CAPTURE(section.markdown);
  for (const char* row : {"| s | 1.25 | 1.21 | 1.25 (copy) |", "| zero | - (0) | - (0) | - |",
                          "| s | 1 of 2 | 1 of 2 |", "| zero | 1 of 1 | - |", "| s | 1.000 | 0.000 (1) |"})
    CHECK_MESSAGE(has_row(section, row), row);
  CHECK(section.markdown.find("Of all 7 ratios in this table 3 are undefined: 2 because") !=
        std::string::npos);
  CHECK(section.json["cases"]["zero"].dump() == R"([{"run":0,"agent":"1"},{"run":2,"agent":"4"}])");
  CHECK(section.json["scores"]["s"]["copy"].dump() ==
        R"({"mean_ratio":1.25,"undefined":0,"earned_more":1,"compared":2,"mean_moved":1.0,"ratio":[2.5,0.0],)"
        R"("moved":[0.0,2.0]})");
}

TEST_CASE("more is more than a share's rounding, and than nothing") {
  const auto earned_more = [](const std::vector<Json>& honest, const std::vector<Json>& attacked) {
    Run run = run_with(1, {{"s", honest}});
    add_attack(run, "fedavg", "copy", 4, {{"s", attacked}});
    return attack_results(study_of_runs({run})).effects[0][0].more;
  };
  CHECK(earned_more(ascending, {1, 2, 3, 4 * (1 + 1e-11)}) == 0);
  CHECK(earned_more(ascending, {1, 2, 3, 4 * (1 + 1e-7)}) == 1);
  CHECK(earned_more({1, 2, 3, 0}, {1, 2, 3, -1}) == 0);
}

TEST_CASE("scores against the Shapley value of retrained coalitions") {
  std::vector<Run> runs;
  for (const std::uint64_t seed : {1, 2, 3}) {
    runs.push_back(run_with(seed, {{"s", ascending}, {"flat", {1, 1, 1, 1}}}));
    // Pearson and Spearman of 1 2 3 4 and 1 2 4 3 are .8, Kendall is (5 - 1) / 6.
    add_truth(runs.back(), seed == 1 ? std::vector<double>{1, 2, 3, 4} : std::vector<double>{1, 2, 4, 3},
              {-1, -2, -3, -4});
    for (std::size_t i = 0; i < 4; ++i) runs.back().summary["agents"][i]["samples"] = i == 0 ? 9 : i;
  }
  runs.push_back(run_with(4, {{"s", ascending}}));  // without a truth
  const Study study = study_of_runs(runs);
  const TruthComparison found = against_truth(study);
  CHECK(found.runs == std::vector<std::size_t>{0, 1, 2});
  REQUIRE(found.names == std::vector<std::string>{"s", "flat", "standalone accuracy", "number of examples"});
  const Resampled& spearman = found.by_accuracy[0].spearman;
  CHECK(*spearman.mean == Approx(2.6 / 3));
  CHECK(*found.by_accuracy[0].pearson.mean == Approx(2.6 / 3));
  CHECK(*found.by_accuracy[0].kendall.mean == Approx((1 + 4.0 / 6 + 4.0 / 6) / 3));
  CHECK(*spearman.low >= 0.8 - 1e-12);
  CHECK(*spearman.low < *spearman.mean);
  CHECK(*spearman.high > *spearman.mean);
  CHECK(*spearman.high <= 1 + 1e-12);
  CHECK_FALSE(found.by_accuracy[1].pearson.mean.has_value());
  CHECK(*found.by_loss[0].kendall.mean == Approx(-1));
  CHECK(*found.by_loss[0].kendall.low == *found.by_loss[0].kendall.high);  // all runs agree
  CHECK(*found.by_accuracy[2].spearman.mean == Approx(2.6 / 3));
  // 9 1 2 3 against 1 2 3 4 has ranks 4 1 2 3: 1 - 6 (9 + 1 + 1 + 1) / 60; against 1 2 4 3: squares 9 1 4 0.
  CHECK(*found.by_accuracy[3].spearman.mean == Approx((-0.2 - 0.4 - 0.4) / 3));
  const StudySection section = truth_section(study, found);
  CHECK(section.markdown.find("n = 3 runs with retrained") != std::string::npos);
  CHECK(has_row(section, "| flat | - | - | - |"));
  CHECK(section.json["by_accuracy"]["s"]["spearman"]["values"].dump() == "[1.0,0.8,0.8]");
  CHECK(truth_section(study_of_runs({runs[3]}), against_truth(study_of_runs({runs[3]}))).markdown.empty());
  CHECK_FALSE(against_truth(study_of_runs({runs[0]})).by_accuracy[0].spearman.low.has_value());
}

TEST_CASE("cost: medians over runs, without those in which attackers train where there are others") {
  std::vector<Run> runs;
  for (const auto& [seed, seconds] : {std::pair(1, .12), {2, .24}, {3, .6}, {4, 6.0}}) {
    runs.push_back(run_with(static_cast<std::uint64_t>(seed), {{"s", ascending}, {"t", ascending}}));
    runs.back().summary["methods"]["fedavg"]["scores"]["s"]["seconds"] = seconds;
  }
  const StudyCosts four = study_costs(study_of_runs(runs));
  CHECK(*four.milliseconds[0].median == Approx(210));  // of 60, 120, 300 and 3000
  CHECK(*four.of_training[0].median == Approx(17.5));  // of 2.4 s: 5, 10, 25 and 250 %
  CHECK_FALSE(four.milliseconds[1].median.has_value());
  CHECK(*four.valuation[1].median == Approx(100 * .2 / 1.5));
  runs[3].settings.attack = {.kinds = {"label_flip"}, .agents = {1}};
  const Study study = study_of_runs(runs);
  const StudyCosts three = study_costs(study);
  CHECK(*three.milliseconds[0].median == Approx(210));
  CHECK(*three.of_training[0].median == Approx(10));
  const StudySection section = cost_section(study, three);
  CHECK(has_row(section, "| s | 210.00 | 10.000 % (n = 3) |"));
  CHECK(has_row(section, "| t | - | - |"));
  CHECK(*study_costs(study_of_runs({runs[3]})).of_training[0].median == Approx(250));
}

TEST_CASE("the best score, and those that tie with it run by run") {
  std::vector<Run> runs;
  for (const std::uint64_t seed : {1, 2, 3})
    runs.push_back(run_with(seed, {{"best", ascending},
                                   {"tied", seed == 2 ? std::vector<Json>{1, 2, 4, 3} : ascending},
                                   {"behind", {1, 2, 4, 3}},
                                   {"equal", {2, 4, 6, 8}},
                                   {"flat", {1, 1, 1, 1}}}));
  const Study study = study_of_runs(runs);
  const std::vector<Fairness> found = fairness(study, study_scores(study));
  CHECK(found[0].best());
  // Behind the best by 0, .2, 0: mean .0667, s = .11547, 4.302653 s / sqrt 3 = .2868; so nobody is ahead.
  CHECK(found[1].best());
  CHECK_FALSE(found[1].ahead.has_value());
  CHECK_FALSE(found[2].best());  // .2 behind in every run
  CHECK(found[2].ahead->score == 0);
  CHECK(found[2].ahead->difference.mean == Approx(0.2));
  CHECK(found[2].ahead->difference.half_width.value() == Approx(0));
  CHECK(found[3].best());
  CHECK_FALSE(found[4].best());
  CHECK_FALSE(found[4].pearson.has_value());
  const StudySection section =
      summary_section(study, against_truth(study), attack_results(study), study_costs(study));
  CAPTURE(section.markdown);
  CHECK(has_row(section, "| tied | 0.933 \u00B1 0.287 \\* | - |"));
  CHECK(has_row(section, "| behind | 0.800 \u00B1 0.000 | - |"));
  CHECK(section.json["tied"]["best_or_tied"] == true);
  CHECK(section.json["tied"]["ahead"].is_null());
  CHECK(section.json["behind"]["ahead"]["score"] == "best");
  // Of one run who is larger.
  const std::vector<Fairness> one = fairness(study_of_runs({runs[1]}), study_scores(study));
  CHECK(one[0].best());
  CHECK_FALSE(one[1].best());
  CHECK(one[3].best());
}

TEST_CASE("two scores with one of several trainings in common: neither is ahead of the other") {
  std::vector<Run> runs{run_with(1, {{"everywhere", {1, 2, 4, 3}}, {"once", ascending}}),
                        run_with(2, {{"everywhere", ascending}})};
  const Study study = study_of_runs(runs);
  const std::vector<Fairness> found = fairness(study, {"everywhere", "once"});
  CHECK(found[0].best());
  CHECK(found[1].best());
  const auto note = [](const Study& of) {
    std::string text = summary_section(of, against_truth(of), attack_results(of), study_costs(of)).markdown;
    std::ranges::replace(text, '\n', ' ');  // where a line ends does not matter
    return text;
  };
  const std::string single = "difference in a single training has no interval";
  CHECK(note(study).find(single) == std::string::npos);
  CHECK(note(study_of_runs({runs[0]})).find(single) != std::string::npos);
}

TEST_CASE("a score without a correlation in the hard trainings is compared in the others only") {
  std::vector<Run> runs;
  for (const std::uint64_t seed : {1, 2, 3, 4, 5, 6}) {
    const bool hard = seed > 3;
    const double drop = 0.01 * static_cast<double>(seed);
    runs.push_back(run_with(
        seed, {{"everywhere", hard ? std::vector<Json>{3, 2, 1, 4 + drop} : ascending},
               {"easy", hard ? std::vector<Json>{1, 1, 1, 1} : std::vector<Json>{1, 2, 4, 3 + drop}}}));
  }
  const Study study = study_of_runs(runs);
  const std::vector<Fairness> found = fairness(study, study_scores(study));
  CHECK(found[1].pearson->mean > found[0].pearson->mean);
  CHECK(found[0].best());
  CHECK_FALSE(found[1].best());
  CHECK(found[1].ahead->score == 0);
}

TEST_CASE("the summary shows truth and attacks where there are any") {
  Run run = run_with(1, {{"s", ascending}});
  add_truth(run, {1, 2, 4, 3}, {1, 2, 3, 4});
  add_attack(run, "fedavg", "copy", 1, {{"s", {3, 2, 3, 4}}});
  add_attack(run, "fedavg", "zero", 1, {{"s", {0, 2, 3, 4}}});
  run.summary["methods"]["fedavg"]["scores"]["s"]["seconds"] = 0.24;
  const Study study = study_of_runs({run});
  const StudySection section =
      summary_section(study, against_truth(study), attack_results(study), study_costs(study));
  CAPTURE(section.markdown);
  CHECK(has_row(section, "| s | 1.000 \\* | 0.800 | 2.50 (copy) | 1 of 2 | 10.000 % |"));
}

TEST_CASE("the summary says of how many runs a number is where not all have it") {
  std::vector<Run> runs{run_with(1, {{"s", ascending}}), run_with(2, {{"s", {1, 1, 1, 1}}})};
  for (Run& run : runs) add_truth(run, {1, 2, 3, 4}, {1, 2, 3, 4});
  runs[0].summary["methods"]["fedavg"]["scores"]["s"]["seconds"] = 0.24;
  const Study study = study_of_runs(runs);
  const StudySection section =
      summary_section(study, against_truth(study), attack_results(study), study_costs(study));
  CAPTURE(section.markdown);
  CHECK(has_row(section, "| s | 1.000 (n = 1) \\* | 1.000 (n = 1) | 10.000 % (n = 1) |"));
}

TEST_CASE("runs that repeat a training with something else to look at are one draw") {
  std::vector<Run> runs{run_with(1, {{"s", ascending}}), run_with(1, {{"s", ascending}, {"t", descending}}),
                        run_with(2, {{"s", descending}})};
  runs[1].settings.truth.coalitions = "retrained";
  runs[1].settings.attack = {.kinds = {"zero"}, .agents = {1}};
  const Study study = study_of_runs(runs);
  CHECK(study.training == std::vector<std::size_t>{0, 0, 2});
  CHECK(study.settings.size() == 2);
  const std::vector<Fairness> found = fairness(study, {"s", "t"});
  CHECK(found[0].pearson->count == 2);
  CHECK(found[0].pearson->mean == Approx(0));
  CHECK(found[1].pearson->count == 1);  // only the second reads it
  const StudySection section =
      summary_section(study, against_truth(study), attack_results(study), study_costs(study));
  CHECK(section.markdown.find("n = 2 honest trainings") != std::string::npos);
  CHECK(section.markdown.find("Of 3 runs, 1") != std::string::npos);
}

TEST_CASE("tables of methods that train other models do not make another training") {
  const auto trainings = [](const std::string& first, void (*change)(Settings&)) {
    std::vector<RunData> runs(2);
    for (RunData& run : runs) run.settings.methods.run = {first, "residual"};
    change(runs[1].settings);
    return study_of(std::move(runs)).training[1] + 1;
  };
  const std::pair<std::vector<std::string>, void (*)(Settings&)> tables[] = {
      {{"cgsv", "cgsv_exact", "cgsv_euclidean", "cgsv_authors_code", "rffl"},
       [](Settings& settings) { settings.cgsv.alpha = 0.5; }},
      {{"spectral_fed"}, [](Settings& settings) { settings.spectral_fed.momentum = 0.5; }},
      {{"fedopt"}, [](Settings& settings) { settings.fedopt.tau = 0.5; }},
      {{"qffl"}, [](Settings& settings) { settings.qffl.q = 0.5; }},
      {{"afl"}, [](Settings& settings) { settings.afl.learning_rate = 0.5; }},
      {{"cffl"}, [](Settings& settings) { settings.cffl.memory = 0.5; }},
      {{"cffl"}, [](Settings& settings) { settings.validation.samples = 5; }},
      {{"rffl"}, [](Settings& settings) { settings.rffl.threshold = 0.5; }},
      {{"fedzge", "fedmd", "feddf", "dense", "fedgen"},
       [](Settings& settings) { settings.black_box.queries = 7; }},
      {{}, [](Settings& settings) { settings.evaluation.every = 3; }}};
  for (const auto& [readers, change] : tables) {
    CHECK(trainings("fedavg", change) == 1);
    CHECK(trainings("spectral_fuse", change) == 1);
    for (const std::string& reader : readers) CHECK_MESSAGE(trainings(reader, change) == 2, reader);
  }
  CHECK(trainings("fedavg", [](Settings& settings) { settings.evaluation.on = "held_out"; }) == 2);
}

}  // namespace
}  // namespace fedval::harness
