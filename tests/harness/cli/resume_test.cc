// A run that is killed or stopped, and resumed, ends with the bits of one that never stopped.
#include <doctest/doctest.h>
#include <algorithm>

#include "fedval/random/philox.hpp"
#include "tests/harness/cli/process.hpp"
#include "tests/harness/cli/program.hpp"

using namespace fedval::harness;
using test_files::contains;
using test_files::Folder;

namespace {

/// What the small experiment finds when nothing stops it, and how long that takes.
struct Undisturbed {
  Found found;
  double seconds;
};
const Undisturbed& undisturbed() {
  static const Undisturbed result = [] {
    const Folder folder;
    write_text(folder / "small.toml", small_experiment);
    const auto start = Clock::now();
    const Finished run =
        harness(folder, "run " + (folder / "small.toml").string() + " --out " + (folder / "runs").string());
    CAPTURE(run.err);
    REQUIRE(run.code == 0);
    return Undisturbed{found_in(folder / "runs/small"),
                       std::chrono::duration<double>(Clock::now() - start).count()};
  }();
  return result;
}

/// One run of the small experiment, in as many parts as it takes.
class InParts {
 public:
  explicit InParts(const std::string& settings = "") {
    write_text(folder_ / "small.toml", small_experiment + settings);
  }

  std::filesystem::path partial() const { return folder_ / "runs/.small.partial"; }
  std::filesystem::path finished() const { return folder_ / "runs/small"; }
  bool done() const { return std::filesystem::exists(finished()); }

  /// Starts it, or goes on with it.
  Process start(std::vector<std::string> options = {}, rlim_t room = RLIM_INFINITY) {
    std::vector<std::string> words{"run", (folder_ / "small.toml").string(), "--out",
                                   (folder_ / "runs").string()};
    if (std::filesystem::exists(partial() / "config.toml")) {
      words = {"resume", finished().string()};
    } else {  // killed before its settings were there: it has done nothing
      std::filesystem::remove_all(partial());
    }
    words.insert(words.end(), options.begin(), options.end());
    return Process(folder_, words, room);
  }

  /// To the end, and compares.
  void finish() {
    if (!done()) {
      const Finished last = start().wait();
      CAPTURE(last.err);
      REQUIRE(last.code == 0);
    }
    REQUIRE(done());
    CHECK(entries(folder_ / "runs") == 1);
    CHECK(entries(finished()) == 4);  // nothing of the checkpoints is left
    const Found found = found_in(finished());
    CHECK(found.scores == undisturbed().found.scores);
    CHECK(found.metrics == undisturbed().found.metrics);
    CHECK(found.summary == undisturbed().found.summary);
  }

 private:
  Folder folder_;
};

}  // namespace

TEST_CASE("killed after every other checkpoint, and resumed with another number of threads each time") {
  InParts run;
  fedval::random::Stream draw(1);
  std::size_t parts = 0;
  for (; !run.done() && parts < 20; ++parts) {
    Process process = run.start({"--threads", std::to_string(1 + parts % 3)});
    for (int checkpoints = 0; checkpoints < 2; ++checkpoints) {
      const ino_t before = identity_of(run.partial() / "checkpoint");
      process.until([&] { return identity_of(run.partial() / "checkpoint") != before; });
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(draw.below(10)));  // into the next round
    process.end();
  }
  CHECK(parts >= 3);  // of twelve rounds: alone and under three methods
  run.finish();
}

TEST_CASE(
    "a checkpoint that the disk has damaged: the one before it is used, with the same bits, and it says so") {
  for (const std::string damage : {"cut", "flipped", "gone"}) {
    CAPTURE(damage);
    InParts run;
    const std::filesystem::path checkpoint = run.partial() / "checkpoint";
    {
      Process process = run.start();
      for (int checkpoints = 0; checkpoints < 4; ++checkpoints) {
        const ino_t before = identity_of(checkpoint);
        process.until([&] { return identity_of(checkpoint) != before; });
      }
      process.end();
    }
    REQUIRE(!run.done());
    std::string bytes = text_of(checkpoint);
    if (damage == "cut") bytes.resize(bytes.size() / 2);
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    if (damage == "gone")
      std::filesystem::remove(checkpoint);
    else
      write_text(checkpoint, bytes);
    const Finished resumed = run.start().wait();
    CAPTURE(resumed.err);
    CHECK(resumed.code == 0);
    CHECK(test_files::contains(resumed.err, "; the checkpoint before it is used"));
    run.finish();
  }
}

