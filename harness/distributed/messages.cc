#include "harness/distributed/messages.hpp"

#include <charconv>
#include <cmath>

#include "fedval/error.hpp"

namespace fedval::harness {

namespace {

constexpr std::string_view lost = "lost: ", left = "left: ";

/// As much of it as a message has room for, on one line.
std::string shown(std::string_view text) {
  constexpr std::size_t most = 255;  // of a host's name
  std::string result(text.substr(0, most));
  std::ranges::replace_if(
      result, [](char letter) { return letter < ' ' || letter > '~'; }, '?');
  return result;
}

}  // namespace

std::size_t length_of(double announced, std::size_t most, const std::string& sender) {
  if (!(announced >= 0 && announced <= static_cast<double>(most)) || announced != std::trunc(announced))
    fail(sender, " announces a text of ", announced, " bytes: must be a whole number up to ", most);
  return static_cast<std::size_t>(announced);
}

std::string to_text(const std::vector<bool>& answers) {
  std::string text;
  for (const bool answer : answers) text += answer ? 'y' : 'n';
  return text;
}

std::vector<bool> answers_of(std::string_view text, std::size_t count, const std::string& sender) {
  if (text.size() != count || text.find_first_not_of("yn") != std::string_view::npos)
    fail(sender, " answers \"", shown(text), "\": must be ", count, " times y or n");
  std::vector<bool> answers;
  for (const char letter : text) answers.push_back(letter == 'y');
  return answers;
}

std::string name_of(std::size_t rank, std::string_view host, std::string_view process) {
  return "rank " + std::to_string(rank) + " (" + shown(host) + ", process " + shown(process) + ")";
}

std::string to_text(const std::vector<std::size_t>& members) {
  std::string text;
  for (const std::size_t rank : members) text += std::to_string(rank) + " ";
  return text;
}

std::vector<std::size_t> members_of(std::string_view text, std::size_t ranks, const std::string& sender) {
  std::vector<std::size_t> members;
  const char *place = text.data(), *const end = place + text.size();
  while (place != end) {
    std::size_t rank = 0;
    const auto [stop, error] = std::from_chars(place, end, rank);
    if (error != std::errc() || stop == end || *stop != ' ' || rank >= ranks ||
        (members.empty() ? rank != 0 : rank <= members.back()))
      break;
    members.push_back(rank);
    place = stop + 1;
  }
  if (members.empty() || place != end)
    fail(sender, " says that the ranks \"", shown(text), "\" go on: must be 0 and others below ", ranks,
         ", in ascending order");
  return members;
}

std::string to_text(const Trouble& trouble) { return std::string(trouble.lost ? lost : left) + trouble.said; }

Trouble trouble_of(std::string_view text) {
  for (const std::string_view kind : {lost, left})
    if (text.starts_with(kind) && text.size() > kind.size())
      return {kind == lost, std::string(text.substr(kind.size()))};
  return {false, "a rank has left, and what it said of it cannot be read: \"" + shown(text) + "\""};
}

}  // namespace fedval::harness
