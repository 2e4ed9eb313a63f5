// Other people's translation units and fedval's headers: the list of headers is the tree's; all of them
// together in two translation units of one program; each alone; under a consumer's strictest warnings.
#include <doctest/doctest.h>

#include <algorithm>

#include "fedval/version.hpp"
#include "tests/consumers/workshop.hpp"

using namespace fedval::consumers;

namespace {

const std::string strict =
    " -std=c++20 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -I \"$FEDVAL\" "
    "-isystem /usr/include/eigen3 -isystem /usr/include/torch/csrc/api/include ";

/// Headers that this compiler can read here: all, or those that do not need LibTorch.
std::vector<std::string> readable_headers(const Workshop& shop, const std::string& compiler, bool& torch) {
  torch =
      shop.run(compiler + strict + "-fsyntax-only -x c++ -include ATen/core/Tensor.h /dev/null\n").code == 0;
  if (!torch) MESSAGE("LibTorch is not installed, or not for this compiler: its headers are left out");
  std::vector<std::string> headers = lines_of("fedval/headers.txt");
  if (!torch)
    std::erase_if(headers, [](const std::string& header) { return header.ends_with("/torch.hpp"); });
  return headers;
}

void check_together(const std::string& compiler) {
  const Workshop shop;
  bool torch = false;
  std::string all;
  for (const std::string& header : readable_headers(shop, compiler, torch))
    all += "#include \"" + header + "\"\n";
  shop.write("one.cc", all + "int other();\nint main() { return other(); }\n");
  shop.write("other.cc", all + "int other() { return 0; }\n");
  const Finished finished = shop.run(compiler + strict + "one.cc other.cc -o program" +
                                     (torch ? " -ltorch -ltorch_cpu -lc10" : "") + "\n./program\n");
  INFO(finished.output);
  CHECK(finished.code == 0);
}

void check_alone(const std::string& compiler) {
  const Workshop shop;
  const std::string look = compiler + strict + "-fsyntax-only -x c++ -include ";
  bool torch = false;
  std::string headers;
  for (const std::string& header : readable_headers(shop, compiler, torch)) headers += header + "\n";
  shop.write("headers", headers);
  // The header is read before an empty file. Two at a time; those that fail are named.
  const Finished finished =
      shop.run("xargs -P 2 -I {} sh -c '" + look + "{} /dev/null || { echo {} alone; exit 1; }' < headers\n");
  INFO(finished.output);
  CHECK(finished.code == 0);
}

}  // namespace

TEST_CASE("the list of headers is what lies in the tree") {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator("fedval"))
    if (entry.path().extension() == ".hpp") found.push_back(entry.path().string());
  std::ranges::sort(found);
  CHECK(found == lines_of("fedval/headers.txt"));
}

TEST_CASE("one version") {
  const std::string version(fedval::version);
  CHECK(text_of("MODULE.bazel").find("version = \"" + version + "\",\n)") != std::string::npos);
  CHECK(text_of("docs/building.md").find("\"fedval\", version = \"" + version + '"') != std::string::npos);
}

TEST_CASE("g++: all headers in two translation units of one program") { check_together("g++"); }
TEST_CASE("clang++: all headers in two translation units of one program" * doctest::skip(!have("clang++"))) {
  check_together("clang++");
}
TEST_CASE("g++: each header alone") { check_alone("g++"); }
TEST_CASE("clang++: each header alone" * doctest::skip(!have("clang++"))) { check_alone("clang++"); }
