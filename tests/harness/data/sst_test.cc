// The Stanford Sentiment Treebank: trees read as its paper writes them, every kind of broken one, and the
// real set where it is at hand.
#include "harness/data/sst.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "fedval/random/philox.hpp"
#include "harness/data/data_folder.hpp"
#include "tests/harness/data/files.hpp"
#include "tests/harness/data/real_data.hpp"

namespace fedval::harness {
namespace {

using namespace test_files;
namespace fs = std::filesystem;
using Numbers = std::vector<std::int32_t>;
using Sizes = std::vector<std::size_t>;

void write_part(const fs::path& where, const std::string& part, const std::string& text) {
  fs::create_directories(where);
  write(where / (part + ".txt"), {text.begin(), text.end()});
}

void write_set(const fs::path& where, const std::string& train, const std::string& dev = "(1 dev)\n",
               const std::string& test = "(3 test)\n") {
  write_part(where, "train", train);
  write_part(where, "dev", dev);
  write_part(where, "test", test);
}

std::string message(const fs::path& folder, bool binary = false) {
  return complaint_of([&] { load_sst(folder, binary); });
}

// What is wrong with a line that is the second of train.txt.
std::string refusal(const std::string& line) {
  const Folder folder;
  write_set(folder / "sst", "(2 good)\n" + line + "\n(2 good)\n");
  const std::string text = message(folder.path()),
                    begin = (folder / "sst" / "train.txt").string() + ": line 2, ";
  return text.rfind(begin, 0) == 0 ? text.substr(begin.size()) : text;
}

TEST_CASE("sst: leaves in order, label of the root, words in lower case") {
  const Folder folder;
  write_set(folder / "trees",
            "(3 (2 (2 The) (2 Rock)) (4 (3 (2 is) (4 fun)) (2 .)))\n(0 (2 the) (0 -LRB-))\n",
            "(4 (4 fun) (2 The) (2 fun\\/joy))\n", "(2 rock)");
  const Dataset data = load_sst(folder.path(), false);
  CHECK(data.name == "sst");
  CHECK(data.classes == 5);
  CHECK(data.shape == ExampleShape{.length = 5, .vocabulary = 8});
  // the: twice; then once each, in byte order: -lrb- . fun is rock
  CHECK(data.train.tokens == Numbers{2, 7, 6, 5, 4, 2, 3, 0, 0, 0});
  CHECK(data.train.labels == std::vector<std::uint8_t>{3, 0});
  CHECK(data.held_out.tokens == Numbers{5, 2, 1, 0, 0});
  CHECK(data.held_out.labels == std::vector<std::uint8_t>{4});
  CHECK(data.test.tokens == Numbers{7, 0, 0, 0, 0});
  CHECK(data.test.labels == std::vector<std::uint8_t>{2});
  CHECK(data.description ==
        "Stanford Sentiment Treebank, five classes, 2 train, 1 dev and 1 test sentences, from " +
            (folder / "trees").string() + ", padded to 5 words (longer ones, cut: 0)");
}

TEST_CASE("sst: two classes without the neutral sentences") {
  const Folder folder;
  write_set(folder / "sst", "(0 a)\n(1 b)\n(2 c)\n(3 d)\n(4 e)\n", "(2 (0 c) (4 d))\n(3 (2 d) (2 e))\n",
            "(0 e)\n(2 e)");
  const Dataset data = load_sst(folder.path(), true);
  CHECK(data.name == "sst_binary");
  CHECK(data.classes == 2);
  CHECK(data.train.labels == std::vector<std::uint8_t>{0, 0, 1, 1});
  CHECK(data.train.tokens == Numbers{2, 3, 4, 5});  // c is not in the vocabulary
  CHECK(data.held_out.labels == std::vector<std::uint8_t>{1});
  CHECK(data.held_out.tokens == Numbers{4});
  CHECK(data.test.labels == std::vector<std::uint8_t>{0});
  CHECK(data.description ==
        "Stanford Sentiment Treebank, two classes without neutral sentences, 4 train, 1 dev and 1 "
        "test sentences, from " +
            (folder / "sst").string() + ", padded to 1 words (longer ones, cut: 1)");
}

TEST_CASE(
    "sst: white space is free between the parts of a tree, and no part of a word but for no-break spaces") {
  const Folder folder;
  write_set(folder / "sst",
            " ( 4\t(2  a ) (3 b\xC2\xA0"
            "c))\r\n(1(2 a)(2 d))");
  const Dataset data = load_sst(folder.path(), false);
  CHECK(data.train.tokens == Numbers{2, 3, 2, 4});
  CHECK(data.train.labels == std::vector<std::uint8_t>{4, 1});
}

TEST_CASE("sst: random trees come back as their leaves") {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    CAPTURE(seed);
    random::Stream draw(seed);
    // Grown from a list of sub-trees: neighbours are joined until one is left.
    std::vector<std::string> trees;
    Numbers expected;
    const std::size_t leaves = 1 + draw.below(30);
    std::string flat = "(0";  // the vocabulary's order: word k occurs in train.txt 8 - k times at least
    for (std::size_t i = 0; i < leaves; ++i) {
      const auto word = static_cast<std::int32_t>(draw.below(8));
      expected.push_back(2 + word);
      trees.push_back("(" + std::to_string(draw.below(5)) + " w" + std::to_string(word) + ")");
    }
    for (int word = 0; word < 8; ++word)
      for (int k = 0; k < 8 - word; ++k) flat += " (2 w" + std::to_string(word) + ")";
    while (trees.size() > 1) {
      const std::size_t first = draw.below(trees.size() - 1);
      const std::size_t many = 1 + draw.below(std::min<std::size_t>(3, trees.size() - first));
      std::string joined = "(" + std::to_string(draw.below(5));
      for (std::size_t i = first; i < first + many; ++i) joined += " " + trees[i];
      const auto at = trees.begin() + static_cast<std::ptrdiff_t>(first);
      *at = joined + ")";
      trees.erase(at + 1, at + static_cast<std::ptrdiff_t>(many));
    }
    const Folder folder;
    write_set(folder / "sst", flat + ")\n", trees.front() + "\n");
    const Dataset data = load_sst(folder.path(), false);
    expected.resize(36);
    CHECK(data.held_out.tokens == expected);
    CHECK(data.held_out.labels.front() == trees.front()[1] - '0');
  }
}

TEST_CASE("sst: a million open parentheses need no stack") {
  const Folder folder;
  const std::size_t depth = 1000000;
  std::string nested;
  for (std::size_t i = 0; i < depth; ++i) nested += "(1 ";
  write_set(folder / "sst", nested + "deep" + std::string(depth, ')'));
  CHECK(load_sst(folder.path(), false).train.tokens == Numbers{2});
  write_set(folder / "sst", nested);
  CHECK(message(folder.path()) == (folder / "sst" / "train.txt").string() +
                                      ": line 1, byte 3000001: the line ends, expected a word or a tree");
}

TEST_CASE("sst: broken trees are refused with line and byte") {
  CHECK(refusal("(2 good") == "byte 8: the line ends, expected one word alone, then ')'");
  CHECK(refusal("(2 (2 good)") == "byte 12: the line ends, expected a tree or ')'");
  CHECK(refusal("(2 (2 good) (2 film)") == "byte 21: the line ends, expected a tree or ')'");
  CHECK(refusal("(2 good))") == "byte 9: text after the tree");
  CHECK(refusal("(2 good) (2 film)") == "byte 10: text after the tree");
  CHECK(refusal("(2 good) film") == "byte 10: text after the tree");
  CHECK(refusal("2 good)") == "byte 1: expected a tree, which begins with '('");
  CHECK(refusal(")") == "byte 1: expected a tree, which begins with '('");
  CHECK(refusal("") == "byte 1: the line ends, expected a tree, which begins with '('");
  CHECK(refusal("  ") == "byte 3: the line ends, expected a tree, which begins with '('");
  CHECK(refusal("(") == "byte 2: the line ends, expected a label");
  CHECK(refusal("()") == "byte 2: nothing, expected a label");
  CHECK(refusal("((2 good))") == "byte 2: nothing, expected a label");
  CHECK(refusal("(good)") == "byte 2: label is \"good\", expected 0 to 4");
  CHECK(refusal("(5 good)") == "byte 2: label is \"5\", expected 0 to 4");
  CHECK(refusal("(-1 good)") == "byte 2: label is \"-1\", expected 0 to 4");
  CHECK(refusal("(/ good)") == "byte 2: label is \"/\", expected 0 to 4");
  CHECK(refusal("(22 good)") == "byte 2: label is \"22\", expected 0 to 4");
  CHECK(refusal("(2 (7 good))") == "byte 5: label is \"7\", expected 0 to 4");
  CHECK(refusal("(123456789012345678901234567890 x)") ==
        "byte 2: label is \"12345678901234567890\", expected 0 to 4");
  CHECK(refusal("(2)") == "byte 3: nothing, expected a word or a tree");
  CHECK(refusal("(2 (2 good) (2 ))") == "byte 16: nothing, expected a word or a tree");
  CHECK(refusal("(2 good film)") == "byte 9: expected one word alone, then ')'");
  CHECK(refusal("(2 good (2 film))") == "byte 9: expected one word alone, then ')'");
  CHECK(refusal("(2 (2 good) film)") == "byte 13: expected a tree or ')'");
  CHECK(refusal("(2 caf\xE9)") == "byte 7: 0xe9 is not UTF-8");
}

TEST_CASE("sst: a good tree that is cut anywhere is refused") {
  const std::string tree = "(3 (2 (2 The) (2 Rock)) (4 fun))";
  for (std::size_t length = 0; length < tree.size(); ++length) {
    CAPTURE(length);
    CHECK(refusal(tree.substr(0, length)).find("the line ends, expected") != std::string::npos);
  }
}

TEST_CASE("sst: missing, empty and neutral files are named") {
  for (const std::string part : {"train", "dev", "test"}) {
    CAPTURE(part);
    const Folder folder;
    const std::string path = (folder / "sst" / (part + ".txt")).string();
    write_set(folder / "sst", "(1 a)\n");
    write_part(folder / "sst", part, "(2 a)\n(2 b)\n");
    CHECK(message(folder.path()) == "no error");
    CHECK(message(folder.path(), true) == path + ": every sentence is neutral (label 2), so none is left");
    write_part(folder / "sst", part, "");
    CHECK(message(folder.path()) == path + ": is empty");
    fs::remove(path);
    CHECK(message(folder.path()) == path + ": cannot open: No such file or directory");
  }
}

TEST_CASE("sst: present as soon as one file is there, in the set's own folder first") {
  for (const std::string part : {"train", "dev", "test"}) {
    CAPTURE(part);
    const Folder folder;
    CHECK_FALSE(sst_present(folder.path()));
    write_part(folder / "trees", part, "");
    CHECK(sst_present(folder.path()));
    fs::create_directory(folder / "sst");  // an empty one hides nothing
    CHECK(sst_present(folder.path()));
    write_part(folder / "sst", part, "");
    CHECK(sst_present(folder.path()));
  }
  CHECK_FALSE(sst_present("/no/such/folder"));
}

Sizes class_sizes(const Examples& part) {
  Sizes sizes(5);
  for (const auto label : part.labels) ++sizes[label];
  return sizes;
}

std::int64_t sum(const Examples& part) {
  return std::accumulate(part.tokens.begin(), part.tokens.end(), std::int64_t{0});
}

TEST_CASE("sst: the real set" * doctest::skip(!real_data_at_hand("sst"))) {
  const Dataset data = load_sst(default_data_folder(), false);
  CHECK(data.train.size() == 8544);
  CHECK(data.held_out.size() == 1101);
  CHECK(data.test.size() == 2210);
  CHECK(class_sizes(data.train) == Sizes{1092, 2218, 1624, 2322, 1288});
  CHECK(class_sizes(data.held_out) == Sizes{139, 289, 229, 279, 165});
  CHECK(class_sizes(data.test) == Sizes{279, 633, 389, 510, 399});
  // Vocabulary, first words ("the rock is destined to be") and sums of all numbers as a short script in
  // another language finds them.
  CHECK(data.shape == ExampleShape{.length = 52, .vocabulary = 16583});
  CHECK(Numbers(data.train.tokens.begin(), data.train.tokens.begin() + 6) == Numbers{3, 613, 9, 3631, 8, 25});
  CHECK(sum(data.train) == 226740071);
  CHECK(sum(data.held_out) == 22068468);
  CHECK(sum(data.test) == 43891911);
  CHECK(data.description.find("longer ones, cut: 1)") != std::string::npos);  // one of 56 words in test.txt
  for (const Examples* part : {&data.train, &data.held_out, &data.test}) {
    CHECK(part->tokens.size() == part->size() * 52);
    CHECK(std::all_of(part->tokens.begin(), part->tokens.end(), [&](auto t) {
      return t >= 0 && t < static_cast<std::int32_t>(data.shape.vocabulary);
    }));
  }
}

TEST_CASE("sst: the real set in two classes" * doctest::skip(!real_data_at_hand("sst"))) {
  const Dataset data = load_sst(default_data_folder(), true);
  CHECK(class_sizes(data.train) == Sizes{3310, 3610, 0, 0, 0});
  CHECK(class_sizes(data.held_out) == Sizes{428, 444, 0, 0, 0});
  CHECK(class_sizes(data.test) == Sizes{912, 909, 0, 0, 0});
  CHECK(data.shape == ExampleShape{.length = 52, .vocabulary = 14832});
  CHECK(sum(data.train) == 175055485);
  CHECK(sum(data.held_out) == 16303854);
  CHECK(sum(data.test) == 33829749);
}

}  // namespace
}  // namespace fedval::harness
