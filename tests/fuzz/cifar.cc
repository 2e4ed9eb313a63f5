// CIFAR-100's two files. Labels of the training part, labels of the test part, and whether the last record of
// each is cut; images are of one grey.
#include "harness/data/cifar.hpp"

#include "tests/fuzz/target.hpp"

using namespace fedval;

namespace {

/// Two bytes of labels a record; an odd byte at the end cuts the last one.
std::string records(const std::string& labels) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < labels.size(); i += 2)
    bytes += labels.substr(i, 2) + std::string(3072, 'g');
  if (labels.size() % 2 != 0) bytes += std::string(static_cast<unsigned char>(labels.back()) + 1U, 'g');
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::string> labels = fuzz::parts(data, size, 2);
  fuzz::write("cifar-100/train.bin", records(labels[0]));
  fuzz::write("cifar-100/test.bin", records(labels[1]));
  for (const auto kind : {harness::Cifar100Labels::fine, harness::Cifar100Labels::coarse})
    fuzz::reads([&] {
      const harness::Dataset found = harness::load_cifar100(fuzz::folder().path(), kind);
      fuzz::demand(found.train.labels.size() == labels[0].size() / 2, "an example a record");
      for (const std::uint8_t label : found.train.labels)
        fuzz::demand(label < found.classes, "a label in range");
    });
  return 0;
}
