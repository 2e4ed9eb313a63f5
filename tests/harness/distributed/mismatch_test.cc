// Ranks that would not compute the same: named and refused before anything is trained.
#include <doctest/doctest.h>

#include "tests/harness/distributed/team.hpp"

using namespace fedval::harness;
using test_files::contains;
using test_files::Folder;

TEST_CASE("ranks with other settings or bad settings are named before anything is trained") {
  const Folder folder;
  write_text(folder / "one.toml", endless);
  Team team(2);
  const auto words = [&](const std::string& file) {
    return std::vector<std::string>{"run", (folder / file).string(), "--out", (folder / "runs").string()};
  };
  write_text(folder / "other.toml", "seed = 9\n" + endless);
  team.start(0, words("one.toml"));
  team.start(1, words("other.toml"));
  for (const std::size_t rank : {0, 1}) {
    const Finished ended = team[rank].wait();
    CAPTURE(ended.err);
    CHECK(ended.code == 2);
    CHECK(contains(ended.err, "has other settings than rank 0 ("));
  }
  CHECK(entries(folder / "runs") == 0);

  write_text(folder / "bad.toml", "colour = 1\n" + endless);
  Team second(2);
  second.start(0, words("one.toml"));
  second.start(1, words("bad.toml"));
  const Finished cause = second[1].wait(), told = second[0].wait();
  CHECK(cause.code == 2);
  CHECK(contains(cause.err, "bad.toml"));
  CHECK(contains(cause.err, "colour"));
  CAPTURE(told.err);
  CHECK(told.code == 2);
  CHECK(contains(told.err, "rank 1 ("));
  CHECK(contains(told.err, "has left: "));
  CHECK(contains(told.err, "colour"));
}

TEST_CASE("ranks whose processors compute other last bits are named") {
  const Folder folder;
  write_text(folder / "endless.toml", endless);
  const std::vector<std::string> words{"run", (folder / "endless.toml").string(), "--out",
                                       (folder / "runs").string()};
  // What LibTorch and OpenBLAS would choose on an old processor.
  for (const Team::Variables& old : {Team::Variables{{"ATEN_CPU_CAPABILITY", "default"}},
                                     Team::Variables{{"OPENBLAS_CORETYPE", "Prescott"}}}) {
    CAPTURE(old.begin()->first);
    Team team(2);
    team.start(0, words);
    team.start(1, words, old);
    for (const std::size_t rank : {0, 1}) {
      const Finished ended = team[rank].wait();
      CAPTURE(ended.err);
      CHECK(ended.code == 2);
      CHECK(contains(ended.err, "rank 1 ("));
      CHECK(contains(ended.err, "has other vector instructions, and so other last bits, than rank 0 ("));
    }
  }
  CHECK(entries(folder / "runs") == 0);
}
