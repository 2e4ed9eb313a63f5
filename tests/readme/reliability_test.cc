// docs/reliability.md: every promise names a test that is there.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>

namespace {

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("every promise is kept by a test that is there") {
  const std::string page = text_of("docs/reliability.md");
  const std::regex row(R"(\n\| ([^|]+) \| \[[^\]]+\]\(\.\./([^)]+)\) \| ([^|]+) \|)");
  std::size_t promises = 0;
  for (std::sregex_iterator found(page.begin(), page.end(), row), end; found != end; ++found, ++promises) {
    const std::string promise = (*found)[1], file = (*found)[2], test = (*found)[3];
    CAPTURE(promise);
    CAPTURE(file);
    REQUIRE(std::filesystem::exists(file));
    const std::string source = text_of(file), named = "(\"" + test + "\"";
    CHECK((contains(source, "TEST_CASE" + named) || contains(source, "TEST_CASE_TEMPLATE" + named)));
  }
  CHECK(promises > 20);
}
