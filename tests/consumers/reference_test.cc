// The API reference can be built, and no public symbol is without a comment.
#include <doctest/doctest.h>

#include "tests/consumers/workshop.hpp"

using namespace fedval::consumers;

TEST_CASE("doxygen finds every public symbol documented" * doctest::skip(!have("doxygen"))) {
  const Workshop shop;
  const Finished finished = shop.run(
      "here=$PWD\ncd \"$FEDVAL\"\n(cat docs/Doxyfile; echo \"OUTPUT_DIRECTORY = $here\") | doxygen -\n");
  INFO(finished.output);
  CHECK(finished.code == 0);
  CHECK(finished.output.find("not documented") == std::string::npos);
  CHECK(std::filesystem::exists(shop / "html/index.html"));
}

TEST_CASE("it would find one that is not" * doctest::skip(!have("doxygen"))) {
  const Workshop shop;
  std::filesystem::create_directory(shop / "fedval");
  shop.write("fedval/secret.hpp",
             "// A header.\n\nnamespace fedval {\n\nint secret();\n\n}  // namespace fedval\n");
  const Finished finished = shop.run(
      "(sed 's| docs/api.md||' \"$FEDVAL/docs/Doxyfile\"; echo \"OUTPUT_DIRECTORY = .\"\n"
      " echo \"FILTER_PATTERNS = *.hpp=$FEDVAL/docs/doxygen_filter.awk\"\n"
      " echo 'USE_MDFILE_AS_MAINPAGE ='; echo 'WARN_AS_ERROR = NO') | doxygen -\n");
  INFO(finished.output);
  CHECK(finished.output.find("secret() (function) of namespace fedval is not documented") !=
        std::string::npos);
}
