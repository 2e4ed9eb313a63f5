// Data sets by name: what each name needs, and what it says when that is not there.
#include "harness/data/registry.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "fedval/error.hpp"
#include "harness/data/rendered_digits.hpp"
#include "tests/harness/data/files.hpp"

namespace fedval::harness {
namespace {

using namespace test_files;

std::string message(const std::string& set, const std::filesystem::path& folder) {
  try {
    load_dataset(set, folder, 1);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST_CASE("registry: digits need no files") {
  const Dataset data = load_dataset("digits", "/no/such/folder", 3);
  CHECK(data.name == "digits");
  CHECK(data.train.size() == 12000);
  CHECK(data.test.size() == 2000);
  const Dataset small = rendered_digits(3, 10, 10);
  CHECK(std::equal(small.train.pixels.begin(), small.train.pixels.end(), data.train.pixels.begin()));
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

TEST_CASE("registry: mnist without files says where it looked and what needs none") {
  const Folder folder;
  CHECK(message("mnist", folder.path()) == "data: no MNIST file in " + (folder / "mnist").string() + " or " +
                                               folder.path().string() +
                                               "; set = \"digits\" or \"auto\" needs no files");
}

TEST_CASE("registry: an unknown name lists the known ones") {
  CHECK(dataset_names() == std::vector<std::string>{"mnist", "digits", "auto"});
  CHECK(message("minst", ".") == "data: no data set is called \"minst\"; known are mnist, digits, auto");
}

}  // namespace
}  // namespace fedval::harness
