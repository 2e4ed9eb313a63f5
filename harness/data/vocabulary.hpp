// Words as numbers, so that a sentence is a row of integers:
//
//   0 padding;  1 any word that the vocabulary does not have;  2, 3, ... its words by falling frequency,
//   those of equal frequency in the order of their bytes
//
// A vocabulary is built from a training part alone, so that nothing of the test part reaches a model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "harness/data/dataset.hpp"

namespace fedval::harness {

/// A sentence in words.
using Sentence = std::vector<std::string>;

/// Sentences and their labels, one each, before words are numbers.
struct LabelledSentences {
  std::vector<Sentence> sentences = {};
  std::vector<std::uint8_t> labels = {};
};

/// ASCII white space: space, tab, line feed, vertical tab, form feed, carriage return. A no-break space is
/// part of a word.
inline constexpr std::string_view white_space = " \t\n\v\f\r";

/// The words of a text: split at ASCII white space, ASCII letters in lower case, other bytes as they are.
/// O(bytes).
Sentence split_words(std::string_view text);

/// Words of the longest of the sentences; 0 when there is none.
std::size_t longest(std::span<const Sentence> sentences);

class Vocabulary {
 public:
  /// The words that occur `minimum_count` times or more in the sentences. O(words log words).
  explicit Vocabulary(std::span<const Sentence> sentences, std::size_t minimum_count = 1);

  /// Numbers in use, those of padding and unknown words among them: every number is below.
  std::size_t size() const { return numbers_.size() + first_word; }

  /// The number of a word, 1 when the vocabulary does not have it.
  std::int32_t number(const std::string& word) const;

  /// The sentences as rows of `length` numbers, n x length, row-major: shorter ones are padded at their end,
  /// longer ones are cut to their first `length` words. Throws Error when that is more than 2^28 numbers.
  std::vector<std::int32_t> encode(std::span<const Sentence> sentences, std::size_t length) const;

 private:
  static constexpr std::int32_t padding = 0, unknown = 1, first_word = 2;

  std::unordered_map<std::string, std::int32_t> numbers_;
};

/// Makes the sentences the parts of a data set: vocabulary and length (the longest sentence) are those of the
/// training part; a longer sentence of another part is cut, and the description, to which the lengths are
/// appended, says how many were. Throws Error where encode does.
void set_sentences(Dataset& data, const LabelledSentences& train, const LabelledSentences& held_out,
                   const LabelledSentences& test);

}  // namespace fedval::harness
