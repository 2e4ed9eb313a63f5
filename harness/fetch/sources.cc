#include "harness/fetch/sources.hpp"

#include "fedval/error.hpp"

namespace fedval::harness {
namespace {

// Remotes whose names here are their names there.
std::vector<Remote> remotes(const std::string& place, std::vector<Remote> files) {
  for (auto& file : files) file.address = place + file.file;
  return files;
}

Source mnist() {
  return {.name = "mnist",
          .folder = "mnist",
          .remotes = remotes(
              "https://ossci-datasets.s3.amazonaws.com/mnist/",
              {{.address = {},
                .file = "train-images-idx3-ubyte.gz",
                .size = 9912422,
                .digest = "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"},
               {.address = {},
                .file = "train-labels-idx1-ubyte.gz",
                .size = 28881,
                .digest = "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"},
               {.address = {},
                .file = "t10k-images-idx3-ubyte.gz",
                .size = 1648877,
                .digest = "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"},
               {.address = {},
                .file = "t10k-labels-idx1-ubyte.gz",
                .size = 4542,
                .digest = "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"}})};
}

// QMNIST's labels say who wrote each of MNIST's digits.
Source mnist_writers() {
  Source source = mnist();
  source.name = "mnist_writers";
  for (const auto& remote :
       remotes("https://raw.githubusercontent.com/facebookresearch/qmnist/master/",
               {{.address = {},
               .file = "qmnist-train-labels-idx2-int.gz",
               .size = 463024,
               .digest = "sha256:2c05dc77f6b916b38e455e97ab129a42a444f3dbef09b278a366f82904e0dd9f"},
                {.address = {},
                .file = "qmnist-test-labels-idx2-int.gz",
                .size = 526800,
                .digest = "sha256:9fbcbe594c3766fdf4f0b15c5165dc0d1e57ac604e01422608bb72c906030d06"}}))
    source.remotes.push_back(remote);
  return source;
}

// The publisher's server has no https.
Source fashion_mnist() {
  return {.name = "fashion_mnist",
          .folder = "fashion-mnist",
          .remotes = remotes(
              "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
              {{.address = {},
                .file = "train-images-idx3-ubyte.gz",
                .size = 26421880,
                .digest = "sha256:3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"},
               {.address = {},
                .file = "train-labels-idx1-ubyte.gz",
                .size = 29515,
                .digest = "sha256:a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"},
               {.address = {},
                .file = "t10k-images-idx3-ubyte.gz",
                .size = 4422102,
                .digest = "sha256:346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"},
               {.address = {},
                .file = "t10k-labels-idx1-ubyte.gz",
                .size = 5148,
                .digest = "sha256:67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"}})};
}

Source cifar10() {
  return {.name = "cifar10",
          .folder = "cifar-10",
          .remotes = remotes(
              "https://www.cs.toronto.edu/~kriz/",
              {{.address = {},
                .file = "cifar-10-binary.tar.gz",
                .size = 170052171,
                .digest = "sha256:c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"}}),
          .members = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                      "data_batch_5.bin", "test_batch.bin"}};
}

Source cifar100() {
  return {.name = "cifar100",
          .folder = "cifar-100",
          .remotes = remotes(
              "https://www.cs.toronto.edu/~kriz/",
              {{.address = {},
                .file = "cifar-100-binary.tar.gz",
                .size = 168513733,
                .digest = "sha256:58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"}}),
          .members = {"train.bin", "test.bin"}};
}

Source mr() {
  return {.name = "mr",
          .folder = "mr",
          .remotes = remotes("https://www.cs.cornell.edu/people/pabo/movie-review-data/",
                             {{.address = {}, .file = "rt-polaritydata.tar.gz"}}),
          .members = {"rt-polarity.pos", "rt-polarity.neg"}};
}

Source sst() {
  return {.name = "sst",
          .folder = "sst",
          .remotes = remotes(
              "https://nlp.stanford.edu/sentiment/",
              {{.address = {},
                .file = "trainDevTestTrees_PTB.zip",
                .size = 789539,
                .digest = "sha256:5c613a4f673fc74097d523a2c83f38e0cc462984d847b82c7aaf36b01cbbbfcc"}}),
          .members = {"train.txt", "dev.txt", "test.txt"}};
}

std::vector<Source> sources() {
  return {mnist(), mnist_writers(), fashion_mnist(), cifar10(), cifar100(), mr(), sst()};
}

constexpr const char* femnist_by_hand =
    "femnist: no ready file is published, it is made by LEAF (https://github.com/TalwalkarLab/leaf):\n"
    "in its folder data/femnist run ./preprocess.sh -s niid --sf 1.0 -k 0 -t sample; the data is then in "
    "data/train "
    "and data/test there";

constexpr const char* fedisic_by_hand =
    "fedisic2019: its licences must be accepted by hand, and the images that FLamby "
    "(https://github.com/owkin/FLamby) downloads\nbe written into this project's own file, "
    "fedisic2019/fedisic_64x64.bin: docs/data/fedisic2019.md says its form";

}  // namespace

std::vector<std::string> wanted_files(const Source& source) {
  if (!source.members.empty()) return source.members;
  std::vector<std::string> files;
  for (const auto& remote : source.remotes) files.push_back(remote.file);
  return files;
}

std::vector<std::string> source_names() {
  std::vector<std::string> names;
  for (const auto& source : sources()) names.push_back(source.name);
  names.insert(names.end(), {"cifar100_coarse", "sst_binary"});
  return names;
}

Source find_source(const std::string& name) {
  if (name == "cifar100_coarse") return cifar100();
  if (name == "sst_binary") return sst();
  for (const auto& source : sources())
    if (source.name == name) return source;
  if (name == "femnist") fail(femnist_by_hand);
  if (name == "fedisic2019") fail(fedisic_by_hand);
  std::string known;
  for (const auto& one : source_names()) known += (known.empty() ? "" : ", ") + one;
  fail("fetch: no data set is called \"", name, "\"; known are ", known);
}

}  // namespace fedval::harness
