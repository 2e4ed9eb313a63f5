// Runs that cannot be resumed: exit code 2, a message that says why, and a folder as it was.
#include <doctest/doctest.h>

#include "tests/harness/cli/process.hpp"
#include "tests/harness/cli/program.hpp"

using namespace fedval::harness;
using test_files::contains;
using test_files::Folder;

namespace {

/// A run of the small experiment that was killed after its first round, and copies of it to be spoiled.
class Killed {
 public:
  Killed() {
    write_text(original_ / "small.toml", small_experiment);
    Process process(original_,
                    {"run", (original_ / "small.toml").string(), "--out", original_.path().string()});
    process.until([&] { return std::filesystem::exists(original_ / ".small.partial/checkpoint"); });
    process.end();
    REQUIRE(std::filesystem::exists(original_ / ".small.partial/checkpoint"));
  }
  std::filesystem::path copy_to(const Folder& folder) const {
    const std::filesystem::path copy = folder / ".small.partial";
    std::filesystem::copy(original_ / ".small.partial", copy);
    return copy;
  }

 private:
  Folder original_;
};

const Killed& killed() {
  static const Killed run;
  return run;
}

void replace_in(const std::filesystem::path& file, const std::string& from, const std::string& to) {
  std::string text = text_of(file);
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  write_text(file, text.replace(at, from.size(), to));
}

void check_refused(const Folder& folder, const std::filesystem::path& run,
                   std::initializer_list<std::string> words) {
  const bool there = std::filesystem::exists(run);
  const auto before = there ? contents(run) : std::map<std::string, std::string>();
  const Finished resumed = harness(folder, "resume " + run.string());
  CAPTURE(resumed.err);
  CHECK(resumed.code == 2);
  for (const std::string& word : words) {
    CAPTURE(word);
    CHECK(contains(resumed.err, word));
  }
  REQUIRE(std::filesystem::exists(run) == there);
  if (there) CHECK((contents(run) == before));
}

}  // namespace

TEST_CASE("nowhere, a folder without settings, a file, and a finished run") {
  const Folder folder;
  check_refused(folder, folder / "nothing", {"nothing: no such folder", ".nothing.partial"});
  std::filesystem::create_directory(folder / "empty");
  check_refused(folder, folder / "empty", {(folder / "empty/config.toml").string()});
  write_text(folder / "file", "");
  CHECK(harness(folder, "resume " + (folder / "file").string()).code == 2);
  std::filesystem::create_directory(folder / "done");
  write_text(folder / "done/config.toml", small_experiment);
  write_text(folder / "done/summary.json", "{}");
  check_refused(folder, folder / "done", {"done: is a finished run, there is nothing to resume"});
}

TEST_CASE("a folder that another program is at") {
  const Folder folder;
  write_text(folder / "endless.toml", endless_experiment);
  Process process(folder, {"run", (folder / "endless.toml").string(), "--out", (folder / "runs").string()});
  process.until([&] { return contains(text_of(folder / "stderr"), "standalone: 3 rounds"); });
  const Folder other;  // for the output of the second program
  check_refused(other, folder / "runs/.small.partial", {".small.partial: another program is at this run"});
  CHECK(process.running());
  process.end();
}

TEST_CASE("a checkpoint with a flipped bit, cut off, empty, of something else, and none before it") {
  const Folder folder;
  const std::filesystem::path run = killed().copy_to(folder), checkpoint = run / "checkpoint";
  std::filesystem::remove(run / "checkpoint.previous");
  const std::string whole = text_of(checkpoint);
  std::string damaged = whole;
  damaged[whole.size() / 2] ^= 1;
  write_text(checkpoint, damaged);
  check_refused(folder, run, {checkpoint.string() + ": is damaged"});
  write_text(checkpoint, whole.substr(0, whole.size() - 1));
  check_refused(folder, run, {checkpoint.string() + ": is cut off"});
  write_text(checkpoint, "");
  check_refused(folder, run, {checkpoint.string() + ": is no checkpoint"});
  write_text(checkpoint, small_experiment);
  check_refused(folder, run, {checkpoint.string() + ": is no checkpoint"});
}

TEST_CASE("settings that were changed since it began: those that decide the results, and broken ones") {
  for (const auto& [from, to] : std::initializer_list<std::pair<std::string, std::string>>{
           {"seed = 1", "seed = 2"},
           {"learning_rate = 0.1", "learning_rate = 0.2"},
           {"dropout = 0.5", "dropout = 0.4"}}) {
    CAPTURE(to);
    const Folder folder;
    const std::filesystem::path run = killed().copy_to(folder);
    replace_in(run / "config.toml", from, to);
    check_refused(folder, run,
                  {run.string(), "config.toml: other settings than those that the run began with"});
  }
  const Folder folder;
  const std::filesystem::path run = killed().copy_to(folder);
  replace_in(run / "config.toml", "seed = 1", "seed = [1, 2]");
  check_refused(folder, run, {(run / "config.toml").string()});
  replace_in(run / "config.toml", "seed = [1, 2]", "sed = 1");
  check_refused(folder, run, {(run / "config.toml").string(), "did you mean \"seed\""});
}

TEST_CASE("files that are shorter than the checkpoint says") {
  const Folder folder;
  const std::filesystem::path run = killed().copy_to(folder);
  write_text(run / "scores.csv", "method");
  check_refused(folder, run,
                {(run / "scores.csv").string() + ": has 6 bytes, but the checkpoint counts on "});
  std::filesystem::remove(run / "metrics.jsonl");
  write_text(run / "scores.csv", "method");
  const Finished resumed = harness(folder, "resume " + run.string());
  CHECK(resumed.code == 2);
}
