// The picture of a partition: its text, the five shades, and a width that a terminal has.
#include "harness/partition/picture.hpp"

#include <doctest/doctest.h>

#include <sstream>
#include <string>

namespace fedval::harness {
namespace {

std::string picture(const std::vector<std::vector<std::size_t>>& counts) {
  std::ostringstream out;
  print_partition(out, counts);
  return out.str();
}

TEST_CASE("picture: a line for the head, then one for each agent") {
  CHECK(picture({{600, 0, 0}, {300, 300, 1}, {150, 151, 450}}) ==
        "agent  examples  classes 0 to 2 (█ 600 examples)\n"
        "    1       600  ███      |\n"
        "    2       601  ▒▒▒▒▒▒░░░|\n"
        "    3       751  ░░░▒▒▒▓▓▓|\n");
}

TEST_CASE("picture: five shades, up to a quarter, a half, three quarters, and above") {
  CHECK(
      picture({{0, 1, 2, 3, 4, 5, 6, 7, 8}}).ends_with("\n    1        36     ░░░░░░▒▒▒▒▒▒▓▓▓▓▓▓██████|\n"));
  CHECK(picture({{1000, 1, 250, 251, 500, 501, 750, 751}}).ends_with("  ███░░░░░░▒▒▒▒▒▒▓▓▓▓▓▓███|\n"));
}

TEST_CASE("picture: 62 classes fit in 80 columns, 20 are drawn wide") {
  const auto columns = [](const std::string& text) {
    const std::string line = text.substr(text.find('\n') + 1);
    std::size_t count = 0;
    for (const char c : line) count += c != '\n' && (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    return count;
  };
  CHECK(columns(picture({std::vector<std::size_t>(62, 3)})) == 80);
  CHECK(columns(picture({std::vector<std::size_t>(20, 3)})) == 17 + 60 + 1);
  CHECK(columns(picture({std::vector<std::size_t>(21, 3)})) == 17 + 21 + 1);
}

TEST_CASE("picture: agents without examples are blank, even where all are") {
  CHECK(picture({{0, 0}, {7, 0}}) ==
        "agent  examples  classes 0 to 1 (█ 7 examples)\n"
        "    1         0        |\n"
        "    2         7  ███   |\n");
  CHECK(picture({{0, 0}}) ==
        "agent  examples  classes 0 to 1 (█ 1 examples)\n"
        "    1         0        |\n");
}

}  // namespace
}  // namespace fedval::harness
