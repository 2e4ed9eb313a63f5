// Which folders are runs of an experiment that is asked for again.
#include "harness/report/earlier_runs.hpp"

#include <fstream>
#include <nlohmann/json.hpp>

#include "harness/report/run_folder.hpp"
#include "tests/doctest_torch.hpp"
#include "tests/harness/data/files.hpp"
#include "tests/support/complaint.hpp"

using namespace fedval::harness;
using fedval::tests::complaint_of;
using test_files::Folder;
namespace fs = std::filesystem;

namespace {

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

Settings asked() {
  Settings settings;
  settings.name = "study";
  settings.data.set = "digits";
  return settings;
}

/// A folder as a run leaves it; `files`: what is in it beside the settings.
fs::path run(const fs::path& folder, const Settings& settings, const std::vector<std::string>& files) {
  write(folder / "config.toml", to_toml(settings));
  for (const std::string& file : files)
    write(folder / file, file == "summary.json" ? nlohmann::json{{"versions", versions()}}.dump() : "x");
  return folder;
}

}  // namespace

TEST_CASE("nothing where there is no folder, nor in an empty one; what is no folder cannot be read") {
  const Folder folder;
  for (const fs::path& parent : {folder / "none", folder.path()}) {
    const EarlierRuns found = earlier_runs(parent, asked());
    CHECK(found.finished.empty());
    CHECK(found.stopped.empty());
    CHECK(found.busy.empty());
  }
  write(folder / "file", "x");
  CHECK(complaint_of([&] { earlier_runs(folder / "file", asked()); }) ==
        (folder / "file").string() + ": cannot be read: Not a directory");
}

TEST_CASE("a finished run of the same settings, whatever its threads and checkpoints; the first by name") {
  const Folder folder;
  Settings same = asked();
  same.threads = 7;
  same.checkpoint.every = 9;
  run(folder / "study-3", same, {"summary.json"});
  const fs::path first = run(folder / "study-2", same, {"summary.json"});
  run(folder / "study", same, {});  // no summary
  CHECK(earlier_runs(folder.path(), asked()).finished == first);
  CHECK_FALSE(earlier_runs(folder.path(), asked()).other_build);
  for (const std::string summary : {"{\"versions\": {\"fedval\": \"0\"}}", "{}", "[", ""}) {
    write(first / "summary.json", summary);
    CHECK(earlier_runs(folder.path(), asked()).other_build);
  }
}

TEST_CASE("another name, other settings, other data or broken settings: another run") {
  const Folder folder;
  Settings other = asked();
  other.training.rounds += 1;
  run(folder / "study", other, {"summary.json"});
  run(folder / ".study.partial", other, {"checkpoint"});
  other = asked();
  other.data.set = "mnist";
  run(folder / "study-2", other, {"summary.json"});
  other = asked();
  other.name = "study-3";
  run(folder / "study-3", other, {"summary.json"});
  write(folder / "study-4/config.toml", "[training]\nrounds = -");
  write(folder / "study-5/summary.json", "{}");
  const EarlierRuns found = earlier_runs(folder.path(), asked());
  CHECK(found.finished.empty());
  CHECK(found.stopped.empty());
}

TEST_CASE("of runs that stopped the one that came furthest; one that a program is at is left to it") {
  const Folder folder;
  const auto stopped = [&] { return earlier_runs(folder.path(), asked()).stopped; };
  const fs::path nothing = run(folder / ".study.partial", asked(), {});
  CHECK(stopped() == nothing);
  const fs::path begun = run(folder / ".study-3.partial", asked(), {"checkpoint"});
  run(folder / ".study-4.partial", asked(), {"checkpoint"});
  CHECK(stopped() == begun);
  const fs::path complete = run(folder / ".study-9.partial", asked(), {"summary.json"});
  CHECK(stopped() == complete);
  CHECK(earlier_runs(folder.path(), asked()).finished.empty());
  {
    const RunFolder at_work(complete);
    CHECK(stopped() == begun);
    CHECK(earlier_runs(folder.path(), asked()).busy == complete);
  }
  CHECK(stopped() == complete);
}
