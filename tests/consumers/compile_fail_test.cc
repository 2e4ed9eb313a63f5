// Programs with one mistake each do not compile, and the compiler's message names what is wanted. Without the
// mistake the same program compiles, so that nothing else is what stops it.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/consumers/workshop.hpp"

using namespace fedval::consumers;

namespace {

std::string after(const std::vector<std::string>& lines, const std::string& key) {
  for (const std::string& line : lines)
    if (line.starts_with("// " + key + ": ")) return line.substr(key.size() + 5);
  return {};
}

/// Whether the parts of `says` between " ... " are in the text, one after the other.
bool holds(const std::string& text, const std::string& says) {
  const std::string gap = " ... ";
  std::size_t at = 0, begin = 0;
  while (begin <= says.size()) {
    const std::size_t end = std::min(says.find(gap, begin), says.size());
    const std::string part = says.substr(begin, end - begin);
    at = text.find(part, at);
    if (at == std::string::npos) return false;
    at += part.size();
    begin = end + gap.size();
  }
  return true;
}

void check(const std::string& compiler) {
  std::size_t programs = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tests/consumers/compile_fail")) {
    const std::filesystem::path& path = entry.path();
    CAPTURE(path);
    ++programs;
    const std::vector<std::string> lines = lines_of(path);
    const std::string mistake = after(lines, "mistake"), both = after(lines, "says"),
                      says = both.empty() ? after(lines, "says " + compiler) : both;
    REQUIRE(!mistake.empty());
    REQUIRE(!says.empty());
    const Workshop shop;
    shop.write("program.cc", text_of(path));
    const std::string compile = compiler + " -std=c++20 -I \"$FEDVAL\" -fsyntax-only program.cc ";
    const Finished right = shop.run(compile);
    INFO(right.output);
    CHECK(right.code == 0);
    const Finished wrong = shop.run(compile + mistake);
    INFO(wrong.output);
    CHECK(wrong.code != 0);
    CHECK(holds(wrong.output, says));
  }
  CHECK(programs >= 14);
}

}  // namespace

TEST_CASE("g++ says what is wanted") { check("g++"); }
TEST_CASE("clang++ says what is wanted" * doctest::skip(!have("clang++"))) { check("clang++"); }
