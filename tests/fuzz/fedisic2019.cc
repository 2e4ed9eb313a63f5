// Records of three bytes, centre, fold and diagnosis; the images are of one colour.
#include "harness/data/fedisic2019.hpp"

#include "tests/fuzz/target.hpp"

using namespace fedval;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; i += 3)
    bytes += std::string(reinterpret_cast<const char*>(data) + i, std::min<std::size_t>(3, size - i)) +
             (i + 3 <= size ? std::string(64 * 64 * 3, 'g') : "");
  fuzz::write("fedisic2019/fedisic_64x64.bin", bytes);
  fuzz::reads([&] {
    const harness::Dataset found = harness::load_fedisic2019(fuzz::folder().path());
    fuzz::demand(found.train.size() + found.test.size() == size / 3, "an example a record");
    for (const std::uint32_t owner : found.train.owners)
      fuzz::demand(owner < found.owner_names.size(), "an owner with a name");
  });
  return 0;
}
