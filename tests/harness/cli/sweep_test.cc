// `run` of a file that stands for several experiments, --set and --dry-run.
#include <doctest/doctest.h>

#include <csignal>

#include "tests/harness/cli/process.hpp"
#include "tests/harness/cli/program.hpp"

using namespace fedval::harness;
using test_files::contains;
using test_files::Folder;

namespace {

const std::string sweep = [] {
  std::string text = small_experiment;
  return text.replace(0, text.find('\n'), "name = \"small\"\nseed = [1, 2]");
}();

Finished run(const Folder& folder, const std::string& experiment, const std::string& options) {
  write_text(folder / "file.toml", experiment);
  return harness(folder, "run " + (folder / "file.toml").string() + " --out " + (folder / "runs").string() +
                             " " + options);
}

}  // namespace

TEST_CASE("a sweep leaves a folder for each experiment, and each is the experiment run alone") {
  const Folder folder;
  const Finished both = run(folder, sweep, "--set training.rounds=1");
  CAPTURE(both.err);
  REQUIRE(both.code == 0);
  CHECK(contains(both.out, "Experiment 1 of 2: small_seed-1"));
  CHECK(contains(both.out, "Experiment 2 of 2: small_seed-2"));
  CHECK(entries(folder / "runs") == 2);
  const Found one = found_in(folder / "runs/small_seed-1"), two = found_in(folder / "runs/small_seed-2");
  CHECK(one.summary["seed"] == 1);
  CHECK(two.summary["seed"] == 2);
  CHECK(one.scores != two.scores);

  const Finished alone = run(folder, small_experiment, "--seed 2 --set training.rounds=1");
  REQUIRE(alone.code == 0);
  CHECK(found_in(folder / "runs/small").scores == two.scores);
}

TEST_CASE("--set stands in place of the file's value and is written down") {
  const Folder folder;
  const Finished set = run(
      folder, small_experiment,
      "--set training.rounds=1 --set data.set=sentences --set 'methods.run=[\"cgsv\"]' --set cgsv.beta=2");
  CAPTURE(set.err);
  REQUIRE(set.code == 0);
  const std::string config = text_of(folder / "runs/small/config.toml");
  CHECK(contains(config, "rounds = 1"));
  CHECK(contains(config, "beta = 2"));
  CHECK(found_in(folder / "runs/small").metrics.size() == 1);
  CHECK(found_in(folder / "runs/small").metrics.front()["method"] == "cgsv");
}

TEST_CASE("--dry-run says what would be run and writes nothing") {
  const Folder folder;
  const Finished dry = run(folder, small_experiment,
                           "--dry-run --set participation.fraction=1.0"
                           " --set participation.dropout=0.0 --set participation.stragglers=0.0");
  CAPTURE(dry.err);
  REQUIRE(dry.code == 0);
  CHECK(contains(dry.out, "agents   3 (pow), tested on 20 examples"));
  // An embedding of 120 words in 300, a kernel of 2 words for each of 128, and a layer of 2 classes:
  // 36000 + 128 (600 + 1) + 2 (128 + 1).
  CHECK(contains(dry.out, "113186 parameters, final layer fc, 2 x 128"));
  // Shards of 3, 20 and 37 are 1, 2 and 3 batches of 16: 6 a round, 3 rounds, alone and under 3 methods.
  CHECK(contains(dry.out, " 72 steps at "));
  // Each method: the server after each of 3 rounds and 3 agents; alone: 3 agents.
  CHECK(contains(dry.out, "up to 21 tests of 20 examples"));
  CHECK(contains(dry.out, "MiB of memory"));
  CHECK(contains(dry.out, "Nothing was run and nothing was written."));
  CHECK(entries(folder / "runs") == 0);

  const Finished both = run(folder, sweep, "--dry-run");
  CHECK(both.code == 0);
  CHECK(contains(both.out, "Experiment 2 of 2: small_seed-2"));
  CHECK(entries(folder / "runs") == 0);
}

TEST_CASE(
    "plan: its options may stand before the file, and one machine is measured with all that will be at "
    "work") {
  const Folder folder;
  write_text(folder / "file.toml", small_experiment);
  for (const std::string options :
       {"--ranks 1,2", "--ranks 1,2 --threads 1 --one-machine --set training.rounds=1"}) {
    const Finished plan = harness(folder, "plan " + options + " " + (folder / "file.toml").string());
    CAPTURE(plan.err);
    CHECK(plan.code == 0);
    CHECK(contains(plan.out, "\n1 "));
    CHECK(contains(plan.out, "\n2 "));
    CHECK(contains(plan.out, " steps a second"));
  }
}

