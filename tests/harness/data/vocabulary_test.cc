// Vocabularies: splitting, the order of the numbers, padding, cutting, and what the training part alone
// decides.
#include "harness/data/vocabulary.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/random/philox.hpp"

namespace fedval::harness {
namespace {

using Numbers = std::vector<std::int32_t>;

std::vector<Sentence> sentences(const std::vector<std::string>& texts) {
  std::vector<Sentence> all;
  for (const auto& text : texts) all.push_back(split_words(text));
  return all;
}

TEST_CASE("words: split at ASCII white space, ASCII letters in lower case, all else as it is") {
  CHECK(split_words(" It's\tA  well-made\r\n\v\fFILM ! ") == Sentence{"it's", "a", "well-made", "film", "!"});
  CHECK(split_words("").empty());
  CHECK(split_words(" \t\n\v\f\r").empty());
  CHECK(split_words("a\xC2\xA0z") == Sentence{"a\xC2\xA0z"});                 // a no-break space
  CHECK(split_words("CAF\xC3\x89 @[`{") == Sentence{"caf\xC3\x89", "@[`{"});  // beside A to Z on both sides
}

TEST_CASE("vocabulary: numbers by falling frequency, equal ones in byte order") {
  const auto train = sentences({"b a c a", "c \xC3\xA9 a b", "zz Z"});
  const Vocabulary vocabulary(train);
  CHECK(vocabulary.size() == 8);
  CHECK(vocabulary.number("a") == 2);   // 3 times
  CHECK(vocabulary.number("b") == 3);   // 2
  CHECK(vocabulary.number("c") == 4);   // 2
  CHECK(vocabulary.number("z") == 5);   // 1
  CHECK(vocabulary.number("zz") == 6);  // 1; bytes above 7F come last
  CHECK(vocabulary.number("\xC3\xA9") == 7);
  CHECK(vocabulary.number("d") == 1);
  CHECK(vocabulary.number("") == 1);
}

TEST_CASE("vocabulary: rarer words than the minimum are unknown") {
  const auto train = sentences({"a a a b b c"});
  for (const std::size_t minimum : {0, 1}) CHECK(Vocabulary(train, minimum).size() == 5);
  CHECK(Vocabulary(train, 2).size() == 4);
  CHECK(Vocabulary(train, 2).encode(train, 6) == Numbers{2, 2, 2, 3, 3, 1});
  CHECK(Vocabulary(train, 4).size() == 2);
}

TEST_CASE("vocabulary: rows are padded at the end, and longer sentences are cut") {
  const Vocabulary vocabulary(sentences({"x y z x y x"}));
  const auto texts = sentences({"x", "z new y x z", "", "y y y"});
  CHECK(longest(texts) == 5);
  CHECK(longest({}) == 0);
  CHECK(vocabulary.encode(texts, 3) == Numbers{2, 0, 0, 4, 1, 3, 0, 0, 0, 3, 3, 3});
  CHECK(vocabulary.encode(texts, 0).empty());
  CHECK(vocabulary.encode({}, 3).empty());
}

TEST_CASE("vocabulary: one long sentence does not make memory grow with the square of the file") {
  const std::vector<Sentence> many(3, Sentence{"a"});
  const std::size_t length = (std::size_t{1} << 28) / 3 + 1;
  CHECK_THROWS_WITH_AS(
      Vocabulary(many).encode(many, length),
      "vocabulary: 3 sentences padded to 89478486 words, the longest, are more than 268435456 "
      "numbers",
      Error);
}

TEST_CASE("vocabulary: random sentences, against counts made another way") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    random::Stream draw(seed);
    std::vector<Sentence> train(draw.below(30) + 1);
    std::map<std::string, std::size_t> counts;
    for (Sentence& sentence : train)
      for (std::uint64_t i = draw.below(12); i > 0; --i)
        ++counts[sentence.emplace_back(std::to_string(draw.below(8) * draw.below(8)))];
    const Vocabulary vocabulary(train);
    CHECK(vocabulary.size() == counts.size() + 2);
    std::set<std::int32_t> numbers;
    for (const auto& [word, count] : counts) {
      numbers.insert(vocabulary.number(word));
      for (const auto& [other, times] : counts)
        if (count > times || (count == times && word < other))
          CHECK(vocabulary.number(word) < vocabulary.number(other));
    }
    CHECK(numbers.size() == counts.size());
    if (!numbers.empty()) {
      CHECK(*numbers.begin() == 2);
      CHECK(*numbers.rbegin() == static_cast<std::int32_t>(counts.size()) + 1);
    }
    std::vector<Sentence> reversed(train.rbegin(), train.rend());
    CHECK(Vocabulary(reversed).encode(train, 12) == vocabulary.encode(train, 12));
  }
}

TEST_CASE("vocabulary: the training part alone decides words and length") {
  const LabelledSentences train{sentences({"a b", "a c d", "a"}), {0, 1, 0}};
  const LabelledSentences held_out{sentences({"new new new new", "d"}), {1, 1}};
  const LabelledSentences test{sentences({"b new a", "a a a a a"}), {0, 1}};
  Dataset data{.name = "x", .description = "texts", .classes = 2};
  set_sentences(data, train, held_out, test);
  CHECK(data.shape == ExampleShape{.length = 3, .vocabulary = 6});
  CHECK(data.shape.is_text());
  CHECK(data.train.tokens == Numbers{2, 3, 0, 2, 4, 5, 2, 0, 0});
  CHECK(data.held_out.tokens == Numbers{1, 1, 1, 5, 0, 0});
  CHECK(data.test.tokens == Numbers{3, 1, 2, 2, 2, 2});
  CHECK(data.train.labels == train.labels);
  CHECK(data.held_out.labels == held_out.labels);
  CHECK(data.test.labels == test.labels);
  CHECK(data.train.pixels.empty());
  CHECK(data.train.owners.empty());
  CHECK(data.description == "texts, padded to 3 words (longer ones, cut: 2)");
}

}  // namespace
}  // namespace fedval::harness
