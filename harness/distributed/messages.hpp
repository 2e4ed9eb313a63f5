// What one rank says to another, read back. A broken peer that knows the secret may say anything: each is a
// value, or an Error that names who said it, in memory that does not depend on what was promised.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fedval::harness {

/// The longest message: Gloo's own steps wait no longer than the patience for one, and a text comes in such
/// pieces.
constexpr std::size_t most_at_once = std::size_t{16} << 20;

/// Bytes of a text that a rank is about to send. Error unless it is a whole number up to `most`.
std::size_t length_of(double announced, std::size_t most, const std::string& sender);

/// A text of so many bytes, piece by piece: piece(begin, bytes) is asked for each, so that one who promises
/// much must send it.
template <class Piece>
std::string in_pieces(std::size_t length, Piece&& piece) {
  std::string text;
  while (text.size() < length) text += piece(text.size(), std::min(most_at_once, length - text.size()));
  return text;
}

/// One letter for each of a list of answers, yes or no.
std::string to_text(const std::vector<bool>& answers);
/// Error unless there are `count` of them.
std::vector<bool> answers_of(std::string_view text, std::size_t count, const std::string& sender);

/// What others call a rank: "rank 1 (host, process 17)", printable and short whatever it says of itself.
std::string name_of(std::size_t rank, std::string_view host, std::string_view process);

/// Those of the ranks that go on, in ascending order, the leading one among them.
std::string to_text(const std::vector<std::size_t>& members);
/// Error for any other list than one of some of `ranks` ranks.
std::vector<std::size_t> members_of(std::string_view text, std::size_t ranks, const std::string& sender);

/// Why the ranks cannot go on as they are: one is lost, or has left.
struct Trouble {
  bool lost = false;
  std::string said;
};
std::string to_text(const Trouble& trouble);
/// What cannot be read is trouble, too.
Trouble trouble_of(std::string_view text);

}  // namespace fedval::harness
