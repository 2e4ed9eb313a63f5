#include "harness/data/cifar.hpp"

#include <zlib.h>

#include <array>
#include <optional>
#include <string>

#include "fedval/error.hpp"
#include "harness/data/describe.hpp"
#include "harness/data/input_file.hpp"
#include "harness/data/records.hpp"
#include "harness/data/text_file.hpp"

namespace fedval::harness {
namespace {

namespace fs = std::filesystem;

constexpr ExampleShape shape{3, 32, 32};
constexpr std::size_t image_bytes = shape.channels * shape.height * shape.width;
constexpr std::size_t batch_images = 10000;

/// A file of CIFAR-10; its CRC-32 in the copy of which some images were decoded from JPEG, and how many.
struct Batch {
  const char* file;
  std::uint32_t approximate_crc;
  std::size_t approximate_images;
};

constexpr std::array train_batches{
    Batch{"data_batch_1.bin", 0x2ee20df5, 10}, Batch{"data_batch_2.bin", 0xf6c67ad1, 7},
    Batch{"data_batch_3.bin", 0x0a8599b5, 10}, Batch{"data_batch_4.bin", 0x5f3626c4, 31},
    Batch{"data_batch_5.bin", 0xbe9960b4, 28}};
constexpr Batch test_batch{"test_batch.bin", 0xefe7901b, 25};

std::vector<std::string> cifar10_files() {
  std::vector<std::string> files{test_batch.file};
  for (const Batch& batch : train_batches) files.emplace_back(batch.file);
  return files;
}

std::vector<std::string> cifar100_files() { return {"train.bin", "test.bin"}; }

fs::path cifar10_place(const fs::path& folder) {
  return first_with({folder / "cifar-10", folder / "cifar-10-batches-bin"}, cifar10_files());
}

fs::path cifar100_place(const fs::path& folder) {
  return first_with({folder / "cifar-100", folder / "cifar-100-binary"}, cifar100_files());
}

void check_label(const fs::path& path, std::size_t record, const char* what, std::uint8_t label,
                 std::size_t classes) {
  if (label >= classes)
    fail(path.string(), ": record ", record, ": ", what, " is ", int{label}, ", expected 0 to ", classes - 1);
}

void append(Examples& part, std::uint8_t label, std::span<const std::uint8_t> image) {
  part.labels.push_back(label);
  part.pixels.insert(part.pixels.end(), image.begin(), image.end());
}

// Appends a file's images to the part; returns how many of them are known to be approximate.
std::size_t append_batch(const fs::path& where, const Batch& batch, Examples& part) {
  const fs::path path = where / batch.file;
  uLong crc = crc32_z(0, nullptr, 0);
  const std::size_t count =
      read_records(path, 1 + image_bytes, [&](std::size_t i, std::span<const std::uint8_t> record) {
        if (i == batch_images) fail(path.string(), ": more than ", batch_images, " records");
        check_label(path, i, "label", record[0], 10);
        append(part, record[0], record.subspan(1));
        crc = crc32_z(crc, record.data(), record.size());
      });
  if (count != batch_images) fail(path.string(), ": ", count, " records, expected ", batch_images);
  return crc == batch.approximate_crc ? batch.approximate_images : 0;
}

/// The coarse label that each fine label came with.
using CoarseOfFine = std::array<std::optional<std::uint8_t>, 100>;

Examples load_cifar100_part(const fs::path& path, std::size_t official, Cifar100Labels labels,
                            CoarseOfFine& coarse_of_fine) {
  Examples part;
  read_records(path, 2 + image_bytes, [&](std::size_t i, std::span<const std::uint8_t> record) {
    if (i == official) fail(path.string(), ": more than the ", official, " records of CIFAR-100");
    const std::uint8_t coarse = record[0];
    const std::uint8_t fine = record[1];
    check_label(path, i, "coarse label", coarse, 20);
    check_label(path, i, "fine label", fine, 100);
    auto& known = coarse_of_fine[fine];
    if (!known) known = coarse;
    if (*known != coarse)
      fail(path.string(), ": record ", i, ": fine label ", int{fine}, " with coarse label ", int{coarse},
           ", but with ", int{*known}, " before");
    append(part, labels == Cifar100Labels::fine ? fine : coarse, record.subspan(2));
  });
  return part;
}

}  // namespace

bool cifar10_present(const fs::path& folder) { return any_there(cifar10_place(folder), cifar10_files()); }
bool cifar100_present(const fs::path& folder) { return any_there(cifar100_place(folder), cifar100_files()); }

Dataset load_cifar10(const fs::path& folder) {
  const fs::path where = cifar10_place(folder);
  Dataset data{.name = "cifar10", .description = "", .classes = 10, .shape = shape};
  std::size_t approximate = 0;
  for (const Batch& batch : train_batches) approximate += append_batch(where, batch, data.train);
  approximate += append_batch(where, test_batch, data.test);
  data.description = "CIFAR-10, " + image_counts(data.train.size(), data.test.size());
  if (approximate > 0) data.description += ", " + grouped(approximate) + " of 60,000 images approximate";
  data.description += ", from " + where.string();
  return data;
}

Dataset load_cifar100(const fs::path& folder, Cifar100Labels labels) {
  const fs::path where = cifar100_place(folder);
  const bool fine = labels == Cifar100Labels::fine;
  Dataset data{.name = fine ? "cifar100" : "cifar100_coarse",
               .description = "",
               .classes = fine ? std::size_t{100} : std::size_t{20},
               .shape = shape};
  constexpr std::size_t train = 50000;
  constexpr std::size_t test = 10000;
  CoarseOfFine coarse_of_fine{};
  data.train = load_cifar100_part(where / "train.bin", train, labels, coarse_of_fine);
  data.test = load_cifar100_part(where / "test.bin", test, labels, coarse_of_fine);
  const bool complete = data.train.size() == train && data.test.size() == test;
  data.description = std::string("CIFAR-100") + (fine ? "" : ", 20 coarse classes") + ", " +
                     (complete ? image_counts(train, test)
                               : grouped(data.train.size()) + " of " + grouped(train) + " train and " +
                                     grouped(data.test.size()) + " of " + grouped(test) + " test images") +
                     ", from " + where.string();
  return data;
}

}  // namespace fedval::harness
