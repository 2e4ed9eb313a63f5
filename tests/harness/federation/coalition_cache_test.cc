// Values of coalitions on the disk: they come back to the last bit, to experiments of the same origin only,
// and never from a damaged file.
#include "harness/federation/coalition_cache.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <set>
#include <sstream>

#include "fedval/random/philox.hpp"
#include "harness/config/keys.hpp"
#include "harness/federation/coalition_training.hpp"
#include "tests/doctest_torch.hpp"
#include "tests/harness/data/files.hpp"

using namespace fedval::harness;
using test_files::Bytes;
using test_files::complaint_of;
using test_files::contains;
using test_files::Folder;

namespace {

CoalitionOrigin origin_of(std::size_t agents) {
  CoalitionOrigin origin{.settings = {}, .data = 0xc5f2a917, .build = "fedval 0.1, compiler 12"};
  origin.settings.partition.agents = agents;
  return origin;
}

std::vector<Tested> some_values(std::size_t count) {
  fedval::random::Stream draw(5);
  std::vector<Tested> values(count);
  for (Tested& value : values) value = {draw.uniform(), std::exp(20 * draw.uniform() - 10)};
  return values;
}

void check_same(const std::vector<Tested>& one, const std::vector<Tested>& two) {
  REQUIRE(one.size() == two.size());
  for (std::size_t i = 0; i < one.size(); ++i) {
    CHECK(one[i].accuracy == two[i].accuracy);
    CHECK(one[i].loss == two[i].loss);
  }
}

std::string text_in(const std::filesystem::path& path) {
  const Bytes bytes = test_files::read(path);
  return {bytes.begin(), bytes.end()};
}

/// CRC-32 bit by bit: the remainder by the polynomial 0xedb88320.
std::string naive_crc32(const std::string& text) {
  std::uint32_t crc = ~std::uint32_t{0};
  for (const char byte : text) {
    crc ^= static_cast<std::uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320 : 0);
  }
  std::array<char, 9> digits;
  std::snprintf(digits.data(), digits.size(), "%08x", static_cast<unsigned>(~crc));
  return digits.data();
}

// Another value of a setting that its rule accepts; false when there is none.
bool change(std::string& value, const Choice& rule) {
  for (const std::string_view other : rule.choices)
    if (other != value) {
      value = other;
      return true;
    }
  return false;
}
bool change(std::string& value, const Text& rule) {
  for (const std::string& other : {value + "-2", std::string("cuda")})
    if (!rule.check(other)) {
      value = other;
      return true;
    }
  return false;
}
bool change(std::vector<std::string>& values, const Choices& rule) {
  values = {std::string(values == std::vector<std::string>{std::string(rule.choices.back())}
                            ? rule.choices.front()
                            : rule.choices.back())};
  return true;
}
bool change(std::unsigned_integral auto& value, const Count&) {
  ++value;
  return true;
}
bool change(std::vector<std::size_t>& values, const Counts&) {
  values.push_back(1);
  return true;
}
bool change(double& value, const Real&) {
  value = value / 2 + 0.001;
  return true;
}

}  // namespace

TEST_CASE("values come back to the last bit; new ones replace them; without a file there are none") {
  const Folder folder;
  for (const std::size_t agents : {1, 2, 5}) {
    CAPTURE(agents);
    const CoalitionCache cache(folder / "made", origin_of(agents));
    CHECK_FALSE(cache.read().has_value());
    const std::size_t count = std::size_t{1} << agents;
    cache.write(std::vector<Tested>(count, {1, 0}));
    check_same(cache.read().value(), std::vector<Tested>(count, {1, 0}));
    std::vector<Tested> values = some_values(count);
    values.back() = {1.0 / 3, 5e-324};
    cache.write(values);
    check_same(cache.read().value(), values);
  }
}