TEST_CASE("killed at random moments, from the start of the program on") {
  constexpr std::uint64_t seed = 3;
  constexpr int killed_by_nine = 128 + SIGKILL;
  CAPTURE(seed);
  fedval::random::Stream draw(seed);
  int kills = 0;
  while (kills < 20) {  // a run ends after some of them, the same as undisturbed; then another one is begun
    InParts run;
    while (kills < 20 && !run.done()) {
      Process process = run.start();
      std::this_thread::sleep_for(
          std::chrono::duration<double>(draw.uniform(0.05, 0.5) * undisturbed().seconds));
      const Finished part = process.end();
      CAPTURE(part.err);
      REQUIRE((part.code == killed_by_nine || (part.code == 0 && run.done())));
      kills += part.code == killed_by_nine ? 1 : 0;
    }
    run.finish();
  }
  CHECK(kills == 20);
}

TEST_CASE("killed after its summary, before its folder had its name: nothing is trained again") {
  InParts run;
  {
    Process process = run.start();
    const ino_t before = identity_of(run.partial() / "checkpoint");
    process.until([&] { return identity_of(run.partial() / "checkpoint") != before; });
    process.end();
  }
  const std::string early = text_of(run.partial() / "checkpoint");
  REQUIRE(run.start().wait().code == 0);
  REQUIRE(run.done());
  for (const bool with_checkpoint : {false, true}) {  // of those the last or both may be left
    CAPTURE(with_checkpoint);
    std::filesystem::rename(run.finished(), run.partial());
    if (with_checkpoint) write_text(run.partial() / "checkpoint.previous", early);
    const Finished resumed = run.start().wait();
    CAPTURE(resumed.err);
    CHECK(resumed.code == 0);
    CHECK(contains(resumed.err, "note: all was done but to give the folder its name"));
    CHECK(contains(resumed.out, "Written to " + run.finished().string()));
    run.finish();
  }
}

TEST_CASE("checkpoints every third round: what came after the last one is done again, the same") {
  InParts run("[checkpoint]\nevery = 3\n");
  for (const std::size_t lines : {2, 5}) {  // of metrics.jsonl: in the middle of the first and second method
    Process process = run.start();
    process.until([&] {
      const std::string metrics = text_of(run.partial() / "metrics.jsonl");
      return static_cast<std::size_t>(std::count(metrics.begin(), metrics.end(), '\n')) >= lines;
    });
    process.end();
  }
  run.finish();
}

TEST_CASE("no checkpoints: a killed run starts again, a stopped one is saved") {
  InParts run("[checkpoint]\nevery = 0\n");
  {
    Process process = run.start();
    process.until([&] { return text_of(run.partial() / "metrics.jsonl").size() > 0; });
    process.end();
    CHECK_FALSE(std::filesystem::exists(run.partial() / "checkpoint"));
  }
  {
    Process process = run.start();
    process.until([&] { return text_of(run.partial() / "metrics.jsonl").size() > 1000; });
    process.send(SIGINT);
    if (process.wait().code == 130) CHECK(std::filesystem::exists(run.partial() / "checkpoint"));
  }
  run.finish();
}

TEST_CASE("Ctrl-C and a polite kill end after the round with code 130, and say how to go on") {
  InParts run;
  for (const int signal : {SIGINT, SIGTERM, SIGINT}) {
    Process process = run.start();
    const ino_t before = identity_of(run.partial() / "checkpoint");
    process.until([&] { return identity_of(run.partial() / "checkpoint") != before; });
    process.send(signal);
    if (signal == SIGTERM) process.send(signal);  // to the group, and from a launcher
    const Finished stopped = process.wait();
    CAPTURE(stopped.err);
    CHECK(stopped.code == 130);
    CHECK(contains(stopped.err, "stopped after round "));
    CHECK(contains(stopped.err, "harness resume " + run.partial().string()));
  }
  run.finish();
}

