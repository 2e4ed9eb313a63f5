#include "harness/data/registry.hpp"

#include <array>

#include "fedval/error.hpp"
#include "harness/data/cifar.hpp"
#include "harness/data/fedisic2019.hpp"
#include "harness/data/femnist.hpp"
#include "harness/data/mnist.hpp"
#include "harness/data/mnist_writers.hpp"
#include "harness/data/mr.hpp"
#include "harness/data/rendered_digits.hpp"
#include "harness/data/sentences.hpp"
#include "harness/data/sst.hpp"

namespace fedval::harness {
namespace {

using Path = std::filesystem::path;

constexpr std::size_t built_in_train = 12000;
constexpr std::size_t built_in_test = 2000;

bool always(const Path&) { return true; }

constexpr std::array sources{
    DataSource{.name = "mnist",
               .folder = "mnist",
               .what = "MNIST: handwritten digits, 28 x 28, 10 classes",
               .present = mnist_present,
               .load = [](const Path& folder, std::uint64_t) { return load_mnist(folder); },
               .elsewhere = " or the data folder itself"},
    DataSource{.name = "fashion_mnist",
               .folder = "fashion-mnist",
               .what = "Fashion-MNIST: clothes, 28 x 28, 10 classes",
               .present = fashion_mnist_present,
               .load = [](const Path& folder, std::uint64_t) { return load_fashion_mnist(folder); }},
    DataSource{.name = "mnist_writers",
               .folder = "mnist",
               .what = "MNIST digits by writer: the natural partition over 10 classes; it is not FEMNIST",
               .present = mnist_writers_present,
               .load = [](const Path& folder, std::uint64_t) { return load_mnist_writers(folder); },
               .elsewhere = " or the data folder itself"},
    DataSource{.name = "femnist",
               .folder = "femnist",
               .what = "FEMNIST: handwritten digits and letters by writer, 28 x 28, 62 classes",
               .present = femnist_present,
               .load = load_femnist,
               .fetched = false},
    DataSource{.name = "cifar10",
               .folder = "cifar-10",
               .what = "CIFAR-10: colour photographs, 32 x 32, 10 classes",
               .present = cifar10_present,
               .load = [](const Path& folder, std::uint64_t) { return load_cifar10(folder); },
               .elsewhere = " or cifar-10-batches-bin beside it"},
    DataSource{
        .name = "cifar100",
        .folder = "cifar-100",
        .what = "CIFAR-100: colour photographs, 32 x 32, 100 classes",
        .present = cifar100_present,
        .load = [](const Path& folder, std::uint64_t) { return load_cifar100(folder, Cifar100Labels::fine); },
        .elsewhere = " or cifar-100-binary beside it"},
    DataSource{.name = "cifar100_coarse",
               .folder = "cifar-100",
               .what = "CIFAR-100 with its 20 coarse classes",
               .present = cifar100_present,
               .load = [](const Path& folder,
                          std::uint64_t) { return load_cifar100(folder, Cifar100Labels::coarse); },
               .elsewhere = " or cifar-100-binary beside it"},
    DataSource{.name = "fedisic2019",
               .folder = "fedisic2019",
               .what = "FedISIC-2019: skin lesions by centre, 64 x 64, 8 classes",
               .present = fedisic2019_present,
               .load = [](const Path& folder, std::uint64_t) { return load_fedisic2019(folder); },
               .fetched = false},
    DataSource{.name = "mr",
               .folder = "mr",
               .what = "MR: sentences of film reviews, 2 classes",
               .present = mr_present,
               .load = load_mr,
               .elsewhere = " or rt-polaritydata beside it"},
    DataSource{.name = "sst",
               .folder = "sst",
               .what = "SST: sentences of film reviews, 5 classes",
               .present = sst_present,
               .load = [](const Path& folder, std::uint64_t) { return load_sst(folder, false); },
               .elsewhere = " or trees beside it"},
    DataSource{.name = "sst_binary",
               .folder = "sst",
               .what = "SST without its neutral sentences, 2 classes",
               .present = sst_present,
               .load = [](const Path& folder, std::uint64_t) { return load_sst(folder, true); },
               .elsewhere = " or trees beside it"},
    DataSource{
        .name = "digits",
        .folder = "",
        .what = "rendered digits, built in, 28 x 28, 10 classes; they are not MNIST",
        .present = always,
        .load = [](const Path&,
                   std::uint64_t seed) { return rendered_digits(seed, built_in_train, built_in_test); },
        .fetched = false},
    DataSource{.name = "sentences",
               .folder = "",
               .what = "made sentences of praise and blame, built in, 2 classes; they are no corpus",
               .present = always,
               .load = [](const Path&,
                          std::uint64_t seed) { return made_sentences(seed, built_in_train, built_in_test); },
               .fetched = false},
};

[[noreturn]] void missing(const DataSource& source, const Path& folder) {
  const std::string name(source.name);
  fail("data: no file of ", name, " in ", (folder / source.folder).string(), source.elsewhere, "; ",
       source.fetched ? "\"harness fetch " + name + "\" gets it"
                      : "docs/data/" + name + ".md says how to get it",
       "; \"digits\" and \"sentences\" need no files");
}

}  // namespace

std::span<const DataSource> data_sources() { return sources; }

std::vector<std::string_view> dataset_names() {
  std::vector<std::string_view> names;
  names.reserve(sources.size() + 1);
  for (const DataSource& source : sources) names.push_back(source.name);
  names.push_back("auto");
  return names;
}

std::string automatic_set(const Path& folder) { return mnist_present(folder) ? "mnist" : "digits"; }

Dataset load_dataset(std::string_view set, const Path& folder, std::uint64_t seed) {
  const std::string automatic = set == "auto" ? automatic_set(folder) : "";
  if (set == "auto") set = automatic;
  for (const DataSource& source : sources) {
    if (source.name != set) continue;
    if (!source.present(folder)) missing(source, folder);
    return source.load(folder, seed);
  }
  std::string known;
  for (const std::string_view name : dataset_names())
    known += (known.empty() ? "" : ", ") + std::string(name);
  fail("data: no data set is called \"", set, "\"; known are ", known);
}

}  // namespace fedval::harness