TEST_CASE("a setting decides which file it is when it decides what coalitions reach, and else does not") {
  const std::set<std::string> tables{"data", "partition", "noise", "model", "training"};
  const std::set<std::string> keys{"seed", "device", "evaluation.on", "evaluation.accuracy",
                                   "evaluation.test_samples"};
  const Folder folder;
  CoalitionOrigin origin = origin_of(2);
  const CoalitionCache first(folder.path(), origin);
  first.write(some_values(4));
  std::set<std::filesystem::path> files{first.path()};
  std::set<std::string> fixed;
  std::size_t deciding = 0;
  visit_keys(origin.settings, [&](const KeyName& key, auto& value, const auto& rule, std::string_view) {
    CAPTURE(key.path());
    const auto before = value;
    if (!change(value, rule)) {
      fixed.insert(key.path());
      return;
    }
    REQUIRE_FALSE(rule.check(value).has_value());
    const CoalitionCache other(folder.path(), origin);
    if (tables.contains(std::string(key.table)) || keys.contains(key.path())) {
      ++deciding;
      CHECK(files.insert(other.path()).second);
      CHECK_FALSE(other.read().has_value());
    } else {
      CHECK(other.path() == first.path());
      check_same(other.read().value(), some_values(4));
    }
    value = before;
  });
  CHECK(fixed.empty());
  CHECK(files.size() == deciding + 1);
  CHECK(deciding > 30);
}

TEST_CASE("other data and another build have files of their own") {
  const Folder folder;
  CoalitionOrigin origin = origin_of(2);
  const CoalitionCache first(folder.path(), origin);
  first.write(some_values(4));
  origin.data += std::uint64_t{1} << 40;
  const CoalitionCache other_data(folder.path(), origin);
  origin = origin_of(2);
  origin.build += "1";
  const CoalitionCache other_build(folder.path(), origin);
  CHECK_FALSE(other_data.read().has_value());
  CHECK_FALSE(other_build.read().has_value());
  CHECK(other_data.path() != other_build.path());
}

TEST_CASE("a file of another origin in a file's place is refused with the line that differs") {
  const Folder folder;
  CoalitionOrigin origin = origin_of(2);
  const CoalitionCache first(folder.path(), origin);
  first.write(some_values(4));
  const auto refused = [&](const CoalitionOrigin& other) {
    const CoalitionCache cache(folder.path(), other);
    test_files::write(cache.path(), test_files::read(first.path()));
    return complaint_of([&] { cache.read(); }).substr(cache.path().string().size());
  };
  origin.build = "fedval 0.2, compiler 12";
  CHECK(refused(origin) ==
        ": line 2, byte 16: expected \"build fedval 0.2, compiler 12\", found \"build fedval 0.1, compiler "
        "12\"");
  origin = origin_of(2);
  origin.data = 0xc5f2a918;
  CHECK(refused(origin) ==
        ": line 3, byte 21: expected \"data 00000000c5f2a918\", found \"data 00000000c5f2a917\"");
  origin = origin_of(2);
  origin.settings.training.rounds = 7;
  CHECK(contains(refused(origin), "expected \"rounds = 7\", found \"rounds = 12\""));
}

TEST_CASE("the format is the one that is documented: readable settings, a line a coalition, a checksum") {
  const Folder folder;
  CoalitionOrigin origin = origin_of(2);
  origin.settings.name = "mine";
  origin.settings.threads = 3;
  origin.settings.cgsv.beta = 2.5;
  origin.settings.training.learning_rate = 0.1;
  origin.settings.data.set = "digits";
  origin.settings.seed = 7;
  const CoalitionCache cache(folder.path(), origin);
  cache.write({{0.125, 2.5}, {0.1, 1e-20}, {1, 1e300}, {0, 12}});
  CHECK(cache.path().filename().string().starts_with("digits-mnist_cnn-seed-7-"));
  const std::string text = text_in(cache.path());
  const std::string head = "fedval coalitions 1\nbuild fedval 0.1, compiler 12\ndata 00000000c5f2a917\n";
  const std::string values =
      "{} accuracy 0.125 loss 2.5\n{1} accuracy 0.1 loss 1e-20\n{2} accuracy 1 loss 1e+300\n"
      "{1, 2} accuracy 0 loss 12\n";
  REQUIRE(text.starts_with(head));
  const std::size_t end = text.find(values);
  REQUIRE(end != std::string::npos);
  Settings expected;
  expected.partition.agents = 2;
  expected.training.learning_rate = 0.1;
  expected.data.set = "digits";
  expected.seed = 7;
  CHECK(parse_settings(text.substr(head.size(), end - head.size()), "header") == expected);
  const std::string before = text.substr(0, end + values.size());
  CHECK(naive_crc32("123456789") == "cbf43926");  // the check value that descriptions of the code give
  CHECK(text == before + "crc32 " + naive_crc32(before) + "\n");
}

