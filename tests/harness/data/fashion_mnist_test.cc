// Fashion-MNIST: its own folder, its own name in errors, and the real set where it is at hand.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "harness/data/data_folder.hpp"
#include "harness/data/mnist.hpp"
#include "tests/harness/data/files.hpp"
#include "tests/harness/data/real_data.hpp"

namespace fedval::harness {
namespace {

using namespace test_files;

TEST_CASE("fashion_mnist: its files are those in its own folder, never MNIST's") {
  const Folder folder;
  for (const auto& where : {folder.path(), folder / "mnist"}) {
    std::filesystem::create_directory(where);
    write(where / "train-images-idx3-ubyte", {});
    CHECK_FALSE(fashion_mnist_present(folder.path()));
  }
  const std::filesystem::path own = folder / "fashion-mnist";
  std::filesystem::create_directory(own);
  CHECK_FALSE(fashion_mnist_present(folder.path()));
  write(own / "t10k-labels-idx1-ubyte.gz", {});
  CHECK(fashion_mnist_present(folder.path()));
  CHECK(complaint_of([&] { load_fashion_mnist(folder.path()); }) ==
        "fashion_mnist: train-images-idx3-ubyte (or train-images-idx3-ubyte.gz) is not in " + own.string());
}

TEST_CASE("fashion_mnist: a made set of the right shape") {
  const Folder folder;
  const std::filesystem::path own = folder / "fashion-mnist";
  std::filesystem::create_directory(own);
  Bytes train(60000), test(10000);
  train[1] = 9;
  test.back() = 3;
  write_mnist_part(own, "train", 60000, train);
  write_mnist_part(own, "t10k", 10000, test);
  const Dataset data = load_fashion_mnist(folder.path());
  CHECK(data.name == "fashion_mnist");
  CHECK(data.description == "Fashion-MNIST, 60,000 train and 10,000 test images, from " + own.string());
  CHECK(data.classes == 10);
  CHECK(data.shape == ExampleShape{1, 28, 28});
  CHECK(data.train.labels == train);
  CHECK(data.test.labels == test);
  CHECK(data.train.pixels.size() == 60000 * 28 * 28);
  CHECK(data.held_out.size() == 0);

  write_mnist_part(own, "t10k", 9999, Bytes(9999));
  CHECK(contains(complaint_of([&] { load_fashion_mnist(folder.path()); }), "9999 images, expected 10000"));
}

TEST_CASE("fashion_mnist: the real set" * doctest::skip(!real_data_at_hand("fashion_mnist"))) {
  const Dataset data = load_fashion_mnist(default_data_folder());
  for (const Examples* part : {&data.train, &data.test})
    for (int label = 0; label < 10; ++label)
      CHECK(std::count(part->labels.begin(), part->labels.end(), label) ==
            static_cast<std::ptrdiff_t>(part->size() / 10));
}

}  // namespace
}  // namespace fedval::harness
