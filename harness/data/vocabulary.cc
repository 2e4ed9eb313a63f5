#include "harness/data/vocabulary.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "fedval/error.hpp"

namespace fedval::harness {
namespace {

constexpr std::size_t most_numbers = std::size_t{1} << 28;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

Examples encoded(const Vocabulary& vocabulary, const LabelledSentences& part, std::size_t length) {
  return {.tokens = vocabulary.encode(part.sentences, length), .labels = part.labels};
}

}  // namespace

Sentence split_words(std::string_view text) {
  Sentence words;
  for (std::size_t begin = 0;;) {
    begin = text.find_first_not_of(white_space, begin);
    if (begin == std::string_view::npos) return words;
    const std::size_t end = std::min(text.find_first_of(white_space, begin), text.size());
    std::string& word = words.emplace_back(text.substr(begin, end - begin));
    std::transform(word.begin(), word.end(), word.begin(), lower);
    begin = end;
  }
}

std::size_t longest(std::span<const Sentence> sentences) {
  std::size_t length = 0;
  for (const Sentence& sentence : sentences) length = std::max(length, sentence.size());
  return length;
}

Vocabulary::Vocabulary(std::span<const Sentence> sentences, std::size_t minimum_count) {
  std::unordered_map<std::string, std::size_t> counts;
  for (const Sentence& sentence : sentences)
    for (const std::string& word : sentence) ++counts[word];
  std::vector<std::pair<std::string, std::size_t>> words;
  for (const auto& entry : counts)
    if (entry.second >= minimum_count) words.push_back(entry);
  std::sort(words.begin(), words.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  if (words.size() > std::numeric_limits<std::int32_t>::max() - first_word)
    fail("vocabulary: ", words.size(), " words, more than can be numbered");
  for (const auto& [word, count] : words)
    numbers_.emplace(word, first_word + static_cast<std::int32_t>(numbers_.size()));
}

std::int32_t Vocabulary::number(const std::string& word) const {
  const auto found = numbers_.find(word);
  return found == numbers_.end() ? unknown : found->second;
}

std::vector<std::int32_t> Vocabulary::encode(std::span<const Sentence> sentences, std::size_t length) const {
  if (length > 0 && sentences.size() > most_numbers / length)
    fail("vocabulary: ", sentences.size(), " sentences padded to ", length,
         " words, the longest, are more than ", most_numbers, " numbers");
  std::vector<std::int32_t> rows(sentences.size() * length, padding);
  for (std::size_t i = 0; i < sentences.size(); ++i)
    for (std::size_t k = 0; k < std::min(length, sentences[i].size()); ++k)
      rows[i * length + k] = number(sentences[i][k]);
  return rows;
}

void set_sentences(Dataset& data, const LabelledSentences& train, const LabelledSentences& held_out,
                   const LabelledSentences& test) {
  const Vocabulary vocabulary(train.sentences);
  const std::size_t length = longest(train.sentences);
  data.shape = {.length = length, .vocabulary = vocabulary.size()};
  data.train = encoded(vocabulary, train, length);
  data.held_out = encoded(vocabulary, held_out, length);
  data.test = encoded(vocabulary, test, length);
  std::ptrdiff_t cut = 0;
  for (const LabelledSentences* part : {&held_out, &test})
    cut += std::count_if(part->sentences.begin(), part->sentences.end(),
                         [&](const Sentence& sentence) { return sentence.size() > length; });
  data.description +=
      ", padded to " + std::to_string(length) + " words (longer ones, cut: " + std::to_string(cut) + ")";
}

}  // namespace fedval::harness
