// Movie reviews: the split, both encodings, broken and half sets in small folders, and the real one where it
// is at hand.
#include "harness/data/mr.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "harness/data/data_folder.hpp"
#include "tests/harness/data/files.hpp"
#include "tests/harness/data/real_data.hpp"

namespace fedval::harness {
namespace {

using namespace test_files;
namespace fs = std::filesystem;

Bytes bytes(const std::string& text) { return {text.begin(), text.end()}; }

std::string message(const fs::path& folder) {
  return complaint_of([&] { load_mr(folder, 1); });
}

void write_set(const fs::path& where, const std::string& negative, const std::string& positive) {
  fs::create_directories(where);
  write(where / "rt-polarity.neg", bytes(negative));
  write(where / "rt-polarity.pos", bytes(positive));
}

std::string repeated(const std::string& line, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += line + "\n";
  return text;
}

constexpr std::size_t digits = 14;

// Sentences that say their own number, first + 0, first + 1, ..., in binary.
std::string numbered(std::size_t first, std::size_t count) {
  std::string text;
  for (std::size_t i = first; i < first + count; ++i) {
    for (std::size_t digit = digits; digit-- > 0;) text += (i >> digit & 1) != 0 ? "one " : "Zero ";
    text += "\n";
  }
  return text;
}

// Back from the words' numbers; 0 is in the majority, so "zero" has number 2 and "one" number 3.
std::vector<std::size_t> numbers_of(const Examples& part) {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < part.size(); ++i) {
    std::size_t number = 0;
    for (std::size_t k = 0; k < digits; ++k)
      number = 2 * number + static_cast<std::size_t>(part.tokens[i * digits + k] - 2);
    all.push_back(number);
  }
  return all;
}

TEST_CASE("mr: the split is disjoint, whole, drawn by the seed, and keeps the labels") {
  const Folder folder;
  write_set(folder / "mr", numbered(0, 5331), numbered(5331, 5331));
  const Dataset data = load_mr(folder.path(), 7);
  CHECK(data.name == "mr");
  CHECK(data.classes == 2);
  CHECK(data.shape == ExampleShape{.length = digits, .vocabulary = 4});
  CHECK(data.train.size() == 9596);
  CHECK(data.held_out.size() == 533);
  CHECK(data.test.size() == 533);
  std::set<std::size_t> all;
  for (const Examples* part : {&data.train, &data.held_out, &data.test}) {
    CHECK(part->tokens.size() == part->size() * digits);
    const auto numbers = numbers_of(*part);
    all.insert(numbers.begin(), numbers.end());
    std::size_t wrong = 0, positive = 0;
    for (std::size_t i = 0; i < part->size(); ++i) {
      wrong += part->labels[i] != (numbers[i] >= 5331 ? 1 : 0);
      positive += part->labels[i];
    }
    CHECK(wrong == 0);
    CHECK(positive > part->size() * 2 / 5);  // drawn from both files
    CHECK(positive < part->size() * 3 / 5);
    CHECK_FALSE(std::is_sorted(numbers.begin(), numbers.end()));
  }
  CHECK(all.size() == 10662);
  CHECK(*all.rbegin() == 10661);

  const Dataset again = load_mr(folder.path(), 7);
  CHECK(again.train.tokens == data.train.tokens);
  CHECK(again.held_out.tokens == data.held_out.tokens);
  CHECK(again.test.tokens == data.test.tokens);
  CHECK(again.test.labels == data.test.labels);
  const Dataset other = load_mr(folder.path(), 8);
  CHECK(other.test.tokens != data.test.tokens);
  CHECK(other.held_out.tokens != data.held_out.tokens);
}

TEST_CASE("mr: the vocabulary and the length are those of the training part") {
  const Folder folder;
  std::string negative, positive;  // sentence i has i words of its own, so no word is in two parts
  for (std::size_t i = 1; i <= 40; ++i) {
    std::string& file = i % 2 == 0 ? negative : positive;
    for (std::size_t k = 0; k < i; ++k) file += " w" + std::to_string(i) + "x" + std::to_string(k);
    file += "\n";
  }
  write_set(folder / "mr", negative, positive);
  bool cut = false, padded = false;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    const Dataset data = load_mr(folder.path(), seed);
    CHECK(data.train.size() == 36);
    CHECK(data.held_out.size() == 2);
    std::size_t words = 0, longest = 0;
    for (std::size_t i = 0; i < data.train.size(); ++i) {
      const auto row = data.train.tokens.begin() + static_cast<std::ptrdiff_t>(i * data.shape.length);
      const auto size = static_cast<std::size_t>(std::count_if(
          row, row + static_cast<std::ptrdiff_t>(data.shape.length), [](auto t) { return t > 0; }));
      words += size;
      longest = std::max(longest, size);
      CHECK(std::count(row, row + static_cast<std::ptrdiff_t>(data.shape.length), 1) == 0);
    }
    CHECK(data.shape.length == longest);
    CHECK(data.shape.vocabulary == words + 2);
    for (const Examples* part : {&data.held_out, &data.test})
      CHECK(std::all_of(part->tokens.begin(), part->tokens.end(), [](auto t) { return t == 0 || t == 1; }));
    cut = cut || data.description.find("longer ones, cut: 0") == std::string::npos;
    padded = padded || std::count(data.test.tokens.begin(), data.test.tokens.end(), 0) > 0;
  }
  CHECK(cut);
  CHECK(padded);
}

