// A run on several ranks has the bits of one on a single process, begun on them or gone on with, and takes
// what `plan` says.
#include <doctest/doctest.h>

#include <iterator>
#include <sstream>

#include "tests/harness/distributed/federations.hpp"

using namespace fedval::harness;
using test_files::Folder;

namespace {

/// Models that weigh more than the program does beside them.
const std::string planned = R"(name = "planned"
[data]
set = "digits"
[partition]
kind = "uni"
agents = 300
samples_per_agent = 4
[model]
name = "mlp"
[training]
rounds = 2
local_epochs = 1
[evaluation]
every = 10
test_samples = 10
[methods]
run = ["fedavg", "cgsv"]
[scores]
read = ["cgsv", "spectral_fed"]
)";

/// MiB received, and of memory, that the line says of rank 0: "ranks: 2; received: 1.5, 2 MiB; memory ...: 3,
/// 4 MiB".
std::pair<double, double> of_rank_0(const std::string& line) {
  const auto first_after = [&](const std::string& words) {
    return std::stod(line.substr(line.find(words) + words.size()));
  };
  return {first_after("received: "), first_after("memory at most: ")};
}

/// The last two columns, memory and what is received, of the plan's row for so many ranks.
std::vector<double> planned_for(const std::string& plan, const std::string& ranks) {
  std::istringstream lines(plan);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    const std::vector<std::string> cells{std::istream_iterator<std::string>(words), {}};
    if (cells.size() > 3 && cells[0] == ranks)
      return {std::stod(cells[cells.size() - 2]), std::stod(cells.back())};
  }
  FAIL("no row for ", ranks, " ranks");
  return {};
}

}  // namespace

TEST_CASE("the same bits on 1, 2, 3 and 4 ranks") {
  for (const char* ranks : {"1", "2", "3", "4"}) {
    CAPTURE(ranks);
    const Folder folder;
    write_text(folder / "everything.toml", everything);
    std::vector<std::string> words{"launch", "-n", ranks, "--"};
    for (const std::string& word : run_in(folder, "runs")) words.push_back(word);
    const Finished run = Process(folder, words).wait();
    CAPTURE(run.err);
    REQUIRE(run.code == 0);
    CHECK(entries(folder / "runs") == 2);  // the run, and the coalitions for the next one
    check_same(folder / "runs/everything");
    // One rank speaks.
    const std::size_t first = run.out.find("fedval: everything");
    CHECK(first != std::string::npos);
    CHECK(run.out.find("fedval: everything", first + 1) == std::string::npos);
  }
}

TEST_CASE("the same bits for models of the agents' own, on every path that a vector takes between ranks") {
  for (const auto& [name, settings] : {std::pair("personal", personal), std::pair("statistics", statistics),
                                       std::pair("black_boxes", black_boxes)}) {
    const Found expected = of_one_process(name, settings);
    for (const char* ranks : {"2", "3"}) {
      CAPTURE(name);
      CAPTURE(ranks);
      const Folder folder;
      write_text(folder / (std::string(name) + ".toml"), settings);
      std::vector<std::string> words{"launch", "-n", ranks, "--"};
      for (const std::string& word : run_in(folder, "runs", name)) words.push_back(word);
      const Finished run = Process(folder, words).wait();
      CAPTURE(run.err);
      REQUIRE(run.code == 0);
      check_same(found_in(folder / "runs" / name), expected);
    }
  }
}

TEST_CASE("what `plan` says a run receives and holds is what it does, within a fifth") {
  const Folder folder;
  write_text(folder / "planned.toml", planned);
  const std::string file = (folder / "planned.toml").string();
  const Finished plan = harness(folder, "plan " + file + " --ranks 1,2,3,4 --one-machine");
  CAPTURE(plan.out);
  CAPTURE(plan.err);
  REQUIRE(plan.code == 0);
  for (const char* ranks : {"2", "3", "4"}) {
    CAPTURE(ranks);
    std::vector<std::string> words{"launch", "-n", ranks, "--"};
    for (const std::string& word : run_in(folder, std::string("runs") + ranks, "planned"))
      words.push_back(word);
    const Finished run = Process(folder, words).wait();
    CAPTURE(run.err);
    REQUIRE(run.code == 0);
    const std::size_t line = run.err.rfind("ranks: ");
    REQUIRE(line != std::string::npos);
    const auto [received, memory] = of_rank_0(run.err.substr(line));
    const std::vector<double> expected = planned_for(plan.out, ranks);
    CHECK(received == doctest::Approx(expected[1]).epsilon(0.2));
    CHECK(memory == doctest::Approx(expected[0]).epsilon(0.2));
  }
}

TEST_CASE("a run is gone on with on another number of ranks, whose folder only the leading one has") {
  for (const auto& [name, settings] : {std::pair{"everything", everything}, std::pair{"personal", personal},
                                       std::pair{"black_boxes", black_boxes}}) {
    CAPTURE(name);
    const Folder folder, elsewhere;
    write_text(folder / (std::string(name) + ".toml"), settings);
    const std::filesystem::path partial = folder / ("runs/." + std::string(name) + ".partial");
    const auto stop_after_checkpoints = [&](Process& process, int count) {
      for (int i = 0; i < count; ++i) {
        const ino_t before = identity_of(partial / "checkpoint");
        process.until([&] { return identity_of(partial / "checkpoint") != before; });
      }
    };
    {
      Team team(3);
      team.start(run_in(folder, "runs", name));
      stop_after_checkpoints(team[0], 5);  // three of agents alone, then what a method's have become
      for (std::size_t rank = 0; rank < 3; ++rank) team[rank].end();
    }
    REQUIRE(std::filesystem::exists(partial / "checkpoint"));
    {
      Process one(folder, {"resume", partial.string()});
      stop_after_checkpoints(one, 3);
      one.end();
    }
    REQUIRE(std::filesystem::exists(partial));
    {
      Team team(2);
      team.start(0, {"resume", partial.string()});
      team.start(1, {"resume", (elsewhere / "not here").string()});
      for (const std::size_t rank : {0, 1}) {
        const Finished run = team[rank].wait();
        CAPTURE(run.err);
        CHECK(run.code == 0);
      }
    }
    check_same(found_in(folder / "runs" / name), of_one_process(name, settings));
  }
}
