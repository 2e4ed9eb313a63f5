// What someone meant who wrote a word that does not exist: the nearest word that does, by edit distance.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fedval::harness {

/// The least number of insertions, deletions, substitutions and swaps of neighbours (each place edited once)
/// that turn one word into the other; case does not count. O(|a| |b|) time and space.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate nearest to the word, the first of equals; none when a third of the longer of the two, or
/// more than one edit in short words, would have to change.
std::optional<std::string_view> nearest(std::string_view word,
                                        const std::vector<std::string_view>& candidates);

/// `; did you mean "rounds"?` for the nearest candidate, otherwise nothing.
std::string suggestion(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace fedval::harness
