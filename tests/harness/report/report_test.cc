
#include <sstream>

#include "harness/report/progress.hpp"
#include "harness/report/table.hpp"
#include "harness/report/tables.hpp"
#include "harness/report/wording.hpp"
#include "tests/doctest_torch.hpp"

using namespace fedval::harness;

TEST_CASE("a table lines its columns up") {
  Table table({"agent", "n"});
  table.add({"a", "100"});
  table.add({"long name", "7"});
  std::ostringstream out;
  out << table;
  CHECK(out.str() ==
        "agent        n\n"
        "--------------\n"
        "a          100\n"
        "long name    7\n");
}

TEST_CASE("plain progress has a line for every round; a terminal redraws one line and leaves none") {
  RoundRecord record;
  record.round = 1;
  record.server_accuracy = 0.5;
  std::ostringstream plain;
  {
    Progress progress(plain, 0, 10);
    progress.begin("fedavg", 2);
    progress.steps() += 5;
    progress.round(record);
  }
  CHECK(plain.str().starts_with("fedavg: 2 rounds\n  round 1/2  accuracy 0.5000"));
  CHECK(plain.str().find("50 %") != std::string::npos);

  std::ostringstream terminal;
  {
    Progress progress(terminal, 120, 10);
    progress.begin("fedavg", 2);
    progress.steps() += 5;
    progress.round(record);
    std::this_thread::sleep_for(std::chrono::milliseconds(500));  // at least one redraw
  }
  CHECK(terminal.str().find("[############............] fedavg round 2/2  accuracy 0.5000  50 %") !=
        std::string::npos);
  CHECK(terminal.str().ends_with("\r\x1b[K"));

  std::ostringstream narrow;  // a line that wrapped could not be redrawn
  {
    Progress progress(narrow, 20, 10);
    progress.begin("fedavg", 2);
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
  CHECK(narrow.str().substr(0, 23) == "\r[..................\x1b[K");
}

TEST_CASE("a duration in words, however long a file says that it was") {
  CHECK(duration(59.4) == "59 s");
  CHECK(duration(200) == "3 min 20 s");
  CHECK(duration(7500) == "2 h 5 min");
  CHECK(duration(1e300) == duration(1e200));
  CHECK(duration(1e300).ends_with(" min"));
}

TEST_CASE("balanced accuracy is called by its name") {
  RoundRecord record{.round = 1, .server_accuracy = 0.5};
  std::ostringstream lines;
  {
    Progress progress(lines, 0, 10, accuracy_name("balanced"));
    progress.begin("fedavg", 2);
    progress.round(record);
  }
  CHECK(lines.str().find("round 1/2  balanced accuracy 0.5000") != std::string::npos);

  Results results;
  results.agents = {{.id = 1, .samples = 10, .classes = 2, .standalone_accuracy = 0.5}};
  RunResult run;
  run.rounds = 1;
  run.agent_accuracy = {0.5};
  run.seconds = 1;
  results.methods.push_back({"fedavg", "data share", run});
  for (const std::string kind : {"plain", "balanced"}) {
    results.settings.evaluation.accuracy = kind;
    std::ostringstream out;
    print_tables(out, results);
    CHECK(out.str().starts_with("Agents (alone: " + std::string(kind == "plain" ? "" : "balanced ") +
                                "accuracy when trained alone;"));
  }
}

TEST_CASE("progress names who was left out and why, and a resumed run where it goes on") {
  RoundRecord record{.round = 3};
  record.refused.push_back({2, "update[17] is NaN"});
  for (const std::size_t columns : {0, 80}) {
    std::ostringstream out;
    {
      Progress progress(out, columns, 10);
      progress.begin("cgsv", 4, 2);
      progress.round(record);
    }
    CHECK(out.str().find("cgsv round 3: client 2 was left out: update[17] is NaN\n") != std::string::npos);
    if (columns == 0) CHECK(out.str().starts_with("cgsv: 4 rounds, 2 of them done\n"));
  }
}

TEST_CASE("correlations that are undefined are shown as -, not as a number") {
  Results results;
  results.agents = {{.id = 1, .samples = 10, .classes = 2, .standalone_accuracy = 0.5},
                    {.id = 2, .samples = 20, .classes = 2, .standalone_accuracy = 0.7}};
  RunResult run;
  run.rounds = 1;
  run.readers.push_back({"psi", {{1, 0.1}, {2, 0.2}}, 0.001});
  run.agent_accuracy = {0.9, 0.9};
  run.credit = {{1, 0.25}, {2, 0.75}};
  run.notes = {"round 1: weights are uniform"};
  run.seconds = 1;
  results.methods.push_back({"fedavg", "data share", run});
  std::ostringstream out;
  print_tables(out, results);
  CHECK(out.str().find("fedavg         1.000          -") != std::string::npos);
  CHECK(out.str().find("those of fedavg\n") != std::string::npos);
  CHECK(out.str().find("note: fedavg, round 1: weights are uniform") != std::string::npos);
  CHECK_FALSE(against_standalone(results, std::vector<double>{0.9, 0.9}).has_value());
  CHECK(against_standalone(results, std::vector<double>{3.0, 1.0}).value() == doctest::Approx(-1.0));
}

TEST_CASE("an agent that never took part has no value: - in the table, left out of the correlation") {
  Results results;
  for (const int id : {1, 2, 3, 4})
    results.agents.push_back({.id = id, .samples = 10, .classes = 2, .standalone_accuracy = 0.1 * id});
  const std::map<fedval::ClientId, double> values{{1, 3.0}, {2, 2.0}, {4, 0.0}};
  CHECK(against_standalone(results, values).value() == doctest::Approx(-1.0));
  const auto all = by_agent(results, values);
  CHECK(all[1] == 2.0);
  CHECK_FALSE(all[2].has_value());
  RunResult run;
  run.rounds = 1;
  run.agent_accuracy = {0.5, 0.6, 0.7, 0.8};
  run.credit = values;
  run.seconds = 1;
  results.methods.push_back({"cgsv", "r", run});
  std::ostringstream out;
  print_tables(out, results);
  CHECK(out.str().find("Scores") == std::string::npos);  // none was read
  CHECK(out.str().find("3           10        2  0.3000       -    0.7000") != std::string::npos);
}
