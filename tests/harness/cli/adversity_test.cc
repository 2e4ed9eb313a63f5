// A machine that turns against a run: its folder is deleted, its clock goes backwards, its memory ends.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <set>

#include "tests/harness/cli/process.hpp"
#include "tests/harness/cli/program.hpp"

using namespace fedval::harness;
using test_files::contains;
using test_files::Folder;

namespace {

Finished run(const Folder& folder, const std::vector<std::string>& prefix, const std::string& experiment) {
  write_text(folder / "run.toml", experiment);
  return Process(folder, {"run", (folder / "run.toml").string(), "--out", (folder / "runs").string()},
                 RLIM_INFINITY, prefix)
      .wait();
}

/// Starts a program with so much address space.
std::vector<std::string> within(std::size_t kibibytes) {
  return {"bash", "-c", "ulimit -v " + std::to_string(kibibytes) + "; exec \"$@\"", "bash"};
}

/// Starts a program to which a folder that is there is read-only, whoever runs it.
std::vector<std::string> read_only(const std::filesystem::path& folder) {
  return {"unshare",
          "-rm",
          "bash",
          "-c",
          "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"",
          folder.string()};
}

bool can_mount() { return std::system("unshare -rm mount -t tmpfs none /mnt > /dev/null 2>&1") == 0; }

/// What the wall clock says, read twice.
std::pair<long, long> dates(const Folder& folder, const std::string& environment) {
  const std::string file = (folder / "dates").string();
  const std::string command = "env " + environment + " bash -c 'echo $EPOCHSECONDS $EPOCHSECONDS' > " + file;
  REQUIRE(std::system(command.c_str()) == 0);
  std::pair<long, long> seconds;
  std::ifstream(file) >> seconds.first >> seconds.second;
  return seconds;
}

/// That every time in what a run has written is possible; how many there are.
std::size_t check_times(const nlohmann::json& written) {
  std::size_t times = 0;
  for (const auto& [key, value] : written.items()) {
    if (value.is_structured()) times += check_times(value);
    if (!value.is_number() || !key.ends_with("seconds")) continue;
    CAPTURE(key);
    CHECK(value >= 0);
    CHECK(value < 600);
    ++times;
  }
  return times;
}

/// The most address space that a program has had, in KiB, looked at again and again while it runs.
std::size_t most_space(const Folder& folder, const std::vector<std::string>& words) {
  const std::string watch =
      "\"$@\" & most=0; while kill -0 $! 2>&-; do size=$(sed -n 's/^VmPeak:[^0-9]*\\([0-9]*\\) kB/\\1/p' "
      "/proc/$!/status 2>&-); most=${size:-$most}; sleep .01; done; wait $!; code=$?; echo $most > " +
      (folder / "most").string() + "; exit $code";
  REQUIRE(Process(folder, words, RLIM_INFINITY, {"bash", "-c", watch, "bash"}).wait().code == 0);
  return std::stoul(text_of(folder / "most"));
}

/// One step of a network of 45 MB for each of some agents.
std::string large_models(std::size_t agents) {
  return "name = \"large\"\nthreads = 1\n[data]\nset = \"digits\"\n[partition]\nkind = \"uni\"\nagents = " +
         std::to_string(agents) +
         "\nsamples_per_agent = 4\n[model]\nname = \"resnet18\"\n[training]\nrounds = 1\nlocal_epochs = 1\n"
         "batch_size = 4\n[evaluation]\ntest_samples = 4\n[methods]\nrun = [\"fedavg\"]\n[scores]\nread = "
         "[]\n";
}

}  // namespace

TEST_CASE("its folder is deleted while it runs: an error that names the folder, exit code 2") {
  const Folder folder;
  std::string settings = small_experiment + "[checkpoint]\nevery = 1\n";
  settings.replace(settings.find("rounds = 3"), 10, "rounds = 1000000");
  write_text(folder / "run.toml", settings);
  Process process(folder, {"run", (folder / "run.toml").string(), "--out", (folder / "runs").string()});
  const std::filesystem::path partial = folder / "runs/.small.partial";
  process.until([&] { return std::filesystem::exists(partial / "checkpoint"); });
  REQUIRE(process.running());
  for (std::error_code error; std::filesystem::exists(partial, error);)  // it may be writing meanwhile
    std::filesystem::remove_all(partial, error);
  const Finished end = process.wait();
  CHECK(end.code == 2);
  CAPTURE(end.err);
  CHECK(contains(end.err, partial.string()));
  CHECK_FALSE(std::filesystem::exists(partial));
}

TEST_CASE("a read-only folder: said before anything is trained, and a run in it can be gone on with" *
          doctest::skip(!can_mount())) {
  const Folder folder;
  const std::filesystem::path runs = folder / "runs", partial = runs / ".small.partial";
  std::filesystem::create_directory(runs);
  const Finished refused = run(folder, read_only(runs), small_experiment);
  CAPTURE(refused.err);
  CHECK(refused.code == 2);
  CHECK(contains(refused.err, partial.string() + ": cannot be made: Read-only file system"));
  CHECK(!contains(refused.err, "round 1"));
  CHECK(entries(runs) == 0);

  for (int code = 0; code != 128 + SIGKILL;) {  // again where it was through before it was looked at
    std::filesystem::remove_all(runs);
    Process process(folder, {"run", (folder / "run.toml").string(), "--out", runs.string()});
    process.until([&] { return identity_of(partial / "checkpoint") != 0; });
    code = process.end().code;
  }
  const auto before = contents(partial);
  REQUIRE(before.contains("checkpoint"));
  const Finished stopped =
      Process(folder, {"resume", partial.string()}, RLIM_INFINITY, read_only(runs)).wait();
  CAPTURE(stopped.err);
  CHECK(stopped.code == 2);
  CHECK(contains(stopped.err,
                 (partial / "config.toml").string() + ": cannot be opened: Read-only file system"));
  CHECK((contents(partial) == before));
  CHECK(harness(folder, "resume " + partial.string()).code == 0);
}

