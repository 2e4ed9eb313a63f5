#include "harness/data/mnist.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "fedval/error.hpp"
#include "harness/data/idx.hpp"

namespace fedval::harness {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t side = 28;
constexpr std::size_t classes = 10;

// Something we may not look at counts as there: opening it then says why it cannot be read.
bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::status(path, ignored).type() != fs::file_type::not_found;
}

fs::path place(const fs::path& folder) {
  const fs::path own = folder / "mnist";
  return is_there(own) ? own : folder;
}

std::optional<fs::path> find(const fs::path& where, const std::string& name) {
  for (const char* ending : {"", ".gz"})
    if (const fs::path path = where / (name + ending); is_there(path)) return path;
  return std::nullopt;
}

fs::path require(const fs::path& where, const std::string& name) {
  const auto path = find(where, name);
  if (!path) fail("mnist: ", name, " (or ", name, ".gz) is not in ", where.string());
  return *path;
}

ImageSet load_part(const fs::path& where, const std::string& part, std::size_t expected) {
  const fs::path images_path = require(where, part + "-images-idx3-ubyte");
  const fs::path labels_path = require(where, part + "-labels-idx1-ubyte");
  Idx images = read_idx(images_path, 3);
  Idx labels = read_idx(labels_path, 1);
  if (images.shape[1] != side || images.shape[2] != side)
    fail(images_path.string(), ": images of ", images.shape[1], " x ", images.shape[2], ", expected 28 x 28");
  if (images.shape[0] != labels.shape[0])
    fail(images_path.string(), ": ", images.shape[0], " images, but ", labels_path.string(), " has ",
         labels.shape[0], " labels");
  if (images.shape[0] != expected)
    fail(images_path.string(), ": ", images.shape[0], " images, expected ", expected);
  const auto bad =
      std::find_if(labels.values.begin(), labels.values.end(), [](auto l) { return l >= classes; });
  if (bad != labels.values.end())
    fail(labels_path.string(), ": label ", bad - labels.values.begin(), " is ", int{*bad},
         ", expected 0 to 9");
  return {std::move(images.values), std::move(labels.values), side, side};
}

}  // namespace

bool mnist_present(const fs::path& folder) {
  const fs::path where = place(folder);
  for (const char* name : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                           "t10k-labels-idx1-ubyte"})
    if (find(where, name)) return true;
  return false;
}

Dataset load_mnist(const fs::path& folder) {
  const fs::path where = place(folder);
  Dataset data{
      "mnist", "MNIST, 60,000 train and 10,000 test images, from " + where.string(), classes, {}, {}};
  data.train = load_part(where, "train", 60000);
  data.test = load_part(where, "t10k", 10000);
  return data;
}

}  // namespace fedval::harness
