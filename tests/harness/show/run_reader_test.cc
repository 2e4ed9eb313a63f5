// Reading run folders: what is in a whole one, and what is said about unfinished, damaged and hostile ones.
#include "harness/show/run_reader.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "tests/harness/show/run_writer.hpp"
#include "tests/support/complaint.hpp"

namespace fedval::harness {
namespace {

using namespace test_runs;
using tests::complaint_of;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string complaint_about(const Run& run) {
  const Temporary folder;
  run.write_to(folder / "a");
  const std::string text = complaint_of([&] { read_run(folder / "a"); });
  CHECK((text == "no error" || text.starts_with((folder / "a").string())));
  return text;
}

Run small() { return made_up({.agents = 3, .classes = 2, .rounds = 2, .scores = 1}); }

// The scores of `small()` begin with this line, then agents 2 and 3.
Run with_line(const std::string& line, const std::string& rest = "") {
  Run run = small();
  run.scores = "method,round,score,agent,value,variance\n" + line + "\n" + rest;
  return run;
}

TEST_CASE("a run folder is read as it was written") {
  const Temporary folder;
  Run run = small();
  run.summary["agents"][1]["name"] = "writer 2013";
  run.summary["methods"]["cgsv"]["credit"]["values"][2] = nullptr;
  run.metrics[2]["participants"] = {"3", "1"};
  run.scores =
      "method,round,score,agent,value,variance\n"
      "cgsv,1,CGSV psi,2,0.1,\ncgsv,2,CGSV psi,2,-2.5e-3,0.25\ncgsv,2,CGSV psi,3,7,inf\n";
  run.write_to(folder / "a");
  const RunData data = read_run((folder / "a").string() + "/");
  CHECK(data.folder == folder / "a");
  CHECK(data.settings == run.settings);
  CHECK(data.test_samples == 1000);
  CHECK(data.parameters == 64000);
  CHECK(data.agents[1].name == "writer 2013");
  CHECK(data.agents[2].name.empty());
  CHECK(data.partition->class_counts[2].size() == 2);
  REQUIRE(data.methods.size() == 3);
  const RunMethod& cgsv = data.methods[1];
  CHECK(cgsv.name == "cgsv");
  CHECK(cgsv.credit[0].has_value());
  CHECK_FALSE(cgsv.credit[2].has_value());
  CHECK(cgsv.rounds[0].participants == std::vector<std::size_t>{2, 0});
  CHECK(cgsv.rounds[1].participants == std::vector<std::size_t>{0, 1, 2});
  CHECK_FALSE(data.methods[0].rounds[0].server_accuracy.value() == 0);
  REQUIRE(cgsv.rounds[1].refused.size() == 1);
  CHECK(cgsv.rounds[1].refused[0].agent == 1);
  CHECK(cgsv.rounds[1].refused[0].reason == "update[17] is NaN");
  const auto& psi = cgsv.scores[0].of_agent;
  CHECK(psi[0].empty());
  REQUIRE(psi[1].size() == 2);
  CHECK(psi[1][0].value == 0.1);
  CHECK_FALSE(psi[1][0].variance.has_value());
  CHECK(psi[1][1].value == -2.5e-3);
  CHECK(psi[1][1].variance == 0.25);
  CHECK(psi[2][0].variance == std::numeric_limits<double>::infinity());
}

TEST_CASE("an unfinished run is said to be one, and how to go on") {
  const Temporary folder;
  small().write_to(folder / ".a.partial");
  CHECK(complaint_of([&] { read_run(folder / ".a.partial"); }) ==
        (folder / ".a.partial").string() + ": this run is unfinished; `harness resume " +
            (folder / ".a.partial").string() + "` goes on with it");
  small().write_to(folder / "b");
  std::filesystem::remove(folder / "b" / "summary.json");
  CHECK(contains(complaint_of([&] { read_run(folder / "b"); }), "this run is unfinished; `harness resume"));
  small().write_to(folder / "c.partial");  // a name that a user may give
  CHECK(read_run(folder / "c.partial").agents.size() == 3);
}

TEST_CASE("what is no run folder, lacks a file or is given twice") {
  const Temporary folder;
  CHECK(contains(complaint_of([&] { read_run(folder / "none"); }), "none: no such folder"));
  std::filesystem::create_directory(folder / "empty");
  CHECK(contains(complaint_of([&] { read_run(folder / "empty"); }), "not the folder of a run"));
  for (const char* name : {"metrics.jsonl", "scores.csv"}) {
    small().write_to(folder / "a");
    std::filesystem::remove(folder / "a" / name);
    CHECK(contains(complaint_of([&] { read_run(folder / "a"); }), std::string(name) + ": no such file"));
  }
  small().write_to(folder / "a");
  const std::vector<std::filesystem::path> twice{folder / "a", (folder / "a") / ""};
  CHECK(contains(complaint_of([&] { read_runs(twice); }), "given twice"));
  CHECK(complaint_of([] { read_runs({}); }) == "no run folder was given");
  write((folder / "a") / "config.toml", "sed = 1\n");
  CHECK(contains(complaint_of([&] { read_run(folder / "a"); }), "config.toml:1: unknown key"));
}

TEST_CASE("a damaged scores.csv is refused by line and column") {
  const std::string good = "cgsv,1,CGSV psi,1,0.5,";
  CHECK(complaint_about(with_line(good)) == "no error");
  const auto refused = [](const std::string& line, const std::string& why) {
    const std::string text = complaint_about(with_line("cgsv,1,CGSV psi,3,0.5,", line + "\n"));
    CAPTURE(text);
    CHECK(contains(text, "scores.csv:3: " + why));
  };
  refused("cgsv,1,CGSV psi,1,abc,", "value is \"abc\", expected a number");
  refused("cgsv,1,CGSV psi,1,0.5x,", "value is \"0.5x\", expected a number");
  refused("cgsv,1,CGSV psi,1,nan,", "value is \"nan\", expected a number");
  refused("cgsv,1,CGSV psi,1,,", "value is \"\", expected a number");
  refused("cgsv,1,CGSV psi,1,0.5,-1", "variance is \"-1\", expected");
  refused("cgsv,1,CGSV psi,1,0.5,nan", "variance is \"nan\", expected");
  refused("cgsv,1,CGSV psi,9,0.5,", "agent is \"9\", expected one of summary.json");
  refused("cgsv,3,CGSV psi,1,0.5,", "round is \"3\", expected one of metrics.jsonl");
  refused("cgsv,-1,CGSV psi,1,0.5,", "round is \"-1\", expected a whole number");
  refused("cgsv,1,CGSV,1,0.5,", "score is \"CGSV\", expected one of this method's");
  refused("other,1,CGSV psi,1,0.5,", "method is \"other\", expected one of summary.json");
  refused("cgsv,1,CGSV psi,1,0.5", "\"cgsv,1,CGSV psi,1,0.5\" does not have six fields");
  refused(good + ",", "\"" + good + ",\" does not have six fields");
  refused("", "\"\" does not have six fields");
  refused("cgsv,1,CGSV psi,3,0.6,", "round 1 of agent \"3\" comes after its round 1");
  CHECK(contains(complaint_about(with_line("cgsv,2,CGSV psi,1,1,", good + "\n")),
                 "scores.csv:3: round 1 of agent \"1\" comes after its round 2"));

  Run run = small();
  run.scores.pop_back();
  CHECK(contains(complaint_about(run), "scores.csv:19: the file ends inside this line"));
  run.scores = "";
  CHECK(contains(complaint_about(run), "scores.csv:1: the file ends inside this line"));
  run.scores = "method,round,agent,score,value,variance\n";
  CHECK(contains(complaint_about(run), "scores.csv:1: the columns are \"method,round,agent"));
}

TEST_CASE("a damaged summary is refused by member") {
  const auto refused = [](const char* pointer, const Json& value, const std::string& why) {
    Run run = small();
    run.summary[Json::json_pointer(pointer)] = value;
    const std::string text = complaint_about(run);
    CAPTURE(text);
    CHECK(contains(text, "summary.json: " + why));
  };
  refused("/agents/2/samples", "many", "agents[2].samples is \"many\", expected a whole number");
  refused("/agents/2/samples", -3, "agents[2].samples is -3, expected a whole number");
  refused("/agents/2/id", "1", "agent \"1\" is there twice");
  refused("/agents/0/standalone_accuracy", nullptr,
          "agents[0].standalone_accuracy is null, expected a number");
  refused("/agents", Json::object(), "agents is an object, expected an array");
  refused("/seed", 7, "seed is 7, config.toml says 1");
  refused("/methods/cgsv/agent_accuracy", {0.1, 0.2},
          "methods.cgsv.agent_accuracy has 2 values for 3 agents");
  refused("/methods/cgsv/agent_loss", {0.1, 0.2}, "methods.cgsv.agent_loss has 2 values for 3 agents");
  refused("/methods/cgsv/download", {{"energy", {1, 1, nullptr}}, {"entries", {1}}},
          "methods.cgsv.download.entries has 1 values for 3 agents");
  refused("/methods/cgsv/credit/values/1", "a", "methods.cgsv.credit.values[1] is \"a\", expected a number");
  refused("/methods/cgsv/scores/CGSV psi/last", Json::array(),
          "methods.cgsv.scores.CGSV psi.last has 0 values for 3 agents");
  refused("/methods/other", Json::object(), "methods.other is none of the methods in config.toml");
  refused("/partition/class_counts/1", {1}, "partition.class_counts[1] has 1 classes, the first has 2");
  refused("/partition/class_counts", {{1, 2}}, "partition.class_counts has 1 rows for 3 agents");
  refused("/model", 1, "model is 1, expected an object");

  Run run = small();
  run.summary["methods"].erase("cgsv");
  CHECK(contains(complaint_about(run), "summary.json: methods has no \"cgsv\""));
  run = small();
  run.summary["agents"] = Json::array();
  CHECK(contains(complaint_about(run), "summary.json: agents is empty"));
  run = small();
  run.summary.erase("partition");  // folders of older versions have none
  CHECK(complaint_about(run) == "no error");
}

TEST_CASE("JSON that is cut, nested without end, of bad bytes or too large is refused") {
  const Temporary folder;
  small().write_to(folder / "a");
  const auto path = (folder / "a") / "summary.json";
  const std::string whole = read(path);
  for (const std::string& text : {whole.substr(0, whole.size() / 2), std::string(), std::string(1000000, '['),
                                  std::string("{\"data\": \"\xff\"}"), std::string("{\"seconds\": 1e999}")}) {
    write(path, text);
    CHECK(complaint_of([&] { read_run(folder / "a"); }).starts_with(path.string() + ": "));
  }
  write(path, "[]");
  CHECK(complaint_of([&] { read_run(folder / "a"); }) == path.string() + ": is an array, expected an object");
}

TEST_CASE("a damaged metrics.jsonl is refused by line") {
  const auto refused = [](const std::string& key, const Json& value, const std::string& why) {
    Run run = small();
    run.metrics[3][key] = value;
    const std::string text = complaint_about(run);
    CAPTURE(text);
    CHECK(contains(text, "metrics.jsonl:4: " + why));
  };
  refused("method", "other", "method is \"other\", no method of summary.json");
  refused("round", 1, "round is 1, expected more than 1");
  refused("round", 0.5, "round is 0.5, expected a whole number");
  refused("participants", {"1", "9"}, "participants[1] is \"9\", no agent of summary.json");
  refused("participants", {1}, "participants[0] is 1, expected a text");
  refused("refused", {{{"agent", "9"}, {"reason", "x"}}}, "refused[0].agent is \"9\", no agent");
  refused("seconds", nullptr, "seconds is null, expected a number");
  Run run = small();
  run.metrics.erase(run.metrics.begin(), run.metrics.begin() + 2);
  CHECK(contains(complaint_about(run), "metrics.jsonl: no round of \"fedavg\""));
  const Temporary folder;
  small().write_to(folder / "a");
  const auto path = (folder / "a") / "metrics.jsonl";
  write(path, read(path) + "{\"method\": \"ced");
  CHECK(complaint_of([&] { read_run(folder / "a"); }).starts_with(path.string() + ":7: parse error"));
}

}  // namespace
}  // namespace fedval::harness
