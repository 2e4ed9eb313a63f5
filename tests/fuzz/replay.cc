// The kept inputs of a target, once each, as a test: what was once found stays mended.
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>

#include "tests/fuzz/target.hpp"

using namespace fedval;

TEST_CASE("every kept input is read or refused, and takes little memory") {
  const std::filesystem::path corpus = std::filesystem::path("tests/fuzz/corpus") / FEDVAL_FUZZ_TARGET;
  std::vector<std::filesystem::path> inputs;
  for (const auto& entry : std::filesystem::directory_iterator(corpus)) inputs.push_back(entry.path());
  std::ranges::sort(inputs);
  REQUIRE(!inputs.empty());
  rusage before{}, after{};
  ::getrusage(RUSAGE_SELF, &before);
  for (const auto& input : inputs) {
    CAPTURE(input.string());
    const harness::test_files::Bytes bytes = harness::test_files::read(input);
    CHECK(LLVMFuzzerTestOneInput(bytes.data(), bytes.size()) == 0);
  }
  ::getrusage(RUSAGE_SELF, &after);
  CHECK(after.ru_maxrss - before.ru_maxrss < 256 * 1024);  // KiB; the inputs have a few
}
