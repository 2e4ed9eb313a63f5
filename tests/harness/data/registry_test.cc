// Data sets by name: what each name needs, and what it says when that is not there.
#include "harness/data/registry.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>

#include "harness/data/rendered_digits.hpp"
#include "tests/harness/data/files.hpp"

namespace fedval::harness {
namespace {

using namespace test_files;

std::string message(const std::string& set, const std::filesystem::path& folder) {
  return complaint_of([&] { load_dataset(set, folder, 1); });
}

TEST_CASE("registry: digits need no files") {
  const Dataset data = load_dataset("digits", "/no/such/folder", 3);
  CHECK(data.name == "digits");
  CHECK(data.train.size() == 12000);
  CHECK(data.test.size() == 2000);
  const Dataset small = rendered_digits(3, 10, 10);
  CHECK(std::equal(small.train.pixels.begin(), small.train.pixels.end(), data.train.pixels.begin()));
}

TEST_CASE("registry: made sentences need no files, and the seed is theirs") {
  const Dataset data = load_dataset("sentences", "", 3);
  CHECK(data.name == "sentences");
  CHECK(data.train.size() == 12000);
  CHECK(data.test.size() == 2000);
  CHECK(data.train.tokens != load_dataset("sentences", "", 4).train.tokens);
}

TEST_CASE("registry: auto falls back on digits only where no file is") {
  const Folder folder;
  const Dataset data = load_dataset("auto", folder.path(), 4);
  CHECK(data.name == "digits");
  CHECK(data.description.find("seed 4") != std::string::npos);
  CHECK(data.description.find("NOT MNIST") != std::string::npos);
  write(folder / "t10k-labels-idx1-ubyte", {});
  CHECK(message("auto", folder.path()).find("is not in " + folder.path().string()) != std::string::npos);
}

TEST_CASE("registry: a set without files says where it looked and how to get it") {
  const Folder folder;
  const std::string in = "data: no file of ";
  const std::string end = "; \"digits\" and \"sentences\" need no files";
  CHECK(message("mnist", folder.path()) == in + "mnist in " + (folder / "mnist").string() +
                                               " or the data folder itself; \"harness fetch mnist\" gets it" +
                                               end);
  CHECK(message("cifar100_coarse", folder.path()) ==
        in + "cifar100_coarse in " + (folder / "cifar-100").string() +
            " or cifar-100-binary beside it; \"harness fetch cifar100_coarse\" gets it" + end);
  CHECK(message("femnist", folder.path()) == in + "femnist in " + (folder / "femnist").string() +
                                                 "; docs/data/femnist.md says how to get it" + end);
  const std::set<std::string_view> fetched{"mnist",   "fashion_mnist", "mnist_writers",
                                           "cifar10", "cifar100",      "cifar100_coarse",
                                           "mr",      "sst",           "sst_binary"};
  for (const DataSource& source : data_sources()) {
    CAPTURE(source.name);
    const std::string name(source.name);
    CHECK(source.fetched == fetched.contains(source.name));
    CHECK(source.present(folder.path()) == source.folder.empty());
    if (source.folder.empty()) continue;
    CHECK(contains(message(name, folder.path()),
                   in + name + " in " + (folder / std::string(source.folder)).string()));
    CHECK(contains(message(name, folder.path()), "\"harness fetch " + name + "\"") == source.fetched);
  }
}

// A folder with an empty file of each set: each loader is the one of its name, and reads its own folder.
TEST_CASE("registry: each name leads to the files of its set") {
  const Folder folder;
  const auto check = [&](const std::string& set, const std::string& file) {
    CAPTURE(set);
    std::filesystem::create_directories((folder / file).parent_path());
    write(folder / file, {});
    CHECK(message(set, folder.path()).find((folder / file).parent_path().string()) != std::string::npos);
    CHECK_FALSE(contains(message(set, folder.path()), "data: "));
  };
  check("fashion_mnist", "fashion-mnist/train-images-idx3-ubyte");
  check("mnist", "mnist/train-images-idx3-ubyte");
  check("mnist_writers", "mnist/qmnist-train-labels-idx2-int");
  check("femnist", "femnist/train/a.json");
  check("cifar10", "cifar-10/data_batch_1.bin");
  check("cifar100", "cifar-100/train.bin");
  check("cifar100_coarse", "cifar-100/train.bin");
  check("fedisic2019", "fedisic2019/fedisic_64x64.bin");
  check("mr", "mr/rt-polarity.neg");
  check("sst", "sst/train.txt");
  check("sst_binary", "sst/train.txt");
}

TEST_CASE("registry: an empty folder of a set does not hide the one beside it that has files") {
  const auto check = [](const std::string& set, const std::string& empty, const std::string& file) {
    CAPTURE(set);
    const Folder folder;
    std::filesystem::create_directories(folder / empty);
    std::filesystem::create_directories((folder / file).parent_path());
    write(folder / file, {});
    CHECK(contains(message(set, folder.path()), (folder / file).parent_path().string()));
    CHECK_FALSE(contains(message(set, folder.path()), "data: "));
  };
  check("cifar10", "cifar-10", "cifar-10-batches-bin/test_batch.bin");
  check("cifar100", "cifar-100", "cifar-100-binary/test.bin");
  check("mr", "mr", "rt-polaritydata/rt-polarity.pos");
  check("sst", "sst", "trees/dev.txt");
}

TEST_CASE("registry: a set in the file gives a data set of its name") {
  const Folder folder;
  std::filesystem::create_directory(folder / "cifar-100");
  for (const char* name : {"train.bin", "test.bin"}) write(folder / "cifar-100" / name, Bytes(3074));
  for (const char* set : {"cifar100", "cifar100_coarse"})
    CHECK(load_dataset(set, folder.path(), 1).name == set);
  std::filesystem::create_directory(folder / "sst");
  const std::string trees = "(0 (2 bad) (2 film))\n(4 (2 good) (2 film))\n";
  for (const char* name : {"train.txt", "dev.txt", "test.txt"})
    write(folder / "sst" / name, Bytes(trees.begin(), trees.end()));
  for (const char* set : {"sst", "sst_binary"}) CHECK(load_dataset(set, folder.path(), 1).name == set);
}

TEST_CASE("registry: an unknown name lists the known ones") {
  CHECK(dataset_names() == std::vector<std::string_view>{"mnist", "fashion_mnist", "mnist_writers", "femnist",
                                                         "cifar10", "cifar100", "cifar100_coarse",
                                                         "fedisic2019", "mr", "sst", "sst_binary", "digits",
                                                         "sentences", "auto"});
  CHECK(message("minst", ".") ==
        "data: no data set is called \"minst\"; known are mnist, fashion_mnist, mnist_writers, femnist, "
        "cifar10, "
        "cifar100, cifar100_coarse, fedisic2019, mr, sst, sst_binary, digits, sentences, auto");
}

}  // namespace
}  // namespace fedval::harness
