// A run on several ranks has the bits of one on a single process; what goes wrong on one rank ends the run on
// all, with a message that names it.
#include <doctest/doctest.h>

#include <iterator>
#include <sstream>

#include "tests/harness/distributed/team.hpp"

using namespace fedval::harness;
using test_files::contains;
using test_files::Folder;

namespace {

/// Four agents of unequal sizes who are sometimes away.
const std::string small_federation = R"(
[data]
set = "digits"
held_out = 60
[partition]
kind = "pow"
agents = 4
samples_per_agent = 40
[model]
name = "small_cnn"
[training]
rounds = 3
local_epochs = 1
batch_size = 16
learning_rate = 0.1
[evaluation]
test_samples = 70
[validation]
samples = 55
[participation]
fraction = 0.75
)";

/// Every parallel part of the harness: own models, several methods, validated coalitions, own losses,
/// retrained coalitions, attackers, agents that are away.
const std::string everything = "name = \"everything\"\nseed = 5\n" + small_federation + R"(
stragglers = 0.5
[methods]
run = ["fedavg", "cgsv", "qffl"]
[scores]
read = ["cgsv", "spectral_fed", "fedsv", "gtg_shapley"]
[attack]
kinds = ["sybil", "few_samples"]
agents = [2]
[truth]
coalitions = "retrained"
)";

/// Every way in which methods hand out models of the agents' own, and read updates that lie cut over the
/// ranks.
const std::string personal = "name = \"personal\"\nseed = 6\n" + small_federation + R"(
[methods]
run = ["rffl", "cffl", "shapfed", "fedopt", "afl", "residual", "cgsv_exact", "verified_entropy"]
[scores]
read = ["residual", "shapfed", "verified_entropy", "leave_one_out_cosine", "eci_or", "comfedsv", "data_size"]
[attack]
role = "inside"
kinds = ["copy"]
agents = [3]
)";

/// A model with running statistics.
const std::string statistics = R"(name = "statistics"
[data]
set = "digits"
[partition]
kind = "uni"
agents = 3
samples_per_agent = 8
[model]
name = "resnet18"
[training]
rounds = 2
local_epochs = 1
batch_size = 4
[evaluation]
test_samples = 20
[methods]
run = ["cgsv", "fedavg"]
[scores]
read = ["spectral_fuse"]
)";

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

std::vector<std::string> run_in(const Folder& folder, const std::string& runs,
                                const std::string& name = "everything") {
  return {"run", (folder / (name + ".toml")).string(), "--out", (folder / runs).string()};
}

Found of_one_process(const std::string& name, const std::string& settings) {
  const Folder folder;
  write_text(folder / (name + ".toml"), settings);
  const Finished run = Process(folder, run_in(folder, "runs", name)).wait();
  CAPTURE(run.err);
  REQUIRE(run.code == 0);
  return found_in(folder / "runs" / name);
}

void check_same(const Found& found, const Found& expected) {
  CHECK(found.scores == expected.scores);
  CHECK(found.metrics == expected.metrics);
  CHECK(found.summary == expected.summary);
}

const Found& alone() {
  static const Found found = of_one_process("everything", everything);
  return found;
}

void check_same(const std::filesystem::path& run) { check_same(found_in(run), alone()); }

/// How much has been sent over the loopback interface, since the machine began.
std::uint64_t loopback_bytes() {
  std::ifstream file("/proc/net/dev");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    std::uint64_t bytes = 0;
    if (words >> name >> bytes && name == "lo:") return bytes;
  }
  return 0;
}

