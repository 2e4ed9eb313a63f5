// The first byte is the rank that is expected, the others are the file.
#include "harness/data/idx.hpp"

#include "tests/fuzz/target.hpp"

using namespace fedval;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t rank = 1 + data[0] % 3;
  const auto path = fuzz::write("file", {reinterpret_cast<const char*>(data) + 1, size - 1});
  const auto check = [&]<class Value>(Value) {
    fuzz::reads([&] {
      const harness::Idx<Value> found = harness::read_idx<Value>(path, rank);
      std::size_t entries = 1;
      for (const std::size_t extent : found.shape) entries *= extent;
      fuzz::demand(found.values.size() == entries && found.shape.size() == rank,
                   "as many values as the shape says");
    });
  };
  check(std::uint8_t{});
  check(std::int32_t{});
  return 0;
}
