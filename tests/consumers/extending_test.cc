// docs/extending.md taken literally: its score compiles under a consumer's warnings, and prints what the page
// says.
#include <doctest/doctest.h>

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
  for (const std::string name :
       {"examples/own_tensor.cc", "fedval/tensor/traits.hpp", "fedval/tensor/torch.hpp"}) {
    CAPTURE(name);
    CHECK(page.find(name) != std::string::npos);
    CHECK(std::filesystem::exists(name));
  }
}