/// Three ranks in the middle of a run that has no end.
struct AtWork {
  Folder folder;
  Team team;
  explicit AtWork(std::size_t count = 3, const std::string& patience = "4") : team(count, patience) {
    write_text(folder / "endless.toml", endless);
    team.start(
        {"run", (folder / "endless.toml").string(), "--out", (folder / "runs").string(), "--threads", "1"});
    team[0].until([&] { return std::filesystem::exists(folder / "runs/.endless.partial/checkpoint"); });
    REQUIRE(team[0].running());
  }
};

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
  for (const auto& [name, settings] :
       {std::pair("personal", personal), std::pair("statistics", statistics)}) {
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
  for (const auto& [name, settings] :
       {std::pair{"everything", everything}, std::pair{"personal", personal}}) {
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
      stop_after_checkpoints(team[0], 3);
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

TEST_CASE("a rank that is killed is named by the others, and the run can be gone on with") {
  AtWork work;
  work.team[1].end();
  for (const std::size_t rank : {0, 2}) {
    const Finished ended = work.team[rank].wait();
    CAPTURE(ended.err);
    CHECK(ended.code == 2);
    CHECK(contains(ended.err, "rank 1 ("));
    CHECK(contains(ended.err, "has not been heard of for 4 s"));
  }
  CHECK(std::filesystem::exists(work.folder / "runs/.endless.partial/checkpoint"));
}

TEST_CASE("a rank that is killed while models are on their way: named, and the run can be gone on with") {
  const Found expected = of_one_process("statistics", statistics);
  for (const int megabytes : {5, 60, 150}) {
    CAPTURE(megabytes);
    const Folder folder;
    write_text(folder / "statistics.toml", statistics);
    const std::filesystem::path partial = folder / "runs/.statistics.partial";
    {
      Team team(2, "4");
      team.start(run_in(folder, "runs", "statistics"));
      const std::uint64_t enough = loopback_bytes() + std::uint64_t{1000000} * megabytes;
      team[1].until([&] { return loopback_bytes() >= enough; });
      REQUIRE(team[1].running());
      team[1].end();
      const Finished ended = team[0].wait();
      CAPTURE(ended.err);
      CHECK(ended.code == 2);
      CHECK(contains(ended.err, "rank 1 ("));
    }
    // Before its first checkpoint nothing is kept.
    const bool kept = std::filesystem::exists(partial);
    const Finished run = kept ? Process(folder, {"resume", partial.string()}).wait()
                              : Process(folder, run_in(folder, "runs", "statistics")).wait();
    CAPTURE(run.err);
    REQUIRE(run.code == 0);
    check_same(found_in(folder / "runs/statistics"), expected);
  }
}

TEST_CASE("a rank that is stopped is named by the others") {
  AtWork work;
  work.team[2].send(SIGSTOP);
  for (const std::size_t rank : {0, 1}) {
    const Finished ended = work.team[rank].wait();
    CAPTURE(ended.err);
    CHECK(ended.code == 2);
    CHECK(contains(ended.err, "rank 2 ("));
  }
  work.team[2].send(SIGCONT);  // finds nobody
  CHECK(work.team[2].wait().code == 2);
}

TEST_CASE("the loss of rank 0, where the others meet, ends the run") {
  for (const int signal : {SIGKILL, SIGSTOP}) {
    CAPTURE(signal);
    AtWork work;
    work.team[0].send(signal);
    for (const std::size_t rank : {1, 2}) {
      const Finished ended = work.team[rank].wait();
      CAPTURE(ended.err);
      CHECK(ended.code == 2);
      CHECK(contains(ended.err, "rank 0 ("));
      CHECK(contains(ended.err, ", where the others meet, "));
    }
  }
}

TEST_CASE("a signal to one rank stops all after the round, and the run can be gone on with") {
  AtWork work(2, "10");
  work.team[1].send(SIGTERM);
  for (const std::size_t rank : {0, 1}) {
    const Finished ended = work.team[rank].wait();
    CAPTURE(ended.err);
    CHECK(ended.code == 130);
  }
  CHECK(contains(work.team.err_of(0), "harness resume " + (work.folder / "runs/.endless.partial").string()));
}

TEST_CASE("a rank that does not come is named") {
  const Folder folder;
  write_text(folder / "endless.toml", endless);
  Team team(3, "2");
  const std::vector<std::string> words{"run", (folder / "endless.toml").string(), "--out",
                                       (folder / "runs").string()};
  team.start(0, words);
  team.start(1, words);
  for (const std::size_t rank : {1, 0}) {
    const Finished ended = team[rank].wait();
    CAPTURE(ended.err);
    CHECK(ended.code == 2);
    CHECK(contains(ended.err, "rank 2 did not join at 127.0.0.1:"));
    CHECK(contains(ended.err, "within 2 s"));
  }
  CHECK_FALSE(std::filesystem::exists(folder / "runs/.endless.partial"));
}

TEST_CASE("who does not know the secret, and who comes twice, cannot join; the run goes on") {
  AtWork work(2, "10");
  const std::vector<std::string> words{"run", (work.folder / "endless.toml").string(), "--out",
                                       (work.folder / "stray").string()};
  const Finished stray =
      work.team.start(1, words, {{"FEDVAL_SECRET", "guessed"}, {"FEDVAL_PATIENCE", "2"}}).wait();
  CAPTURE(stray.err);
  CHECK(stray.code == 2);
  CHECK(contains(stray.err, "rank 0 did not join at 127.0.0.1:"));
  CHECK(contains(stray.err, "with another FEDVAL_SECRET"));
  const Finished twice = work.team.start(1, words).wait();
  CAPTURE(twice.err);
  CHECK(twice.code == 2);
  CHECK(contains(twice.err, "rank 1 is there already: two processes have that number"));
  // The others have not noticed.
  const ino_t before = identity_of(work.folder / "runs/.endless.partial/checkpoint");
  work.team[0].until([&] { return identity_of(work.folder / "runs/.endless.partial/checkpoint") != before; });
  CHECK(work.team[0].running());
  CHECK(work.team[1].running());
}

TEST_CASE("an error on one rank ends all, with its name where it is another's") {
  const Folder folder, nothing;
  write_text(folder / "real.toml", "name = \"real\"\n[data]\nset = \"mr\"\n");
  Team team(2);
  const std::vector<std::string> words{"run", (folder / "real.toml").string(), "--out",
                                       (folder / "runs").string()};
  team.start(0, words, {{"FEDVAL_DATA", nothing.path().string()}});
  team.start(1, words, {{"FEDVAL_DATA", (nothing / "absent").string()}});
  for (const std::size_t rank : {0, 1}) {
    const Finished ended = team[rank].wait();
    CAPTURE(ended.err);
    CHECK(ended.code == 2);
    CHECK(contains(ended.err, nothing.path().string()));
    CHECK(contains(ended.err, "rank 0 (") == (rank == 1));
  }
  CHECK(entries(folder / "runs") == 0);

  Team other(2);
  const Finished bad = other.start(0, words, {{"FEDVAL_INTERFACE", "none7"}}).wait();
  CAPTURE(bad.err);
  CHECK(bad.code == 2);
  CHECK(contains(bad.err, "FEDVAL_INTERFACE is \"none7\": no such network interface with an address"));
}

TEST_CASE("where that is wanted, the run goes on without a rank that is lost, with the same bits") {
  for (const int signal : {SIGKILL, SIGSTOP}) {
    CAPTURE(signal);
    const Folder folder;
    write_text(folder / "everything.toml", everything);
    const std::filesystem::path partial = folder / "runs/.everything.partial";
    ::setenv("FEDVAL_ON_RANK_LOSS", "continue", 1);
    Team team(3, "3");
    team.start(run_in(folder, "runs"));
    ::unsetenv("FEDVAL_ON_RANK_LOSS");
    for (int checkpoints = 0; checkpoints < 4; ++checkpoints) {
      const ino_t before = identity_of(partial / "checkpoint");
      team[0].until([&] { return identity_of(partial / "checkpoint") != before; });
    }
    REQUIRE(team[0].running());
    team[1].send(signal);
    for (const std::size_t rank : {0, 2}) {
      const Finished ended = team[rank].wait();
      CAPTURE(ended.err);
      CHECK(ended.code == 0);
      if (rank == 0) {
        CHECK(contains(ended.err, "has not been heard of for 3 s"));
        CHECK(contains(ended.err, "the others go on from the last checkpoint"));
      }
    }
    check_same(folder / "runs/everything");
    if (signal != SIGSTOP) continue;
    team[1].send(SIGCONT);
    CHECK(team[1].wait().code == 2);
  }
}

TEST_CASE("launch says what ended a rank, and passes its code on") {
  const Folder folder;
  const Finished bad =
      Process(folder, {"launch", "-n", "2", "--", "run", (folder / "none.toml").string()}).wait();
  CAPTURE(bad.err);
  CHECK(bad.code == 2);
  CHECK(contains(bad.err, "none.toml"));
  CHECK(harness(folder, "launch -n 0 -- run x.toml").code == 2);
  CHECK(harness(folder, "launch -n 2").code == 2);

  write_text(folder / "endless.toml", endless);
  Process launched(folder, {"launch", "-n", "2", "--", "run", (folder / "endless.toml").string(), "--out",
                            (folder / "runs").string(), "--threads", "1"});
  launched.until([&] { return std::filesystem::exists(folder / "runs/.endless.partial/checkpoint"); });
  launched.send(SIGTERM);
  CHECK(launched.wait().code == 130);
}