TEST_CASE("a disk that is full at any point: said, and with room again it goes on to the same bits" *
          doctest::skip(!can_mount())) {
  const Folder folder;
  REQUIRE(run(folder, {}, small_experiment).code == 0);  // leaves run.toml, too
  const Found usual = found_in(folder / "runs/small");
  std::set<std::string> full;  // what could not be written
  for (const std::string every : {"0", "1"})
    for (int kibibytes = every == "0" ? 8 : 1200; kibibytes < (every == "0" ? 40 : 4000);
         kibibytes += every == "0" ? 4 : 600) {
      CAPTURE(every);
      CAPTURE(kibibytes);
      std::filesystem::remove_all(folder / "out");
      std::filesystem::create_directories(folder / "disk");
      const std::string at = folder.path().string(), partial = at + "/disk/.small.partial",
                        script = "mount -t tmpfs -o size=" + std::to_string(kibibytes) + "k none " + at +
                                 "/disk && { harness/harness run " + at + "/run.toml --out " + at +
                                 "/disk --set checkpoint.every=" + every + " > /dev/null 2> " + at +
                                 "/first; echo $? >> " + at + "/first; mount -o remount,size=99M " + at +
                                 "/disk; test ! -d " + partial + " || harness/harness resume " + partial +
                                 " > /dev/null 2> " + at + "/second; test ! -d " + at +
                                 "/disk/small || cp -r " + at + "/disk/small " + at + "/out; }";
      write_text(folder / "script", script);
      REQUIRE(std::system(("unset BUILD_WORKING_DIRECTORY; unshare -rm bash " + at + "/script").c_str()) ==
              0);
      const std::string first = text_of(folder / "first");
      CAPTURE(first);
      if (first.ends_with("\n0\n")) {
        full.insert("nothing");
      } else {
        CHECK(first.ends_with("\n2\n"));
        CHECK(contains(first, "No space left on device"));
        for (const std::string name : {"scores.csv", "metrics.jsonl", "summary.json", "checkpoint"})
          if (contains(first, "/" + name + ": cannot")) full.insert(name);
        if (!std::filesystem::exists(folder / "out")) continue;  // nothing was saved that it could go on from
      }
      CHECK(found_in(folder / "out") == usual);
    }
  CHECK(full.contains("nothing"));
  for (const std::string name : {"scores.csv", "summary.json", "checkpoint"}) {
    CAPTURE(name);
    CHECK(full.contains(name));
  }
}

TEST_CASE("the clock goes backwards: the same results, and no time is negative") {
  const Folder usual, backwards;
  REQUIRE(run(usual, {}, small_experiment).code == 0);
  const std::string clock =
      "LD_PRELOAD=" + std::filesystem::absolute("tests/harness/cli/libbackward_clock.so").string();
  const std::string before_asan =
      "ASAN_OPTIONS=verify_asan_link_order=0";  // its library is not the first one then
  const auto [before, after] = dates(backwards, clock);
  REQUIRE(after < before);
  const Finished end = run(backwards, {"env", before_asan, clock}, small_experiment);
  CAPTURE(end.err);
  REQUIRE(end.code == 0);
  CHECK(found_in(backwards / "runs/small") == found_in(usual / "runs/small"));
  const auto summary = nlohmann::json::parse(text_of(backwards / "runs/small/summary.json"));
  CHECK(summary["seconds"] > 0);
  std::size_t times = check_times(summary);
  std::istringstream rounds(text_of(backwards / "runs/small/metrics.jsonl"));
  for (std::string line; std::getline(rounds, line);) times += check_times(nlohmann::json::parse(line));
  CHECK(times > 5);
}

TEST_CASE("more models than there is memory for: said before anything is trained") {
  const Folder folder;
  const Finished end = run(folder, within(8'000'000), large_models(300));
  CHECK(end.code == 2);
  CAPTURE(end.err);
  CHECK(contains(end.err, "the models of 300 agents take 12797 MiB of memory, and ulimit -v has "));
  CHECK(entries(folder / "runs") == 0);
}

TEST_CASE("memory that ends while it runs: said, with exit code 2") {
  const Folder folder;
  write_text(folder / "run.toml", large_models(2));
  const std::vector<std::string> words{"run", (folder / "run.toml").string(), "--out",
                                       (folder / "runs").string()};
  // With less than the program itself takes LibTorch ends it before its first line.
  const std::size_t least = most_space(folder, {"settings"}), most = most_space(folder, words);
  REQUIRE(least < most);
  std::size_t failed = 0;
  for (const std::size_t part : {3, 5, 7, 8, 9}) {
    const std::size_t room = least + part * (most - least) / 10;
    CAPTURE(part);
    const Finished end = run(folder, within(room), large_models(2));
    CAPTURE(end.err);
    CHECK((end.code == 0 || end.code == 2));
    if (end.code == 0) continue;
    ++failed;
    CHECK(contains(end.err, "memory"));
    CHECK(std::count(end.err.begin(), end.err.end(), '\n') < 10);  // no page of addresses
  }
  CHECK(failed > 0);
}
