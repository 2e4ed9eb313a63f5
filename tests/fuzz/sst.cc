#include "harness/data/sst.hpp"

#include "tests/fuzz/target.hpp"

using namespace fedval;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::string> files = fuzz::parts(data, size, 3);
  fuzz::write("sst/train.txt", files[0]);
  fuzz::write("sst/dev.txt", files[1]);
  fuzz::write("sst/test.txt", files[2]);
  for (const bool binary : {false, true})
    fuzz::reads([&] {
      const harness::Dataset found = harness::load_sst(fuzz::folder().path(), binary);
      for (const std::uint8_t label : found.train.labels)
        fuzz::demand(label < found.classes, "a label in range");
    });
  return 0;
}
