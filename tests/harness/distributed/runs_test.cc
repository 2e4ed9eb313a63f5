// What goes wrong on one rank ends the run on all, with a message that names it; or the others go on.
#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

#include "tests/harness/distributed/federations.hpp"

using namespace fedval::harness;
using test_files::contains;
using test_files::Folder;

namespace {

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

TEST_CASE("where that is wanted, the run goes on without ranks that are lost, with the same bits") {
  struct Loss {
    int signal;
    std::vector<std::size_t> ranks;
  };
  for (const auto& [signal, lost] : {Loss{SIGKILL, {1}}, Loss{SIGSTOP, {1}}, Loss{SIGKILL, {1, 2}}}) {
    CAPTURE(signal);
    CAPTURE(lost.size());
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
    for (const std::size_t rank : lost) team[rank].send(signal);
    for (const std::size_t rank : {0, 2}) {
      if (std::ranges::find(lost, rank) != lost.end()) continue;
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
