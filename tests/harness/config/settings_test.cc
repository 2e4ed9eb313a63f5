#include "harness/config/settings.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fedval/random/philox.hpp"
#include "harness/config/suggest.hpp"
#include "tests/harness/config/complaint.hpp"

namespace harness = fedval::harness;
using harness::complaint;
using harness::complaint_of;
using harness::Settings;

TEST_CASE("settings: what a file leaves out has its default") {
  CHECK(harness::parse_settings("", "t.toml") == Settings{});
  CHECK(harness::parse_settings("[training]\n[cgsv]\n", "t.toml") == Settings{});
  Settings expected;
  expected.seed = 7;
  expected.training.rounds = 3;
  CHECK(expected != Settings{});
  CHECK(harness::parse_settings("seed = 7\ntraining.rounds = 3\n", "t.toml") == expected);
  CHECK(harness::parse_settings("seed = 7\r\ntraining = { rounds = 3 }\r\n", "t.toml") == expected);
}

TEST_CASE("settings: an integer serves as a number") {
  CHECK(harness::parse_settings("[training]\nlearning_rate = 1", "t.toml").training.learning_rate == 1.0);
}

TEST_CASE("settings: the ends of the ranges") {
  const Settings s = harness::parse_settings(
      "seed = 9223372036854775807\nthreads = 0\nname = \"a.B-_9\"\ndevice = \"cpu\"\n"
      "training = { learning_rate_decay = 1, learning_rate = 5e-324, rounds = 1 }\n"
      "cgsv = { alpha = 0 }\nspectral_fed = { momentum = 0.0 }\nevaluation = { test_samples = 0 }\n",
      "t.toml");
  CHECK(s.seed == 9223372036854775807U);
  CHECK(s.name == "a.B-_9");
  CHECK(s.device == "cpu");
  CHECK(s.training.learning_rate == 5e-324);
  CHECK(s.training.learning_rate_decay == 1);
  CHECK(s.training.rounds == 1);
  CHECK(s.cgsv.alpha == 0);
}

TEST_CASE("settings: files") {
  const std::filesystem::path experiments = "harness/experiments";
  REQUIRE_MESSAGE(std::filesystem::is_directory(experiments), "run from the root of the repository");
  CHECK(complaint_of([] { harness::read_settings("no/x.toml"); }) ==
        "experiment file no/x.toml: no such file");
  CHECK(complaint_of([&] { harness::read_settings(experiments); }) ==
        "experiment file harness/experiments: is a directory");
  CHECK(complaint_of([&] {
          harness::read_settings(experiments / "quickstart.toml" / "x");
        }).starts_with("experiment file harness/experiments/quickstart.toml/x: cannot be read: "));
  // Opens, but nothing is mapped at its beginning, so the first read fails.
  if (const std::filesystem::path memory = "/proc/self/mem"; std::filesystem::exists(memory))
    CHECK(complaint_of([&] {
            harness::read_settings(memory);
          }).starts_with("experiment file /proc/self/mem: cannot be read: "));

  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(experiments)) {
    if (entry.path().extension() != ".toml") continue;
    CAPTURE(entry.path().string());
    ++files;
    for (const Settings& settings : harness::read_experiments(entry.path()))
      CHECK(settings.name.starts_with(entry.path().stem().string()));
  }
  CHECK(files >= 2);
}

TEST_CASE("settings: the page in docs is what the harness prints") {
  std::ifstream file("docs/settings.md");
  std::stringstream page;
  page << file.rdbuf();
  CHECK(page.str() == harness::settings_page());
}

TEST_CASE("settings: what the experiment files hold") {
  Settings quickstart;
  quickstart.name = "quickstart";
  quickstart.partition.kind = "pow";
  quickstart.partition.samples_per_agent = 600;
  quickstart.training.rounds = 6;
  quickstart.training.local_epochs = 1;
  quickstart.training.batch_size = 32;
  quickstart.evaluation.test_samples = 2000;
  CHECK(harness::read_settings("harness/experiments/quickstart.toml") == quickstart);
  Settings mnist;
  mnist.name = "mnist_pow";
  mnist.data.set = "mnist";
  mnist.partition.kind = "pow";
  mnist.partition.samples_per_agent = 600;
  CHECK(harness::read_settings("harness/experiments/mnist_pow.toml") == mnist);
}

