// docs/extending.md taken literally: its score compiles under a consumer's warnings, and prints what the page
// says.
#include <doctest/doctest.h>

#include <regex>

#include "tests/consumers/workshop.hpp"

using namespace fedval::consumers;

TEST_CASE("the page's own score") {
  const Workshop shop;
  shop.write("main.cc", block_of("docs/extending.md", "cpp", 1));
  const Finished finished = shop.run(
      "g++ -std=c++20 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -I \"$FEDVAL\" main.cc -o "
      "score\n./score\n");
  INFO(finished.output);
  CHECK(finished.code == 0);
  CHECK(finished.output == block_of("docs/extending.md", "text", 1));
}

TEST_CASE("the files it names are there") {
  const std::string page = text_of("docs/extending.md");
  const std::regex path("(fedval|examples|harness|docs)/[a-z_0-9/]+\\.(hpp|cc|md)");
  std::size_t found = 0;
  for (std::sregex_iterator match(page.begin(), page.end(), path), end; match != end; ++match) {
    const std::string name = match->str();
    CAPTURE(name);
    // Bazel lays out the library alone.
    if (!std::filesystem::exists("harness/main.cc") && !name.starts_with("fedval/")) continue;
    CHECK(std::filesystem::exists(name));
    ++found;
  }
  CHECK(found >= 2);
}
