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
    CHECK(wrong.output.find(says) != std::string::npos);
  }
  CHECK(programs >= 9);
}

}  // namespace

TEST_CASE("g++ says what is wanted") { check("g++"); }
TEST_CASE("clang++ says what is wanted" * doctest::skip(!have("clang++"))) { check("clang++"); }
