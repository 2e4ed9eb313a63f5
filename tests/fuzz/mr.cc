#include "harness/data/mr.hpp"

#include "tests/fuzz/target.hpp"

using namespace fedval;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::string> files = fuzz::parts(data, size, 2);
  fuzz::write("mr/rt-polarity.neg", files[0]);
  fuzz::write("mr/rt-polarity.pos", files[1]);
  fuzz::reads([&] {
    const harness::Dataset found = harness::load_mr(fuzz::folder().path(), 1);
    fuzz::demand(found.train.size() + found.held_out.size() + found.test.size() >= 20, "twenty sentences");
  });
  return 0;
}
