// CIFAR-100's two files and one that stands for each of CIFAR-10's six: labels of the training part, of the
// test part, and of CIFAR-10, and whether the last record of CIFAR-100's is cut; images are of one grey.
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
  const std::vector<std::string> labels = fuzz::parts(data, size, 3);
  fuzz::write("cifar-100/train.bin", records(labels[0]));
  fuzz::write("cifar-100/test.bin", records(labels[1]));
  for (const auto kind : {harness::Cifar100Labels::fine, harness::Cifar100Labels::coarse})
    fuzz::reads([&] {
      const harness::Dataset found = harness::load_cifar100(fuzz::folder().path(), kind);
      fuzz::demand(found.train.labels.size() == labels[0].size() / 2, "an example a record");
      for (const std::uint8_t label : found.train.labels)
        fuzz::demand(label < found.classes, "a label in range");
    });
  std::string batch;
  for (const char label : labels[2]) batch += label + std::string(3072, 'g');
  for (const char* name :
       {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"})
    fuzz::write("cifar-10/" + std::string(name) + ".bin", batch);
  fuzz::reads([&] {
    const harness::Dataset found = harness::load_cifar10(fuzz::folder().path());
    fuzz::demand(found.train.labels.size() == 5 * labels[2].size(), "an example a record");
    for (const std::uint8_t label : found.train.labels) fuzz::demand(label < 10, "a label in range");
  });
  return 0;
}
