#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/harness/cli/program.hpp"

using namespace fedval::harness;
using Json = nlohmann::json;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::size_t lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

TEST_CASE("a run prints its tables, says which data it used, and leaves a whole run folder") {
  const test_files::Folder folder;
  write_text(folder / "tiny.toml", tiny_experiment);
  const Finished run =
      harness(folder, "run " + (folder / "tiny.toml").string() + " --out " + (folder / "runs").string());
  CAPTURE(run.err);
  REQUIRE(run.code == 0);
  CHECK(contains(run.out, "rendered digits"));
  CHECK(contains(run.out, "NOT MNIST"));
  for (const char* word :
       {"agent", "samples", "classes", "alone", "cgsv r", "spectral_fed s", "valuation", "CGSV psi"})
    CHECK(contains(run.out, word));
  CHECK(contains(run.err, "round 2/2"));

  CHECK(entries(folder / "runs") == 1);
  const auto results = folder / "runs" / "tiny";
  CHECK(lines(text_of(results / "metrics.jsonl")) == 3 * 2);  // methods x rounds
  CHECK(lines(text_of(results / "scores.csv")) ==
        1 + 3 * 2 * 7 * 3);  // header, methods x rounds x scores x agents
  CHECK(contains(text_of(results / "config.toml"), "learning_rate_decay"));  // defaults are written out
  CHECK_FALSE(contains(text_of(results / "config.toml"), "threads = 0"));    // and what 0 stood for
  const Json summary = Json::parse(text_of(results / "summary.json"));
  CHECK(summary["seed"] == 1);
  CHECK(summary["model"]["parameters"] == 104242);
  CHECK(summary["agents"].size() == 3);
  CHECK(summary["methods"].size() == 3);
  CHECK(summary["versions"].contains("libtorch"));

  // Its config, run again, gives the same scores under another name, with one thread as with two.
  for (const std::string threads : {"1", "2"}) {
    const Finished again = harness(folder, "run " + (results / "config.toml").string() + " --threads " +
                                               threads + " --out " + (folder / "runs").string());
    REQUIRE(again.code == 0);
    const auto name = threads == "1" ? "tiny-2" : "tiny-3";
    CHECK(text_of(folder / "runs" / name / "scores.csv") == text_of(results / "scores.csv"));
    CHECK(contains(text_of(folder / "runs" / name / "config.toml"), "threads = " + threads));
  }
}

TEST_CASE("--seed overrides the file") {
  const test_files::Folder folder;
  write_text(folder / "tiny.toml", tiny_experiment);
  const std::string command =
      "run " + (folder / "tiny.toml").string() + " --out " + (folder / "runs").string();
  REQUIRE(harness(folder, command + " --seed 5").code == 0);
  CHECK(Json::parse(text_of(folder / "runs" / "tiny" / "summary.json"))["seed"] == 5);
  CHECK(contains(text_of(folder / "runs" / "tiny" / "config.toml"), "seed = 5"));
}

TEST_CASE("settings and help are printed with exit code 0") {
  const test_files::Folder folder;
  const Finished settings = harness(folder, "settings");
  CHECK(settings.code == 0);
  CHECK(contains(settings.out, "learning_rate"));
  const Finished help = harness(folder, "--help");
  CHECK(help.code == 0);
  CHECK(contains(help.out, "quickstart"));
}

TEST_CASE("the built-in quickstart is the quickstart file") {
  const test_files::Folder folder;
  // Refused before anything starts, under the quickstart's name and data setting: the embedded text was
  // parsed.
  const Finished run = harness(folder, "quickstart --data " + (folder / "nothing").string());
  CHECK(run.code == 2);
  CHECK(contains(run.err, "harness: quickstart.toml: "));
  CHECK(contains(run.err, (folder / "nothing").string()));
}
