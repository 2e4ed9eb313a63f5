
#include <sstream>

#include "harness/report/progress.hpp"
#include "harness/report/table.hpp"
#include "harness/report/tables.hpp"
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

TEST_CASE("correlations that are undefined are shown as -, not as a number") {
  Results results;
  results.agents = {{"1", 10, 2, 0.5}, {"2", 20, 2, 0.7}};
  RoundRecord record;
  record.readers.push_back({"psi", {{1, {0.1}}, {2, {0.2}}}, 0.001});
  RunResult run;
  run.rounds.push_back(record);
  run.agent_accuracy = {0.9, 0.9};
  run.seconds = 1;
  results.methods.push_back({"fedavg", "data share", {0.25, 0.75}, run, {"round 1: weights are uniform"}});
  std::ostringstream out;
  print_tables(out, results);
  CHECK(out.str().find("fedavg         1.000          -") != std::string::npos);
  CHECK(out.str().find("note: fedavg, round 1: weights are uniform") != std::string::npos);
  CHECK_FALSE(against_standalone(results, {0.9, 0.9}).has_value());
  CHECK(against_standalone(results, {3.0, 1.0}).value() == doctest::Approx(-1.0));
}