TEST_CASE("a full disk ends the run with an error; the last checkpoint is whole, and it goes on from there") {
  InParts run;
  // Alone, three models of 113,186 parameters are kept; under CGSV, the server's, its last step and each
  // agent's.
  const Finished full = run.start({}, 1'500'000).wait();
  CAPTURE(full.err);
  CHECK(full.code == 2);
  CHECK(contains(full.err, "cgsv: "));
  CHECK(contains(full.err, "checkpoint.new: cannot write: "));
  CHECK_FALSE(std::filesystem::exists(run.partial() / "checkpoint.new"));
  const auto before = contents(run.partial());
  CHECK(run.start({}, 1'500'000).wait().code == 2);  // still full
  CHECK(contents(run.partial()).at("checkpoint") == before.at("checkpoint"));
  run.finish();
}

TEST_CASE("a disk that is full in the end: rounds and scores stay, of a run without checkpoints, too") {
  const std::string no_checkpoints = "[checkpoint]\nevery = 0\n";
  InParts whole(no_checkpoints), run(no_checkpoints);
  REQUIRE(whole.start().wait().code == 0);
  const auto sizes = contents(whole.finished());
  // Between them and the summary; how many digits a time has differs.
  const std::size_t rounds = std::max(sizes.at("metrics.jsonl").size(), sizes.at("scores.csv").size());
  REQUIRE(sizes.at("summary.json").size() > rounds + 500);
  const std::size_t room = (rounds + sizes.at("summary.json").size()) / 2;
  const Finished full = run.start({}, room).wait();
  CAPTURE(full.err);
  CHECK(full.code == 2);
  CHECK(contains(full.err, "summary.json"));
  CHECK(contains(full.err, "cannot write: "));
  CHECK(contents(run.partial()).at("scores.csv") == sizes.at("scores.csv"));
}

TEST_CASE("a second Ctrl-C ends at once") {
  const Folder folder;
  write_text(folder / "endless.toml", endless_experiment);
  Process process(folder, {"run", (folder / "endless.toml").string(), "--out", (folder / "runs").string()});
  process.until([&] { return contains(text_of(folder / "stderr"), "standalone: 3 rounds"); });
  process.send(SIGINT);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  CHECK(process.running());
  const auto sent = Clock::now();
  process.send(SIGINT);
  CHECK(process.wait().code == 128 + SIGINT);
  CHECK(Clock::now() - sent < std::chrono::seconds(5));
}

TEST_CASE("a line that a kill or a full disk cut short is dropped, and so is a draft of a checkpoint") {
  InParts run;
  {
    Process process = run.start();
    process.until([&] { return text_of(run.partial() / "metrics.jsonl").size() > 0; });
    process.end();
  }
  REQUIRE_FALSE(run.done());
  std::ofstream(run.partial() / "metrics.jsonl", std::ios::app) << "{\"method\": \"fed";
  std::ofstream(run.partial() / "scores.csv", std::ios::app) << "fedavg,1,CGSV";
  write_text(run.partial() / "checkpoint.new", "fedval-chec");
  write_text(run.partial() / "summary.json.new", "{");
  run.finish();
}

TEST_CASE("the folder is found by its own name, by the run's, and with a slash or a dot behind it") {
  const Folder folder;
  const std::filesystem::path partial = folder / "runs/.small.partial";
  std::filesystem::create_directories(partial);
  write_text(partial / "config.toml", "name = \"small\"\n[data]\nset = \"mnist\"\n");
  for (const std::string name : {".small.partial", "small", "small/", ".small.partial/", "small/."}) {
    CAPTURE(name);
    const Finished run = harness(folder, "resume " + (folder / ("runs/" + name)).string() + " --data " +
                                             (folder / "nothing").string());
    CAPTURE(run.err);
    CHECK(run.code == 2);  // for want of data, so the folder was found
    CHECK(run.err.starts_with("harness: " + partial.string() + ": "));
    CHECK(contains(run.err, (folder / "nothing").string()));
  }
}
