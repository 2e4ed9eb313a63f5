// CIFAR: made files, broken ones and parts of the set, and the real sets where they are at hand.
#include "harness/data/cifar.hpp"

#include <doctest/doctest.h>
#include <zlib.h>

#include <algorithm>
#include <string>
#include <vector>

#include "harness/data/data_folder.hpp"
#include "tests/harness/data/files.hpp"
#include "tests/harness/data/real_data.hpp"

namespace fedval::harness {
namespace {

using namespace test_files;
namespace fs = std::filesystem;

constexpr std::size_t image_bytes = 3072;

// A record of CIFAR-10 or CIFAR-100 whose image has a value in each corner of the planes.
Bytes record(const Bytes& labels, std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  Bytes bytes = labels;
  bytes.resize(labels.size() + image_bytes);
  bytes[labels.size()] = red;
  bytes[labels.size() + 1024] = green;
  bytes[bytes.size() - 1] = blue;
  return bytes;
}

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// A batch of CIFAR-10 that begins with the given bytes; what follows are black images of class 0.
void write_batch(const fs::path& path, const Bytes& begin, std::uintmax_t size = 30730000) {
  write(path, begin);
  fs::resize_file(path, size);
}

void write_cifar10(const fs::path& where) {
  fs::create_directories(where);
  for (std::uint8_t i = 1; i <= 5; ++i)
    write_batch(where / ("data_batch_" + std::to_string(i) + ".bin"), record({i}, i, 20, 30));
  write_batch(where / "test_batch.bin", record({9}, 90, 91, 92) + record({8}, 80, 81, 82));
}

std::string message10(const fs::path& folder) {
  return complaint_of([&] { load_cifar10(folder); });
}

std::string message100(const fs::path& folder) {
  return complaint_of([&] { load_cifar100(folder, Cifar100Labels::fine); });
}

TEST_CASE("cifar10: a made set, from either folder") {
  const Folder folder;
  CHECK_FALSE(cifar10_present(folder.path()));
  write_cifar10(folder / "cifar-10-batches-bin");
  CHECK(cifar10_present(folder.path()));
  const Dataset data = load_cifar10(folder.path());
  CHECK(data.name == "cifar10");
  CHECK(data.classes == 10);
  CHECK(data.shape == ExampleShape{3, 32, 32});
  CHECK(data.description ==
        "CIFAR-10, 50,000 train and 10,000 test images, from " + (folder / "cifar-10-batches-bin").string());
  REQUIRE(data.train.size() == 50000);
  REQUIRE(data.test.size() == 10000);
  CHECK(data.train.pixels.size() == 50000 * image_bytes);
  CHECK(data.test.pixels.size() == 10000 * image_bytes);
  for (std::size_t batch = 0; batch < 5; ++batch) {
    const std::size_t first = batch * 10000 * image_bytes;
    CHECK(data.train.labels[batch * 10000] == batch + 1);
    CHECK(data.train.labels[batch * 10000 + 1] == 0);
    CHECK(data.train.pixels[first] == batch + 1);
    CHECK(data.train.pixels[first + 1024] == 20);
    CHECK(data.train.pixels[first + 3071] == 30);
  }
  CHECK(data.test.labels[0] == 9);
  CHECK(data.test.labels[1] == 8);
  CHECK(data.test.pixels[image_bytes + 3071] == 82);
  CHECK(data.held_out.size() == 0);

  fs::create_directory(folder / "cifar-10");  // the set's own folder is the place, once a file is in it
  CHECK(load_cifar10(folder.path()).train.size() == 50000);
  write(folder / "cifar-10" / "test_batch.bin", {});
  CHECK(cifar10_present(folder.path()));
  CHECK(message10(folder.path()) ==
        (folder / "cifar-10" / "data_batch_1.bin").string() + ": cannot open: No such file or directory");
}

TEST_CASE("cifar10: broken files are named, with the record") {
  const Folder folder;
  const fs::path where = folder / "cifar-10";
  write_cifar10(where);
  const fs::path path = where / "data_batch_3.bin";
  const auto complaint = [&] {
    const std::string text = message10(folder.path());
    return text.rfind(path.string(), 0) == 0 ? text.substr(path.string().size()) : text;
  };
  Bytes begin(17 * 3073);
  write_batch(path, begin + record({10}, 0, 0, 0));
  CHECK(complaint() == ": record 17: label is 10, expected 0 to 9");
  write_batch(path, {}, 30730000 - 3073);
  CHECK(complaint() == ": 9999 records, expected 10000");
  write_batch(path, {}, 30730000 + 3073);
  CHECK(complaint() == ": more than 10000 records");
  write_batch(path, {}, 30730000 - 1);
  CHECK(complaint() == ": ends inside record 9999: 3072 of 3073 bytes");
  write_batch(path, {}, 0);
  CHECK(complaint() == ": is empty");
  fs::remove(path);
  CHECK(complaint() == ": cannot open: No such file or directory");
  fs::create_directory(path);
  CHECK(complaint() == ": not a regular file");
}

TEST_CASE("cifar100: a part of the set says how much of it there is") {
  const Folder folder;
  const fs::path where = folder / "cifar-100-binary";
  fs::create_directory(where);
  CHECK_FALSE(cifar100_present(folder.path()));
  write(where / "train.bin",
        record({11, 19}, 1, 2, 3) + record({15, 29}, 4, 5, 6) + record({19, 99}, 7, 8, 9));
  CHECK(cifar100_present(folder.path()));
  write(where / "test.bin", record({15, 29}, 10, 11, 12));
  const Dataset fine = load_cifar100(folder.path(), Cifar100Labels::fine);
  CHECK(fine.name == "cifar100");
  CHECK(fine.classes == 100);
  CHECK(fine.shape == ExampleShape{3, 32, 32});
  CHECK(fine.description ==
        "CIFAR-100, 3 of 50,000 train and 1 of 10,000 test images, from " + where.string());
  CHECK(fine.train.labels == Bytes{19, 29, 99});
  CHECK(fine.test.labels == Bytes{29});
  REQUIRE(fine.train.pixels.size() == 3 * image_bytes);
  CHECK(fine.train.pixels[image_bytes] == 4);
  CHECK(fine.train.pixels[image_bytes + 1024] == 5);
  CHECK(fine.train.pixels[2 * image_bytes - 1] == 6);
  CHECK(fine.test.pixels.front() == 10);

  const Dataset coarse = load_cifar100(folder.path(), Cifar100Labels::coarse);
  CHECK(coarse.name == "cifar100_coarse");
  CHECK(coarse.classes == 20);
  CHECK(coarse.description ==
        "CIFAR-100, 20 coarse classes, 3 of 50,000 train and 1 of 10,000 test images, "
        "from " +
            where.string());
  CHECK(coarse.train.labels == Bytes{11, 15, 19});
  CHECK(coarse.test.labels == Bytes{15});
  CHECK(coarse.train.pixels == fine.train.pixels);
}

TEST_CASE("cifar100: the complete set, and one image more") {
  const Folder folder;
  const fs::path where = folder / "cifar-100";
  fs::create_directory(where);
  write_batch(where / "train.bin", {}, 50000 * 3074);
  write_batch(where / "test.bin", {}, 10000 * 3074);
  CHECK(load_cifar100(folder.path(), Cifar100Labels::fine).description ==
        "CIFAR-100, 50,000 train and 10,000 test images, from " + where.string());
  write_batch(where / "test.bin", {}, 10001 * 3074);
  CHECK(message100(folder.path()) ==
        (where / "test.bin").string() + ": more than the 10000 records of CIFAR-100");
  write_batch(where / "test.bin", {}, 9999 * 3074);
  CHECK(contains(load_cifar100(folder.path(), Cifar100Labels::fine).description,
                 "CIFAR-100, 50,000 of 50,000 train and 9,999 of 10,000 test images"));
}

TEST_CASE("cifar100: broken files are named, with the record") {
  const Folder folder;
  const fs::path where = folder / "cifar-100";
  fs::create_directory(where);
  const Bytes good = record({3, 7}, 0, 0, 0);
  const auto complaint = [&](const Bytes& train, const Bytes& test) {
    write(where / "train.bin", train);
    write(where / "test.bin", test);
    const std::string text = message100(folder.path());
    return text.rfind(where.string() + "/", 0) == 0 ? text.substr(where.string().size() + 1) : text;
  };
  CHECK(complaint(good, good) == "no error");
  CHECK(complaint(good + record({20, 7}, 0, 0, 0), good) ==
        "train.bin: record 1: coarse label is 20, expected 0 to 19");
  CHECK(complaint(good, record({3, 100}, 0, 0, 0)) ==
        "test.bin: record 0: fine label is 100, expected 0 to 99");
  CHECK(complaint(good, good + record({4, 7}, 0, 0, 0)) ==
        "test.bin: record 1: fine label 7 with coarse label 4, but with 3 before");
  CHECK(complaint(good + Bytes{1, 2}, good) == "train.bin: ends inside record 1: 2 of 3074 bytes");
  CHECK(complaint(good, {}) == "test.bin: is empty");
  fs::remove(where / "train.bin");
  fs::create_directory(where / "train.bin");
  CHECK(message100(folder.path()) == (where / "train.bin").string() + ": not a regular file");
}

std::vector<std::size_t> counts(const Examples& part, std::size_t classes) {
  std::vector<std::size_t> all(classes);
  for (const auto label : part.labels) ++all.at(label);
  return all;
}

std::uint32_t crc_of(const fs::path& path) {
  const Bytes bytes = read(path);
  return static_cast<std::uint32_t>(crc32_z(0, bytes.data(), bytes.size()));
}

TEST_CASE("cifar10: the real set" * doctest::skip(!real_data_at_hand("cifar10"))) {
  const Dataset data = load_cifar10(default_data_folder());
  REQUIRE(data.train.size() == 50000);
  REQUIRE(data.test.size() == 10000);
  CHECK(Bytes(data.train.labels.begin(), data.train.labels.begin() + 5) == Bytes{6, 9, 9, 4, 1});
  CHECK(Bytes(data.test.labels.begin(), data.test.labels.begin() + 5) == Bytes{3, 8, 8, 0, 6});
  CHECK(counts(data.train, 10) == std::vector<std::size_t>(10, 5000));
  CHECK(counts(data.test, 10) == std::vector<std::size_t>(10, 1000));
  // The copy with approximate images says so; the official files have none.
  fs::path where = default_data_folder() / "cifar-10";
  if (!fs::exists(where)) where = default_data_folder() / "cifar-10-batches-bin";
  CHECK(contains(data.description, ", 111 of 60,000 images approximate, ") ==
        (crc_of(where / "test_batch.bin") == 0xefe7901b));

  // Only the files that are this copy's are counted: with another test file, 111 - 25 are left.
  if (crc_of(where / "test_batch.bin") == 0xefe7901b) {
    const Folder folder;
    fs::create_directory(folder / "cifar-10");
    for (const auto& entry : fs::directory_iterator(where))
      fs::create_symlink(entry.path(), folder / "cifar-10" / entry.path().filename());
    fs::remove(folder / "cifar-10" / "test_batch.bin");
    write_batch(folder / "cifar-10" / "test_batch.bin", {});
    CHECK(contains(load_cifar10(folder.path()).description, ", 86 of 60,000 images approximate, "));
  }
}

TEST_CASE("cifar100: the real set" * doctest::skip(!real_data_at_hand("cifar100"))) {
  const Dataset fine = load_cifar100(default_data_folder(), Cifar100Labels::fine);
  const Dataset coarse = load_cifar100(default_data_folder(), Cifar100Labels::coarse);
  const std::size_t train = fine.train.size();
  const std::size_t test = fine.test.size();
  const bool complete = train == 50000 && test == 10000;
  CHECK((complete || (train == 10000 && test == 2500)));
  CHECK(contains(fine.description,
                 complete ? "50,000 train and 10,000 test images"
                          : "CIFAR-100, 10,000 of 50,000 train and 2,500 of 10,000 test images"));
  CHECK(counts(fine.train, 100) == std::vector<std::size_t>(100, train / 100));
  CHECK(counts(fine.test, 100) == std::vector<std::size_t>(100, test / 100));
  CHECK(counts(coarse.train, 20) == std::vector<std::size_t>(20, train / 20));
  CHECK(counts(coarse.test, 20) == std::vector<std::size_t>(20, test / 20));
  CHECK(Bytes(fine.train.labels.begin(), fine.train.labels.begin() + 2) == Bytes{19, 29});
  CHECK(Bytes(coarse.train.labels.begin(), coarse.train.labels.begin() + 2) == Bytes{11, 15});
}

}  // namespace
}  // namespace fedval::harness
