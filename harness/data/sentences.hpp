// A built-in set of short sentences of praise and blame, for runs and tests without any file. It is no corpus
// and says so.
//
//   sentence   = [opening] judgement [joiner judgement] [ending]
//   judgement  = subject verb [degree] adjective            of the sentence's class, or
//                subject verb negation [degree] adjective   of the other class, in 3 of 10
//
// "the plot is not dull and the acting is good" and "the plot is not good and the acting is dull" have the
// same words and different labels: a model must see a few words together, up to five for "not by any measure
// good".
#pragma once

#include <cstddef>
#include <cstdint>

#include "harness/data/dataset.hpp"

namespace fedval::harness {

/// Draws `train` and `test` sentences, label 0 blame and 1 praise; O(train + test), about 2 us a sentence.
/// Sentence i of a part depends on (seed, part, i) alone, so a larger set begins with the smaller one. Labels
/// come in blocks of two, each class once in random order, and none is wrong. Vocabulary and length are those
/// of the grammar, whatever is drawn. Throws Error when a part has more than 2^20 sentences.
Dataset made_sentences(std::uint64_t seed, std::size_t train, std::size_t test);

}  // namespace fedval::harness
