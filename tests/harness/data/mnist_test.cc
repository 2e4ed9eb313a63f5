// MNIST: broken and half sets in small folders, and the real one where it is at hand.
#include "harness/data/mnist.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "harness/data/data_folder.hpp"
#include "tests/harness/data/files.hpp"
#include "tests/harness/data/real_data.hpp"

namespace fedval::harness {
namespace {

using namespace test_files;

std::string message(const std::filesystem::path& folder) {
  return complaint_of([&] { load_mnist(folder); });
}

// A training part of the right or a wrong shape; zeros, so it packs to nothing.
void write_train(const std::filesystem::path& where, std::size_t images, std::size_t labels, std::size_t side,
                 std::uint8_t last_label = 0) {
  Bytes values(labels);
  values.back() = last_label;
  write_mnist_part(where, "train", images, values, side);
}

TEST_CASE("mnist: the data folder comes from the environment, in order") {
  const std::array names{"FEDVAL_DATA", "XDG_CACHE_HOME", "HOME"};
  std::map<std::string, std::string> before;
  for (const char* name : names)
    if (const char* value = getenv(name)) before[name] = value;

  setenv("FEDVAL_DATA", "/a", 1);
  setenv("XDG_CACHE_HOME", "/b", 1);
  setenv("HOME", "/c", 1);
  CHECK(default_data_folder() == "/a");
  setenv("FEDVAL_DATA", "", 1);
  CHECK(default_data_folder() == "/b/fedval/data");
  unsetenv("XDG_CACHE_HOME");
  CHECK(default_data_folder() == "/c/.cache/fedval/data");
  unsetenv("HOME");
  CHECK_THROWS_AS(default_data_folder(), Error);

  for (const char* name : names) {
    unsetenv(name);
    if (before.contains(name)) setenv(name, before[name].c_str(), 1);
  }
}

TEST_CASE("mnist: present as soon as one file is there") {
  for (const char* name : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz",
                           "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte"}) {
    CAPTURE(name);
    const Folder folder;
    CHECK_FALSE(mnist_present(folder.path()));
    write(folder / name, {});
    CHECK(mnist_present(folder.path()));
    std::filesystem::create_directory(folder / "mnist");
    CHECK_FALSE(mnist_present(folder.path()));  // the set's own folder is the place, once it exists
    write(folder / "mnist" / name, {});
    CHECK(mnist_present(folder.path()));
  }
  CHECK_FALSE(mnist_present("/no/such/folder"));
}

TEST_CASE("mnist: a missing file is named with the place") {
  const Folder folder;
  CHECK(message(folder.path()) ==
        "mnist: train-images-idx3-ubyte (or train-images-idx3-ubyte.gz) is not in " + folder.path().string());
  std::filesystem::create_directory(folder / "mnist");
  write_train(folder / "mnist", 60000, 60000, 28);
  CHECK(message(folder.path()) == "mnist: t10k-images-idx3-ubyte (or t10k-images-idx3-ubyte.gz) is not in " +
                                      (folder / "mnist").string());
}

TEST_CASE("mnist: wrong sizes, counts and labels are named") {
  const Folder folder;
  write_train(folder.path(), 3, 3, 27);
  CHECK(contains(message(folder.path()), "images-idx3-ubyte.gz: images of 27 x 27, expected 28 x 28"));
  write_train(folder.path(), 3, 4, 28);
  CHECK(contains(message(folder.path()), "images-idx3-ubyte.gz: 3 images, but"));
  CHECK(contains(message(folder.path()), "labels-idx1-ubyte has 4 labels"));
  write_train(folder.path(), 3, 3, 28);
  CHECK(contains(message(folder.path()), "images-idx3-ubyte.gz: 3 images, expected 60000"));
  // What is too large is refused by its header, before the values that are not there.
  write(folder / "train-images-idx3-ubyte", idx_bytes({13000000, 28, 28}, {}));
  CHECK(contains(message(folder.path()), "images-idx3-ubyte: 13000000 images, expected 60000"));
  write(folder / "train-images-idx3-ubyte", idx_bytes({3, 60000, 60000}, {}));
  CHECK(contains(message(folder.path()), "images-idx3-ubyte: images of 60000 x 60000, expected 28 x 28"));
  std::filesystem::remove(folder / "train-images-idx3-ubyte");
  write(folder / "train-labels-idx1-ubyte", idx_bytes({4000000000}, {}));
  CHECK(contains(message(folder.path()), "labels-idx1-ubyte has 4000000000 labels"));
  write_train(folder.path(), 60000, 60000, 28, 10);
  CHECK(contains(message(folder.path()), "labels-idx1-ubyte: label 59999 is 10, expected 0 to 9"));
  write(folder / "train-labels-idx1-ubyte", idx_bytes({1, 1}, {0}));
  CHECK(contains(message(folder.path()), "magic number 0x00000802, expected 0x00000801"));
}

TEST_CASE("mnist: the real set" * doctest::skip(!real_data_at_hand("mnist"))) {
  const Dataset data = load_mnist(default_data_folder());
  CHECK(data.name == "mnist");
  CHECK(data.classes == 10);
  CHECK(data.description ==
        "MNIST, 60,000 train and 10,000 test images, from " + mnist_place(default_data_folder()).string());
  CHECK(data.train.owners.empty());
  CHECK(data.owner_names.empty());
  const auto counts = [](const Examples& set) {
    std::vector<std::size_t> all(10);
    for (const auto label : set.labels) ++all[label];
    return all;
  };
  const auto first = [](const Examples& set) { return Bytes(set.labels.begin(), set.labels.begin() + 5); };
  CHECK(data.train.size() == 60000);
  CHECK(data.test.size() == 10000);
  CHECK(data.shape == ExampleShape{1, 28, 28});
  for (const Examples* set : {&data.train, &data.test}) {
    CHECK(set->pixels.size() == set->size() * 28 * 28);
    CHECK(*std::max_element(set->pixels.begin(), set->pixels.end()) == 255);
  }
  CHECK(first(data.train) == Bytes{5, 0, 4, 1, 9});
  CHECK(first(data.test) == Bytes{7, 2, 1, 0, 4});
  CHECK(counts(data.train) ==
        std::vector<std::size_t>{5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949});
  CHECK(counts(data.test) == std::vector<std::size_t>{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009});
}

}  // namespace
}  // namespace fedval::harness
