#include "harness/data/mnist.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "fedval/error.hpp"
#include "harness/data/describe.hpp"
#include "harness/data/idx.hpp"
#include "harness/data/input_file.hpp"

namespace fedval::harness {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t side = 28;
constexpr std::size_t classes = 10;

fs::path fashion_place(const fs::path& folder) { return folder / "fashion-mnist"; }

bool any_file(const fs::path& where) {
  for (const char* name : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                           "t10k-labels-idx1-ubyte"})
    if (find_plain_or_gzip(where, name)) return true;
  return false;
}

Examples load_part(const std::string& set, const fs::path& where, const std::string& part,
                   std::size_t expected) {
  const fs::path images_path = require_plain_or_gzip(set, where, part + "-images-idx3-ubyte");
  const fs::path labels_path = require_plain_or_gzip(set, where, part + "-labels-idx1-ubyte");
  const auto other_count = [&](std::size_t count) {
    fail(images_path.string(), ": ", count, " images, expected ", expected);
  };
  Idx images = read_idx(images_path, 3, [&](const auto& found) {
    if (found[1] != side || found[2] != side)
      fail(images_path.string(), ": images of ", found[1], " x ", found[2], ", expected 28 x 28");
    if (found[0] > expected) other_count(found[0]);
  });
  const std::size_t count = images.shape[0];
  Idx labels = read_idx(labels_path, 1, [&](const auto& found) {
    if (found[0] != count)
      fail(images_path.string(), ": ", count, " images, but ", labels_path.string(), " has ", found[0],
           " labels");
  });
  if (count != expected) other_count(count);
  const auto bad =
      std::find_if(labels.values.begin(), labels.values.end(), [](auto l) { return l >= classes; });
  if (bad != labels.values.end())
    fail(labels_path.string(), ": label ", bad - labels.values.begin(), " is ", int{*bad},
         ", expected 0 to 9");
  return {.pixels = std::move(images.values), .labels = std::move(labels.values)};
}

Dataset load(const std::string& name, const std::string& title, const fs::path& where) {
  Dataset data{.name = name,
               .description = title + ", " + image_counts(60000, 10000) + ", from " + where.string(),
               .classes = classes,
               .shape = {1, side, side}};
  data.train = load_part(name, where, "train", 60000);
  data.test = load_part(name, where, "t10k", 10000);
  return data;
}

}  // namespace

fs::path mnist_place(const fs::path& folder) {
  const fs::path own = folder / "mnist";
  return is_there(own) ? own : folder;
}

bool mnist_present(const fs::path& folder) { return any_file(mnist_place(folder)); }
bool fashion_mnist_present(const fs::path& folder) { return any_file(fashion_place(folder)); }

Dataset load_mnist(const fs::path& folder) { return load("mnist", "MNIST", mnist_place(folder)); }
Dataset load_fashion_mnist(const fs::path& folder) {
  return load("fashion_mnist", "Fashion-MNIST", fashion_place(folder));
}

}  // namespace fedval::harness
