// The table of sources: its form, what it says of sets without a ready file, and the real files where they
// are.
#include "harness/fetch/sources.hpp"

#include <doctest/doctest.h>

#include <set>

#include "harness/data/data_folder.hpp"
#include "harness/fetch/digest.hpp"
#include "tests/harness/fetch/tools.hpp"

namespace fedval::harness {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

const Names mnist_files = {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
                           "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"};

TEST_CASE("sources: the files that the loaders read, and their folders") {
  CHECK(wanted_files(find_source("mnist")) == mnist_files);
  CHECK(wanted_files(find_source("fashion_mnist")) == mnist_files);
  Names with_writers = mnist_files;
  with_writers.insert(with_writers.end(),
                      {"qmnist-train-labels-idx2-int.gz", "qmnist-test-labels-idx2-int.gz"});
  CHECK(wanted_files(find_source("mnist_writers")) == with_writers);
  CHECK(find_source("mnist").folder == find_source("mnist_writers").folder);
  CHECK(wanted_files(find_source("cifar10")).size() == 6);
  for (const char* name : {"cifar100", "cifar100_coarse"})
    CHECK(wanted_files(find_source(name)) == Names{"train.bin", "test.bin"});
  CHECK(wanted_files(find_source("mr")) == Names{"rt-polarity.pos", "rt-polarity.neg"});
  for (const char* name : {"sst", "sst_binary"})
    CHECK(wanted_files(find_source(name)) == Names{"train.txt", "dev.txt", "test.txt"});
}

TEST_CASE("sources: every entry is whole, and only MR lacks a checksum") {
  std::set<std::string> digests;
  for (const auto& name : source_names()) {
    CAPTURE(name);
    const Source source = find_source(name);
    CHECK_FALSE(source.folder.empty());
    CHECK(source.members.empty() == (source.remotes.size() > 1));
    for (const auto& remote : source.remotes) {
      CAPTURE(remote.address);
      CHECK(remote.address.ends_with("/" + remote.file));
      CHECK(remote.address.starts_with(name == "fashion_mnist" ? "http://" : "https://"));
      CHECK((remote.size == 0) == (name == "mr"));
      CHECK(remote.digest.empty() == (name == "mr"));
      if (!remote.digest.empty()) CHECK(digest_function(remote.digest) == "sha256");
      digests.insert(remote.digest);
    }
  }
  CHECK(digests.size() == 4 + 2 + 4 + 1 + 1 + 1 + 1);  // no two files have the same one
}

TEST_CASE("sources: sets without a ready file, and unknown names") {
  CHECK(contains(complaint_of([] { find_source("femnist"); }), "github.com/TalwalkarLab/leaf"));
  for (const char* part : {"github.com/owkin/FLamby", "fedisic_64x64.bin", "docs/data/fedisic2019.md"})
    CHECK(contains(complaint_of([] { find_source("fedisic2019"); }), part));
  CHECK(complaint_of([] { find_source("imagenet"); }) ==
        "fetch: no data set is called \"imagenet\"; known are mnist, mnist_writers, fashion_mnist, cifar10, "
        "cifar100, mr, "
        "sst, cifar100_coarse, sst_binary");
}

bool real_files_at_hand() {
  try {
    return fs::exists(default_data_folder() / "mnist" / "qmnist-train-labels-idx2-int.gz");
  } catch (const Error&) {
    return false;
  }
}

// The MD5 are those that torchvision publishes (torchvision/datasets/mnist.py).
TEST_CASE("sources: the real files of MNIST and its writers" * doctest::skip(!real_files_at_hand())) {
  const Names md5 = {"f68b3c2dcbeaaa9fbdd348bbdeb94873", "d53e105ee54ea40749a09fcbcd1e9432",
                     "9fb629c4189551a2d022fa330f9573f3", "ec29112dd5afa0611ce80d1b7f02629c",
                     "0058f8dd561b90ffdd0f734c6a30e5e4", "5b5b05890a5e13444e108efe57b788aa"};
  const Source source = find_source("mnist_writers");
  REQUIRE(source.remotes.size() == md5.size());
  for (std::size_t i = 0; i < md5.size(); ++i) {
    const Remote& remote = source.remotes[i];
    const fs::path path = default_data_folder() / "mnist" / remote.file;
    if (!fs::exists(path) || digest_of(path, "md5") != "md5:" + md5[i]) {
      MESSAGE("left out, not the published file: ", path.string());
      continue;
    }
    CHECK(fs::file_size(path) == remote.size);
    CHECK(digest_of(path, "sha256") == remote.digest);
  }
}

}  // namespace
}  // namespace fedval::harness
