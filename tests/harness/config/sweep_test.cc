// Sweeps and overrides: which experiments a text stands for, what they are called, and every refusal.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "tests/harness/config/complaint.hpp"

using namespace fedval::harness;

namespace {

std::vector<Settings> experiments(std::string_view text, std::vector<std::string> changes = {}) {
  std::vector<Override> overrides;
  for (const std::string& change : changes) overrides.push_back({change, "--set " + change});
  return parse_experiments(text, "t.toml", overrides);
}

std::vector<std::string> names(const std::vector<Settings>& all) {
  std::vector<std::string> result;
  for (const Settings& settings : all) result.push_back(settings.name);
  return result;
}

std::string refusal(std::string_view text, std::vector<std::string> changes) {
  return complaint_of([&] { experiments(text, changes); });
}

}  // namespace

TEST_CASE("sweep: a text without lists is one experiment under its own name") {
  CHECK(experiments("name = \"a\"\nseed = 3") ==
        std::vector{parse_settings("name = \"a\"\nseed = 3", "t.toml")});
}

TEST_CASE("sweep: every combination, the last key fastest, each under a name of its own") {
  const auto all = experiments("name = \"a\"\nseed = [1, 2]\n[cgsv]\nbeta = [0.5, 1, 1e7]\n");
  CHECK(names(all) == std::vector<std::string>{"a_seed-1_cgsv.beta-0.5", "a_seed-1_cgsv.beta-1",
                                               "a_seed-1_cgsv.beta-1e07", "a_seed-2_cgsv.beta-0.5",
                                               "a_seed-2_cgsv.beta-1", "a_seed-2_cgsv.beta-1e07"});
  for (std::size_t i = 0; i < all.size(); ++i) {
    CHECK(all[i].seed == 1 + i / 3);
    CHECK(all[i].cgsv.beta == std::vector{0.5, 1.0, 1e7}[i % 3]);
    CHECK(all[i].training == TrainingSettings{});
  }
}

TEST_CASE("sweep: texts, and lists of lists where a key takes a list") {
  CHECK(names(experiments("[partition]\nkind = [\"uni\", \"pow\"]")) ==
        std::vector<std::string>{"experiment_partition.kind-uni", "experiment_partition.kind-pow"});
  const auto all = experiments("[methods]\nrun = [[\"fedavg\"], [\"cgsv\", \"fedavg\"]]");
  REQUIRE(all.size() == 2);
  CHECK(all[0].methods.run == std::vector<std::string>{"fedavg"});
  CHECK(all[1].methods.run == std::vector<std::string>{"cgsv", "fedavg"});
  CHECK(all[1].name == "experiment_methods.run-cgsv-fedavg");
  CHECK(experiments("[methods]\nrun = [\"fedavg\", \"cgsv\"]").size() == 1);
  CHECK(experiments("[noise]\nlabel_agents = [[], [1, 2]]").size() == 2);
}

TEST_CASE("sweep: names stay different and can name folders, whatever the values") {
  const auto all = experiments(
      "[training]\nlearning_rate = [1e-5, 1e20, 3]\nrounds = [1, 2]\n[partition]\nkind=[\"uni\", "
      "\"cla_distinct\"]");
  std::set<std::string> distinct;
  for (const Settings& settings : all) {
    distinct.insert(settings.name);
    CHECK_NOTHROW(to_toml(settings));  // refuses what cannot name a folder
  }
  CHECK(distinct.size() == 12);
}

TEST_CASE("sweep: refusals") {
  CHECK(refusal("seed = [1, \"two\"]", {}) == "t.toml:1: seed[1] is a string (\"two\"), expected an integer");
  CHECK(refusal("\nseed = []", {}) == "t.toml:2: seed is an empty array, a sweep needs values");
  CHECK(refusal("seed = [1, 2,\n1]", {}) == "t.toml:2: seed[2] is a value of the sweep again");
  CHECK(refusal("[training]\nrounds = [3, 0]", {}) ==
        "t.toml:2: training.rounds[1] is 0, must be at least 1");
  std::string seeds = "seed = [";
  for (int i = 0; i < 101; ++i) seeds += std::to_string(i) + ", ";
  CHECK(refusal(seeds + "]\n[training]\nrounds = [" + seeds.substr(11) + "200]", {}) ==
        "t.toml: the lists make a sweep of more than 10000 experiments");
  CHECK(complaint_of([] { parse_settings("seed = [1, 2]", "t.toml"); }) ==
        "t.toml: is a sweep of 2 experiments, expected one");
}

TEST_CASE("overrides: replace, add, and sweep; a text needs no quotes") {
  CHECK(experiments("[training]\nrounds = 3\nlocal_epochs = 2", {"training.rounds=5"})
            .front()
            .training.rounds == 5);
  CHECK(experiments("[training]\nrounds = 3\nlocal_epochs = 2", {"training.rounds=5"})
            .front()
            .training.local_epochs == 2);
  CHECK(experiments("", {"data.set=mnist"}).front().data.set == "mnist");
  CHECK(experiments("", {"data.set=\"mnist\""}).front().data.set == "mnist");
  CHECK(experiments("", {"seed=7", "seed=8"}).front().seed == 8);
  CHECK(experiments("seed = 1", {"seed=[7, 8]"}).size() == 2);
  CHECK(experiments("seed = [1, 2]", {"seed=9"}).size() == 1);
  CHECK(experiments("", {"methods.run=[\"cgsv\"]"}).front().methods.run == std::vector<std::string>{"cgsv"});
}

TEST_CASE("overrides: what is wrong is said in their own words, after what is wrong in the file") {
  CHECK(refusal("", {"training.ronds=5"}) ==
        "--set training.ronds=5: unknown key \"training.ronds\"; did you mean \"rounds\"?");
  CHECK(refusal("", {"training.rounds=five"}) ==
        "--set training.rounds=five: training.rounds is a string (\"five\"), expected an integer");
  CHECK(refusal("", {"training.rounds"}) == "--set training.rounds: is not KEY=VALUE");
  CHECK(refusal("[training]\nrounds = 0", {"seed=-1"}) ==
        "t.toml:2: training.rounds is 0, must be at least 1\n--set seed=-1: seed is -1, must be at least 0");
  CHECK(refusal("", {"training=3"}) == "--set training=3: training is an integer (3), expected a table");
  CHECK(refusal("", {"=3"}).starts_with("--set =3: "));
}
