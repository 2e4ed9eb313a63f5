// What one rank reads of another; the first byte says what it takes the rest for. What is accepted is within
// its bounds, and the same when it is said again.
#include "harness/distributed/messages.hpp"

#include <cstring>
#include <functional>
#include <optional>

#include "harness/checkpoint/archive.hpp"
#include "tests/fuzz/target.hpp"

using namespace fedval;

namespace {

/// As rank 0 tells what coalitions reached.
struct Reached {
  double accuracy = 0, loss = 0;
};

void fields(harness::Archive& archive, Reached& reached) {
  archive.field("accuracy", reached.accuracy);
  archive.field("loss", reached.loss);
}

/// The number at the front of the text, which is taken from it.
template <class Number>
Number take(std::string& text) {
  Number number{};
  const std::size_t count = std::min(sizeof number, text.size());
  std::memcpy(&number, text.data(), count);
  text.erase(0, count);
  return number;
}

void check_lengths(std::string text) {
  while (!text.empty()) {
    const auto announced = take<double>(text);
    fuzz::reads([&] {
      const std::size_t length = harness::length_of(announced, harness::most_at_once, "rank 1");
      fuzz::demand(length <= harness::most_at_once, "a length is within its bound");
      fuzz::demand(static_cast<double>(length) == announced, "a length is what was announced");
    });
  }
}

/// One who announces more than it sends: after the last byte its connection breaks.
void check_pieces(std::string text) {
  const auto announced = take<double>(text);
  std::size_t sent = 0;
  fuzz::reads([&] {
    const std::size_t length = harness::length_of(announced, std::size_t{1} << 53, "rank 0");
    const std::string whole = harness::in_pieces(length, [&](std::size_t begin, std::size_t bytes) {
      fuzz::demand(begin == sent && bytes <= harness::most_at_once,
                   "pieces follow one another, and are small");
      if (bytes > text.size() - begin) fail("rank 0 has left");
      sent += bytes;
      return text.substr(begin, bytes);
    });
    fuzz::demand(whole == text.substr(0, length), "a text comes as it was sent");
  });
}

void check_answers(std::string text) {
  const std::size_t count = take<std::uint8_t>(text);
  fuzz::reads([&] {
    const std::vector<bool> answers = harness::answers_of(text, count, "rank 0");
    fuzz::demand(answers.size() == count, "there is an answer for each");
    fuzz::demand(harness::to_text(answers) == text, "answers are the same when they are said again");
  });
}

void check_members(std::string text) {
  const std::size_t ranks = take<std::uint8_t>(text);
  fuzz::reads([&] {
    const std::vector<std::size_t> members = harness::members_of(text, ranks, "rank 0");
    fuzz::demand(members.front() == 0, "rank 0 goes on");
    fuzz::demand(members.back() < ranks, "nobody goes on who was not there");
    fuzz::demand(std::ranges::adjacent_find(members, std::ranges::greater_equal()) == members.end(),
                 "nobody goes on twice");
    fuzz::demand(harness::members_of(harness::to_text(members), ranks, "rank 0") == members,
                 "members are the same when they are said again");
  });
}

void check_trouble(const std::string& text) {
  const harness::Trouble trouble = harness::trouble_of(text), again = harness::trouble_of(to_text(trouble));
  fuzz::demand(!trouble.said.empty(), "trouble is said");
  fuzz::demand(again.lost == trouble.lost && again.said == trouble.said, "trouble is the same when told on");
}

void check_name(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::string> said = fuzz::parts(data, size, 2);
  const std::string name = harness::name_of(1, said[0], said[1]);
  fuzz::demand(name.starts_with("rank 1 (") && name.size() < 600, "a name is short");
  fuzz::demand(std::ranges::all_of(name, [](char letter) { return letter >= ' ' && letter <= '~'; }),
               "a name is printable");
}

void check_coalitions(const std::string& text) {
  fuzz::reads([&] {
    std::optional<std::vector<Reached>> coalitions;
    harness::Archive told(text, "coalitions of rank 0"), again;
    told.field("coalitions", coalitions);
    told.end();
    again.field("coalitions", coalitions);
    fuzz::demand(again.bytes() == text, "coalitions are the same when they are told again");
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 7) {
    case 0:
      check_lengths(text);
      break;
    case 1:
      check_pieces(text);
      break;
    case 2:
      check_answers(text);
      break;
    case 3:
      check_members(text);
      break;
    case 4:
      check_trouble(text);
      break;
    case 5:
      check_name(data + 1, size - 1);
      break;
    default:
      check_coalitions(text);
      break;
  }
  return 0;
}