TEST_CASE("settings: written and read back") {
  CHECK(harness::parse_settings(harness::to_toml(Settings{}), "t.toml") == Settings{});
  constexpr std::uint64_t seed = 20240607;
  fedval::random::Stream random(seed);
  for (int i = 0; i < 300; ++i) {
    Settings s;
    s.name = "run-" + std::to_string(i);
    s.seed = random() >> 1;
    s.partition.agents = 1 + random.below(1000);
    s.training.learning_rate = std::exp(random.uniform(-740, 709));
    s.training.learning_rate_decay = 1 - random.uniform();
    s.cgsv.alpha = random.uniform();
    s.cgsv.beta = std::round(std::exp(random.uniform(0, 60)));
    s.methods.run = {"spectral_fed", "cgsv"};
    s.spectral_fed.normaliser = "none";
    const std::string text = harness::to_toml(s);
    CAPTURE(seed);
    CAPTURE(text);
    CHECK(harness::parse_settings(text, "t.toml") == s);
  }
}

TEST_CASE("settings: what could not be read back is not written") {
  Settings s;
  s.seed = std::numeric_limits<std::uint64_t>::max();
  CHECK(complaint_of([&] { harness::to_toml(s); }) ==
        "settings: seed is 18446744073709551615, must be at most 9223372036854775807");
  s = {};
  s.name = "a\"b";
  CHECK(complaint_of([&] { harness::to_toml(s); }).starts_with("settings: name is \"a\\\"b\", must be "));
}

TEST_CASE("settings: the documentation is a file of the defaults") {
  const std::string text = harness::describe_settings();
  CHECK(harness::parse_settings(text, "t.toml") == Settings{});
  CHECK(text.find("[training]\n# Times the agents meet.\n# Accepts: at least 1.\nrounds = 12\n") !=
        std::string::npos);
}

namespace {

// One letter left out, put in, replaced, or swapped with the next.
std::string with_one_slip(std::string name, fedval::random::Stream& random) {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  const std::size_t place = random.below(name.size());
  const char letter = letters[random.below(letters.size())];
  switch (random.below(4)) {
    case 0:
      return name.erase(place, 1);
    case 1:
      return name.insert(place, 1, letter);
    case 2:
      name[place] = letter;
      return name;
    default:
      std::swap(name[place], name[std::min(place + 1, name.size() - 1)]);
      return name;
  }
}

/// Whether a name beside the one in line `chosen`, another table or another key of its table, is one slip
/// away.
bool near_another(const std::vector<std::string>& lines, std::size_t chosen, const std::string& slip) {
  const bool is_table = lines[chosen].front() == '[';
  std::size_t tables = 0;
  std::map<std::size_t, std::vector<std::size_t>> beside;
  for (std::size_t line = 0; line < lines.size(); ++line) {
    if (lines[line].starts_with('[')) ++tables;
    beside[tables].push_back(line);
  }
  for (const auto& [table, members] : beside)
    for (const std::size_t line : members) {
      if (line == chosen || lines[line].empty() || lines[line].starts_with('[') != is_table) continue;
      if (!is_table && std::ranges::find(members, chosen) == members.end()) continue;
      const std::size_t begin = is_table ? 1 : 0;
      const std::string name = lines[line].substr(begin, lines[line].find(is_table ? ']' : ' ') - begin);
      if (harness::edit_distance(slip, name) <= 1) return true;
    }
  return false;
}

}  // namespace

TEST_CASE("settings: a name with one slip is found at its line, and the right name suggested") {
  constexpr std::uint64_t seed = 11;
  fedval::random::Stream random(seed);
  std::vector<std::string> lines;
  std::istringstream text(harness::to_toml(Settings{}));
  for (std::string line; std::getline(text, line);) lines.push_back(line);

  int slips = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::size_t chosen = random.below(lines.size());
    if (lines[chosen].empty()) continue;
    const bool is_table = lines[chosen].front() == '[';
    const std::size_t begin = is_table ? 1 : 0;
    const std::size_t length = lines[chosen].find(is_table ? ']' : ' ') - begin;
    const std::string name = lines[chosen].substr(begin, length);
    const std::string slip = with_one_slip(name, random);
    if (slip == name) continue;

    std::string document, table;
    for (std::size_t line = 0; line < lines.size(); ++line) {
      document +=
          (line == chosen ? std::string(lines[line]).replace(begin, length, slip) : lines[line]) + "\n";
      if (line < chosen && !is_table && lines[line].starts_with('['))
        table = lines[line].substr(1, lines[line].size() - 2) + ".";
    }
    if (slip.empty() || near_another(lines, chosen, slip)) continue;
    ++slips;
    CAPTURE(seed);
    CAPTURE(document);
    CHECK(complaint(document) == "t.toml:" + std::to_string(chosen + 1) + ": unknown " +
                                     (is_table ? "table" : "key") + " \"" + table + slip +
                                     "\"; did you mean \"" + name + "\"?");
  }
  CHECK(slips > 1500);
}
