#include "harness/data/registry.hpp"

#include "fedval/error.hpp"
#include "harness/data/mnist.hpp"
#include "harness/data/rendered_digits.hpp"

namespace fedval::harness {
namespace {

Dataset digits(std::uint64_t seed) { return rendered_digits(seed, 12000, 2000); }

Dataset mnist(const std::filesystem::path& folder) {
  if (!mnist_present(folder))
    fail("data: no MNIST file in ", (folder / "mnist").string(), " or ", folder.string(),
         "; set = \"digits\" or \"auto\" needs no files");
  return load_mnist(folder);
}

}  // namespace

std::vector<std::string> dataset_names() { return {"mnist", "digits", "auto"}; }

Dataset load_dataset(const std::string& set, const std::filesystem::path& folder, std::uint64_t seed) {
  if (set == "mnist") return mnist(folder);
  if (set == "digits") return digits(seed);
  if (set == "auto") return mnist_present(folder) ? load_mnist(folder) : digits(seed);
  std::string known;
  for (const auto& name : dataset_names()) known += (known.empty() ? "" : ", ") + name;
  fail("data: no data set is called \"", set, "\"; known are ", known);
}

}  // namespace fedval::harness