TEST_CASE("every truncation, a flip in any byte and anything behind the end is refused under name and line") {
  const Folder folder;
  const CoalitionCache cache(folder.path(), origin_of(2));
  cache.write(some_values(4));
  const Bytes whole = test_files::read(cache.path());
  const auto refused = [&](const Bytes& bytes) {
    test_files::write(cache.path(), bytes);
    const std::string message = complaint_of([&] { cache.read(); });
    return message.starts_with(cache.path().string() + (bytes.empty() ? ": is empty" : ": line "));
  };
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    CHECK(refused({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)}));
  }
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (const int flips : {1 << i % 8, 0xff}) {
      CAPTURE(i);
      CAPTURE(flips);
      Bytes damaged = whole;
      damaged[i] ^= static_cast<std::uint8_t>(flips);
      CHECK(refused(damaged));
    }
  for (const std::uint8_t byte : {'\0', '\n', 'x'}) {
    Bytes longer = whole;
    longer.push_back(byte);
    CHECK(refused(longer));
  }
  CHECK_FALSE(refused(whole));
}

TEST_CASE("where a file is damaged is said: a value, a value that reads but was changed") {
  const Folder folder;
  const CoalitionCache cache(folder.path(), origin_of(2));
  cache.write({{0.125, 2.5}, {0.25, 1}, {0.5, 2}, {0.75, 3}});
  const std::string whole = text_in(cache.path());
  const auto lines_before = [&](const std::string& part) {
    const std::string before = whole.substr(0, whole.find(part));
    return static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
  };
  const auto complaint_with = [&](const std::string& part, const std::string& instead) {
    std::string text = whole;
    text.replace(text.find(part), part.size(), instead);
    test_files::write(cache.path(), Bytes(text.begin(), text.end()));
    return complaint_of([&] { cache.read(); }).substr(cache.path().string().size());
  };
  CHECK(complaint_with("{2} accuracy 0.5", "{2} accuracy x.5") ==
        ": line " + std::to_string(lines_before("{2}") + 1) +
            ", byte 14: the accuracy and loss of coalition {2} cannot be read");
  CHECK(complaint_with("{2} accuracy 0.5", "{2} accuracy 0.9")
            .starts_with(": line " + std::to_string(lines_before("crc32") + 1) + ", byte "));
  CHECK(contains(complaint_with("{2} accuracy 0.5", "{2} accuracy 0.50"),
                 ": expected \"{2} accuracy 0.5 loss 2\", found \"{2} accuracy 0.50 loss 2\""));
}

TEST_CASE("values that are too few, a folder that cannot be made, too many agents") {
  const Folder folder;
  const CoalitionCache cache(folder / "cache", origin_of(2));
  CHECK(complaint_of([&] { cache.write(some_values(3)); }) ==
        cache.path().string() + ": 3 values of 4 coalitions");
  CHECK_FALSE(std::filesystem::exists(folder / "cache"));
  test_files::write(folder / "cache", {1});
  CHECK(complaint_of([&] {
          cache.write(some_values(4));
        }).starts_with((folder / "cache").string() + ": cannot be made: "));
  CHECK(complaint_of([&] { CoalitionCache(folder.path(), origin_of(17)); }).starts_with("17 agents"));
}

TEST_CASE("a folder in the file's place is named, and nothing is left beside it") {
  const Folder folder;
  const CoalitionCache cache(folder / "cache", origin_of(2));
  std::filesystem::create_directories(cache.path() / "in_the_way");
  CHECK(complaint_of([&] { cache.write(some_values(4)); }).find(cache.path().string()) != std::string::npos);
  const std::filesystem::directory_iterator all(folder / "cache");
  CHECK(std::distance(begin(all), end(all)) == 1);
}

TEST_CASE("runs of one origin that end together write one whole file") {
  const Folder folder;
  const CoalitionCache cache(folder.path(), origin_of(4));
  const std::vector<Tested> values = some_values(16);
  std::vector<pid_t> writers;
  for (int i = 0; i < 4; ++i) {
    const pid_t writer = ::fork();
    REQUIRE(writer >= 0);
    if (writer == 0) {
      try {
        for (int time = 0; time < 50; ++time) cache.write(values);
      } catch (const fedval::Error&) {
        ::_exit(1);
      }
      ::_exit(0);
    }
    writers.push_back(writer);
  }
  for (const pid_t writer : writers) {
    int status = 0;
    REQUIRE(::waitpid(writer, &status, 0) == writer);
    CHECK(status == 0);
  }
  check_same(cache.read().value(), values);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}
