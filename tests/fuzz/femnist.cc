#include "harness/data/leaf.hpp"

#include "tests/fuzz/target.hpp"

using namespace fedval;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto path = fuzz::write("file.json", {reinterpret_cast<const char*>(data), size});
  fuzz::reads([&] {
    harness::LeafImages images;
    harness::read_leaf(path, 4, 3, images);
    fuzz::demand(images.examples.pixels.size() == 4 * images.examples.labels.size(), "four pixels an image");
    for (const std::uint8_t label : images.examples.labels) fuzz::demand(label < 3, "a label in range");
    for (const std::uint32_t owner : images.examples.owners)
      fuzz::demand(owner < images.users.size(), "an owner with a name");
  });
  return 0;
}