TEST_CASE("a refusal names the experiment of the sweep; those before it stay") {
  const Folder folder;
  const std::string options = "--set 'evaluation.test_samples=[20, 5000]' --set training.rounds=1 --seed 1";
  const Finished mixed = run(folder, small_experiment, options);
  CAPTURE(mixed.err);
  CHECK(mixed.code == 2);
  CHECK(
      contains(mixed.err, "file.toml: small_evaluation.test_samples-5000: evaluation.test_samples is 5000"));
  CHECK(entries(folder / "runs") == 1);
  CHECK(std::filesystem::exists(folder / "runs/small_evaluation.test_samples-20/summary.json"));

  const Folder other;  // what the settings alone show is refused before anything starts
  const Finished bad = run(other, sweep, "--set 'training.learning_rate=[0.1, -1]'");
  CHECK(bad.code == 2);
  CHECK(contains(bad.err, "training.learning_rate"));
  CHECK(contains(bad.err, "--set"));
  CHECK(entries(other / "runs") == 0);
}

TEST_CASE("--resume: a killed sweep is ended by the same command, and what was finished is left as it is") {
  const Folder folder, whole;
  REQUIRE(run(whole, sweep, "").code == 0);
  write_text(folder / "file.toml", sweep);
  const std::filesystem::path runs = folder / "runs", first = runs / "small_seed-1",
                              stopped = runs / ".small_seed-2.partial";
  for (int code = 0; code != 128 + SIGKILL;) {  // again where it was through before it was looked at
    std::filesystem::remove_all(runs);
    Process process(folder, {"run", (folder / "file.toml").string(), "--out", runs.string()});
    process.until([&] { return identity_of(stopped / "checkpoint") != 0; });
    code = process.end().code;
  }
  REQUIRE(std::filesystem::exists(stopped / "checkpoint"));
  const ino_t summary = identity_of(first / "summary.json"), scores = identity_of(stopped / "scores.csv");

  const Finished rest = run(folder, sweep, "--resume --threads 1");
  CAPTURE(rest.err);
  REQUIRE(rest.code == 0);
  CHECK(contains(rest.out, "Finished before: " + first.string()));
  CHECK(contains(rest.err, "note: goes on from " + stopped.string()));
  CHECK(contains(rest.out, "Setting 1 over 2 runs"));  // side by side as after a sweep that nothing stopped
  CHECK(entries(runs) == 2);
  CHECK(identity_of(first / "summary.json") == summary);
  CHECK(identity_of(runs / "small_seed-2/scores.csv") == scores);
  for (const std::string name : {"small_seed-1", "small_seed-2"}) {
    CAPTURE(name);
    CHECK((found_in(runs / name) == found_in(whole / "runs" / name)));
  }

  // With other settings neither is the experiment that is asked for.
  const Finished others = run(folder, sweep, "--resume --set training.rounds=1");
  REQUIRE(others.code == 0);
  CHECK(!contains(others.out, "Finished before"));
  CHECK(entries(runs) == 4);
  const Finished nothing = run(folder, sweep, "--resume --set training.rounds=1");
  CHECK(contains(nothing.out, "Finished before: " + (runs / "small_seed-2-2").string()));
  CHECK(entries(runs) == 4);
  CHECK(run(folder, sweep, "--resume --dry-run").code == 2);
}

TEST_CASE("--resume: an experiment that another program is at is left to it") {
  const Folder folder;
  const std::filesystem::path runs = folder / "runs", partial = runs / ".small_seed-1.partial";
  std::string endless = sweep;
  endless.replace(endless.find("rounds = 3"), 10, "rounds = 1000000");
  write_text(folder / "file.toml", endless);
  Process process(folder, {"run", (folder / "file.toml").string(), "--out", runs.string()});
  process.until([&] { return identity_of(partial / "checkpoint") != 0; });
  REQUIRE(process.running());
  const Folder others;  // its output
  const Finished beside =
      harness(others, "run " + (folder / "file.toml").string() + " --out " + runs.string() +
                          " --resume --set seed=1 --set name=small_seed-1");
  CAPTURE(beside.err);
  CHECK(beside.code == 0);
  CHECK(contains(beside.out, "Another program is at it: " + partial.string()));
  process.end();
}