TEST_CASE("mr: a file that is not UTF-8 is Windows-1252, and the description says so") {
  const Folder one, two;
  const std::string positive = repeated("bright, no clich\xC3\xA9", 20);  // one word in both files
  write_set(one / "mr", repeated("a clich\xC3\xA9 \xE2\x80\x94 no more", 30), positive);
  write_set(two / "rt-polaritydata", repeated("a clich\xE9 \x97 no more", 30), positive);
  const Dataset utf8 = load_mr(one.path(), 1), old = load_mr(two.path(), 1);
  CHECK(utf8.train.tokens == old.train.tokens);
  CHECK(utf8.shape.vocabulary == 8);  // a, cliche, dash, no, more, "bright,"
  CHECK(utf8.shape.length == 5);
  const std::string parts =
      "MR, movie review sentences, 30 negative and 20 positive, split 90/5/5 by seed 1, from ";
  CHECK(utf8.description == parts + (one / "mr").string() + ", padded to 5 words (longer ones, cut: 0)");
  CHECK(old.description ==
        parts + (two / "rt-polaritydata").string() +
            ", rt-polarity.neg: line 1, byte 8 is not UTF-8, so read as Windows-1252, padded to "
            "5 words (longer ones, cut: 0)");
}

TEST_CASE("mr: present as soon as one file is there, in the set's own folder first") {
  for (const char* name : {"rt-polarity.neg", "rt-polarity.pos"}) {
    CAPTURE(name);
    const Folder folder;
    CHECK_FALSE(mr_present(folder.path()));
    fs::create_directory(folder / "rt-polaritydata");
    CHECK_FALSE(mr_present(folder.path()));
    write(folder / "rt-polaritydata" / name, {});
    CHECK(mr_present(folder.path()));
    fs::create_directory(folder / "mr");  // an empty one hides nothing
    CHECK(mr_present(folder.path()));
    write(folder / "mr" / name, {});
    CHECK(mr_present(folder.path()));
  }
  CHECK_FALSE(mr_present("/no/such/folder"));
}

TEST_CASE("mr: broken files are named with the place") {
  const Folder folder;
  const std::string neg = (folder / "mr" / "rt-polarity.neg").string();
  const std::string pos = (folder / "mr" / "rt-polarity.pos").string();
  CHECK(message(folder.path()) == neg + ": cannot open: No such file or directory");
  write_set(folder / "mr", repeated("dull", 10), "");
  CHECK(message(folder.path()) == pos + ": is empty");
  write_set(folder / "mr", repeated("dull", 10), "bright\nfine\n \r\nnice\n");
  CHECK(message(folder.path()) == pos + ": line 3: no word");
  write_set(folder / "mr", "dull\nflat\n\n", repeated("bright", 10));
  CHECK(message(folder.path()) == neg + ": line 3: no word");
  write_set(folder / "mr", "dull\n\xC3\xA9 \xE9\nab \x81 c\n", repeated("bright", 10));
  CHECK(message(folder.path()) ==
        neg +
            ": line 3, byte 4: 0x81 is not Windows-1252, and 0xe9 (rt-polarity.neg: line "
            "2, byte 4) is not UTF-8");
  write_set(folder / "mr", repeated("dull", 10), repeated("bright", 9));
  CHECK(message(folder.path()) ==
        (folder / "mr").string() + ": 19 sentences; a held-out and a test part of a twentieth each need 20");
  write_set(folder / "mr", repeated("dull", 10), repeated("bright", 10));
  CHECK(load_mr(folder.path(), 1).test.size() == 1);
  fs::remove(pos);
  fs::create_directory(pos);
  CHECK(message(folder.path()) == pos + ": not a regular file");
}

TEST_CASE("mr: the real set" * doctest::skip(!real_data_at_hand("mr"))) {
  const Dataset data = load_mr(default_data_folder(), 1);
  CHECK(data.description.find("5,331 negative and 5,331 positive, split 90/5/5 by seed 1") !=
        std::string::npos);
  CHECK(data.train.size() == 9596);
  CHECK(data.held_out.size() == 533);
  CHECK(data.test.size() == 533);
  std::size_t positive = 0;
  for (const Examples* part : {&data.train, &data.held_out, &data.test}) {
    CHECK(part->tokens.size() == part->size() * data.shape.length);
    for (const auto label : part->labels) positive += label;
    CHECK(std::all_of(part->tokens.begin(), part->tokens.end(), [&](auto t) {
      return t >= 0 && t < static_cast<std::int32_t>(data.shape.vocabulary);
    }));
  }
  CHECK(positive == 5331);
  CHECK(data.shape.length >= 50);
  CHECK(data.shape.length <= 59);  // the longest of all
  CHECK(std::count(data.train.tokens.begin(), data.train.tokens.end(), 1) == 0);
  CHECK(std::count(data.test.tokens.begin(), data.test.tokens.end(), 1) > 0);
}

}  // namespace
}  // namespace fedval::harness
