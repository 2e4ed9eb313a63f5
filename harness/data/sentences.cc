#include "harness/data/sentences.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/random/philox.hpp"
#include "harness/data/describe.hpp"
#include "harness/data/vocabulary.hpp"

namespace fedval::harness {
namespace {

using random::Stream;

constexpr std::size_t most_sentences = std::size_t{1} << 20;

// Streams of this room begin with "sent", so that no other user of the seed shares them.
constexpr std::uint64_t first_stream = 0x73656e7400000000;
constexpr std::uint64_t test_part = std::uint64_t{1} << 31;
constexpr std::uint64_t label_block = std::uint64_t{1} << 30;

// What one place in a sentence may hold; "" leaves it empty. Drawn with equal chances.
using Phrases = std::span<const std::string_view>;

constexpr auto openings = std::to_array<std::string_view>(
    {"", "", "", "last night", "not long ago", "as we all know ,", "to be honest ,", "on a rainy sunday ,"});
constexpr auto subjects =
    std::to_array<std::string_view>({"the plot",       "the story",       "the acting",
                                     "the whole cast", "the music",       "the first half",
                                     "the ending",     "the script",      "this film",
                                     "this comedy",    "the lead",        "every scene in the city",
                                     "the camera",     "the second part", "the dialogue",
                                     "the pace",       "the idea",        "the film that we saw",
                                     "the picture",    "their new work",  "the documentary",
                                     "the remake",     "the tone",        "the book it came from"});
constexpr auto verbs = std::to_array<std::string_view>({"is", "was", "seems", "looks", "remains"});
constexpr auto degrees =
    std::to_array<std::string_view>({"", "", "very", "really", "at heart", "by any measure"});
constexpr auto negations = std::to_array<std::string_view>({"not", "not", "never", "hardly"});
constexpr auto joiners =
    std::to_array<std::string_view>({"and", ", and", "while", ";", "just as", ", since"});
constexpr auto endings =
    std::to_array<std::string_view>({"", "", ".", ".", "for most of two hours .", "in the end",
                                     ", not only for children .", "from what i could see"});
// By label.
constexpr std::array<std::array<std::string_view, 16>, 2> adjectives = {
    {{{"bad", "dull", "boring", "clumsy", "tedious", "awful", "weak", "stale", "lazy", "flat", "shallow",
       "bland", "dreary", "pointless", "silly", "hollow"}},
     {{"good", "funny", "moving", "clever", "charming", "great", "strong", "fresh", "smart", "elegant",
       "gripping", "deep", "witty", "lovely", "inspired", "honest"}}}};

struct Grammar {
  Vocabulary vocabulary;
  std::size_t length;  // of the longest sentence
};

std::size_t longest_of(Phrases phrases) {
  std::size_t length = 0;
  for (const auto phrase : phrases) length = std::max(length, split_words(phrase).size());
  return length;
}

const Grammar& grammar() {
  static const Grammar all = [] {
    std::vector<Sentence> words;
    for (const Phrases phrases :
         {Phrases(openings), Phrases(subjects), Phrases(verbs), Phrases(negations), Phrases(degrees),
          Phrases(joiners), Phrases(endings), Phrases(adjectives[0]), Phrases(adjectives[1])})
      for (const auto phrase : phrases) words.push_back(split_words(phrase));
    const std::size_t judgement =
        longest_of(subjects) + longest_of(verbs) + longest_of(negations) + longest_of(degrees) + 1;
    return Grammar{Vocabulary(words),
                   longest_of(openings) + 2 * judgement + longest_of(joiners) + longest_of(endings)};
  }();
  return all;
}

Sentence draw_sentence(std::uint8_t label, Stream draw) {
  std::string text;
  const auto add = [&](Phrases phrases) {
    text += phrases[draw.below(phrases.size())];
    text += ' ';
  };
  const auto judge = [&] {
    add(subjects);
    add(verbs);
    const bool negated = draw.below(10) < 3;
    if (negated) add(negations);
    add(degrees);
    add(adjectives[negated ? 1 - label : label]);
  };
  add(openings);
  judge();
  if (draw.below(2) == 0) {
    add(joiners);
    judge();
  }
  add(endings);
  return split_words(text);
}

Examples draw_part(std::uint64_t seed, std::uint64_t part, std::size_t count) {
  if (count > most_sentences)
    fail("made sentences: ", count, " sentences asked for, at most ", most_sentences);
  LabelledSentences drawn;
  for (std::size_t i = 0; i < count; ++i) {
    const bool swapped = Stream(seed, first_stream + part + label_block + i / 2).below(2) == 1;
    drawn.labels.push_back((i % 2 == 1) != swapped);
    drawn.sentences.push_back(draw_sentence(drawn.labels.back(), Stream(seed, first_stream + part + i)));
  }
  return {.tokens = grammar().vocabulary.encode(drawn.sentences, grammar().length), .labels = drawn.labels};
}

}  // namespace

Dataset made_sentences(std::uint64_t seed, std::size_t train, std::size_t test) {
  Dataset data{.name = "sentences",
               .description = "made sentences (built in, seed " + std::to_string(seed) + "), " +
                              grouped(train) + " train and " + grouped(test) +
                              " test sentences: NOT a real corpus",
               .classes = 2,
               .shape = {.length = grammar().length, .vocabulary = grammar().vocabulary.size()}};
  data.train = draw_part(seed, 0, train);
  data.test = draw_part(seed, test_part, test);
  return data;
}

}  // namespace fedval::harness
