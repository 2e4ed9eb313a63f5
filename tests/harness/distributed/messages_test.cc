// What ranks say to one another is read back, and what none of them should say is refused. More of it:
// tests/fuzz/messages.cc.
#include "harness/distributed/messages.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "fedval/error.hpp"

using namespace fedval;
using namespace fedval::harness;

namespace {

template <class Read>
std::string refusal(Read&& read) {
  try {
    read();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a length is taken when it is a whole number within its bound, and else its sender is named") {
  CHECK(length_of(0, 100, "rank 1") == 0);
  CHECK(length_of(100, 100, "rank 1") == 100);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (const double wrong : {-1.0, 99.5, 101.0, 1e300, infinity, -infinity, infinity - infinity}) {
    CAPTURE(wrong);
    CHECK(refusal([&] { length_of(wrong, 100, "rank 1"); }).starts_with("rank 1 announces a text of "));
  }
}

TEST_CASE("a text comes in pieces that follow one another, and one that breaks off takes little memory") {
  for (const std::size_t length : {std::size_t{0}, std::size_t{1}, most_at_once, 2 * most_at_once + 5}) {
    CAPTURE(length);
    std::string text(length, ' ');
    for (std::size_t i = 0; i < length; i += 1009) text[i] = static_cast<char>('a' + i % 26);
    std::size_t asked = 0;
    const std::string whole = in_pieces(length, [&](std::size_t begin, std::size_t bytes) {
      ++asked;
      CHECK(bytes <= most_at_once);
      return text.substr(begin, bytes);
    });
    CHECK((whole == text));
    CHECK(asked == (length + most_at_once - 1) / most_at_once);
  }
  const auto breaks = [](std::size_t begin, std::size_t bytes) {
    return begin == 0 ? std::string(bytes, 'x') : (fail("rank 0 has left"), "");
  };
  CHECK(refusal([&] { in_pieces(std::size_t{1} << 50, breaks); }) == "rank 0 has left");
}

TEST_CASE("answers are one for each question, and nothing else") {
  const std::vector<bool> answers{true, false, false, true};
  CHECK(answers_of(to_text(answers), 4, "rank 0") == answers);
  CHECK(answers_of("", 0, "rank 0").empty());
  CHECK(refusal([] { answers_of("yn", 3, "rank 0"); }) == "rank 0 answers \"yn\": must be 3 times y or n");
  CHECK(refusal([] { answers_of("ynyn", 3, "rank 0"); }) != "");
  CHECK(refusal([] { answers_of("yn\n", 3, "rank 0"); }) == "rank 0 answers \"yn?\": must be 3 times y or n");
}

TEST_CASE("ranks that go on are some of those there were, in their order, with the leading one") {
  const std::vector<std::size_t> members{0, 2, 10};
  CHECK(members_of(to_text(members), 11, "rank 0") == members);
  for (const std::string wrong : {"", "1 2 ", "0 11 ", "0 2 2 ", "0 3 2 ", "0 2", "0  2 ", "0 -1 ", "0 x ",
                                  "0 18446744073709551616 ", " 0 ", "0 2 \n"}) {
    CAPTURE(wrong);
    CHECK(refusal([&] { members_of(wrong, 11, "rank 0"); }).starts_with("rank 0 says that the ranks \""));
  }
}

TEST_CASE("a rank's name is printable and short, whatever it says of itself") {
  CHECK(name_of(1, "node-a", "17") == "rank 1 (node-a, process 17)");
  CHECK(name_of(1, "\x1b[2J\n\xff", "1\t") == "rank 1 (?[2J??, process 1?)");
  CHECK(name_of(1, std::string(100000, 'x'), "17").size() < 300);
}

TEST_CASE("trouble is told on as it was said, and what cannot be read is trouble, too") {
  for (const bool lost : {false, true}) {
    CAPTURE(lost);
    const Trouble told = trouble_of(to_text(Trouble{lost, "rank 1 (node-a, process 17) did something"}));
    CHECK(told.lost == lost);
    CHECK(told.said == "rank 1 (node-a, process 17) did something");
  }
  for (const std::string wrong : {"", "lost", "left: ", "gone: rank 1", "\n"}) {
    CAPTURE(wrong);
    CHECK_FALSE(trouble_of(wrong).lost);
    CHECK(trouble_of(wrong).said.starts_with("a rank has left, and what it said of it cannot be read"));
  }
}
