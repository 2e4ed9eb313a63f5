// The run folder: what a round leaves in its files, one name after the other, and what an error leaves.
#include "harness/report/run_folder.hpp"

#include <nlohmann/json.hpp>

#include "tests/doctest_torch.hpp"
#include "tests/harness/cli/program.hpp"

using namespace fedval;
using namespace fedval::harness;
using test_files::complaint_of;
using test_files::contains;
using test_files::Folder;
using Json = nlohmann::json;

namespace {

Settings settings_of(const std::string& name) {
  Settings settings;
  settings.name = name;
  return settings;
}

Results results_of(const std::string& name) {
  Results results;
  results.settings = settings_of(name);
  results.agents.push_back({.id = 1, .samples = 10, .classes = 2, .standalone_accuracy = 0.5});
  return results;
}

}  // namespace

TEST_CASE(
    "a round in metrics.jsonl and scores.csv: who took part, who did not finish, who was refused and why") {
  const Folder folder;
  RunFolder run(folder.path(), settings_of("a"));
  RoundRecord record{.round = 3, .learning_rate = 0.1, .server_accuracy = 0.25};
  record.participants = {1, 4};
  record.stragglers = {4};
  record.refused.push_back({2, "update[17] is NaN"});
  record.readers.push_back({"psi", {{1, Score{0.1}}, {4, Score{-0.0, 1e-300}}}, 0});
  run.round("cgsv", record);
  record.server_accuracy.reset();
  run.round("cgsv", record);
  const std::string metrics = text_of(run.path() / "metrics.jsonl");
  const Json first = Json::parse(metrics.substr(0, metrics.find('\n')));
  CHECK(first["method"] == "cgsv");
  CHECK(first["round"] == 3);
  CHECK(first["learning_rate"] == 0.1);
  CHECK(first["server_accuracy"] == 0.25);
  CHECK(first["participants"] == Json{"1", "4"});
  CHECK(first["stragglers"] == Json::array({"4"}));
  CHECK(first["refused"] == Json::array({{{"agent", "2"}, {"reason", "update[17] is NaN"}}}));
  CHECK(Json::parse(metrics.substr(metrics.find('\n') + 1))["server_accuracy"].is_null());
  const std::string line = "cgsv,3,psi,1,0.1,\ncgsv,3,psi,4,-0,1e-300\n";
  CHECK(text_of(run.path() / "scores.csv") == "method,round,score,agent,value,variance\n" + line + line);
}

TEST_CASE("names: NAME, NAME-2, NAME-3, whoever ends first") {
  const Folder folder;
  RunFolder one(folder.path(), settings_of("a")), two(folder.path(), settings_of("a"));
  CHECK(one.path() == folder / ".a.partial");
  CHECK(two.path() == folder / ".a-2.partial");
  CHECK(two.finish(results_of("a")) == folder / "a");
  CHECK(one.finish(results_of("a")) == folder / "a-2");
  RunFolder three(folder.path(), settings_of("a"));
  CHECK(three.finish(results_of("a")) == folder / "a-3");
  CHECK(entries(folder.path()) == 3);
  CHECK(entries(folder / "a") == 4);
}

TEST_CASE("the summary says that accuracy is balanced, and nothing where it is plain") {
  const Folder folder;
  for (const std::string kind : {"plain", "balanced"}) {
    Results results = results_of(kind);
    results.settings.evaluation.accuracy = kind;
    RunFolder run(folder.path(), results.settings);
    const Json summary = Json::parse(text_of(run.finish(results) / "summary.json"));
    CHECK(summary.contains("accuracy") == (kind == "balanced"));
    CHECK(summary.value("accuracy", "plain") == kind);
  }
}

TEST_CASE("names that are no UTF-8 are written with U+FFFD in place of what is not") {
  const Folder folder;
  Results results = results_of("a");
  results.data = "MNIST, from /home/andr\xe9/data";
  RunFolder run(folder.path(), results.settings);
  run.round("cgsv", {.figures = {{"\xff", 1}}});
  const std::filesystem::path made = run.finish(results);
  CHECK(Json::parse(text_of(made / "summary.json"))["data"] == "MNIST, from /home/andr\uFFFD/data");
  CHECK(Json::parse(text_of(made / "metrics.jsonl"))["figures"].contains("\uFFFD"));
}

TEST_CASE("without a checkpoint nothing is left; with one the folder stays, to be opened again") {
  const Folder folder;
  { RunFolder run(folder.path(), settings_of("a")); }
  CHECK(entries(folder.path()) == 0);
  RunFolder::Lengths lengths;
  {
    RunFolder run(folder.path(), settings_of("a"));
    run.round("cgsv", {.round = 1});
    lengths = run.sync();
    run.save("state");
    run.round("cgsv", {.round = 2});
  }
  RunFolder again(folder / "a");
  CHECK(again.settings() == settings_of("a"));
  REQUIRE(again.checkpoint().has_value());
  CHECK(again.checkpoint()->bytes == "state");
  again.rewind(lengths);
  again.round("cgsv", {.round = 7});
  const std::string metrics = text_of(again.path() / "metrics.jsonl");
  CHECK(std::ranges::count(metrics, '\n') == 2);
  CHECK(contains(metrics.substr(metrics.find('\n')), "\"round\":7"));
  lengths.scores += 1;
  CHECK(contains(complaint_of([&] { again.rewind(lengths); }), "scores.csv: has "));
  again.restart();
  CHECK(text_of(again.path() / "metrics.jsonl").empty());
}

TEST_CASE("a folder is one program's at a time") {
  const Folder folder;
  RunFolder run(folder.path(), settings_of("a"));
  CHECK(contains(complaint_of([&] { RunFolder other(run.path()); }), "another program is at this run"));
}
