// MR, sentences of movie reviews, from its two original files, one sentence a line:
//
//   rt-polarity.neg    label 0, 5,331 sentences
//   rt-polarity.pos    label 1, 5,331
//
// They lie in folder/mr or, as the original archive unpacks, in folder/rt-polaritydata. Copies in UTF-8 and
// in the archive's 8-bit encoding are both about: a file that is not UTF-8 as a whole is read as
// Windows-1252. Source: Pang, Lee, "Seeing stars: exploiting class relationships for sentiment categorization
// with respect to rating scales", ACL 2005 (sentence polarity dataset 1.0).
#pragma once

#include <cstdint>
#include <filesystem>

#include "harness/data/dataset.hpp"

namespace fedval::harness {

/// True when one of the two files is there, so that half a set is an error on loading and not taken for none.
bool mr_present(const std::filesystem::path& folder);

/// Loads the sentences and deals them at random, by the seed, into held-out and test part, floor(n / 20)
/// each, and training part, the rest; the set itself has no parts. Words are split as they are in the files;
/// vocabulary and length are those of the training part, and longer sentences of the others are cut to it.
/// Any number of sentences from 20 on is accepted; the description says how many there are of each class, how
/// many were cut, and which file was read as Windows-1252.
///
/// Throws Error naming the file when one is missing (and where it was looked for), cannot be read or is
/// empty; with line and byte, when a line has no word or a byte is neither UTF-8 nor Windows-1252.
Dataset load_mr(const std::filesystem::path& folder, std::uint64_t seed);

}  // namespace fedval::harness
