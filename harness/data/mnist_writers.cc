#include "harness/data/mnist_writers.hpp"

#include <algorithm>
#include <string>

#include "fedval/error.hpp"
#include "harness/data/describe.hpp"
#include "harness/data/idx.hpp"
#include "harness/data/input_file.hpp"
#include "harness/data/mnist.hpp"
#include "harness/data/name_owners.hpp"

namespace fedval::harness {
namespace {

namespace fs = std::filesystem;

constexpr const char* train_file = "qmnist-train-labels-idx2-int";
constexpr const char* test_file = "qmnist-test-labels-idx2-int";
constexpr std::size_t most_test_rows = 60000;  // QMNIST has 50,000 digits more than MNIST
constexpr std::size_t columns = 8;
constexpr std::size_t writer_column = 2;

// Makes NIST's number of its writer the owner of each example. The file may go on after them to `most_rows`.
void read_writers(const fs::path& path, std::size_t most_rows, Examples& part) {
  const Idx table = read_idx<std::int32_t>(path, 2, [&](const auto& shape) {
    const std::size_t rows = shape[0], least_rows = part.size();
    if (shape[1] != columns) fail(path.string(), ": rows of ", shape[1], " numbers, expected ", columns);
    const char* bound = least_rows == most_rows ? "" : rows < least_rows ? "at least " : "at most ";
    if (rows < least_rows || rows > most_rows)
      fail(path.string(), ": ", rows, " rows, expected ", bound, rows < least_rows ? least_rows : most_rows);
  });
  for (std::size_t row = 0; row < part.size(); ++row) {
    const std::int32_t label = table.values[row * columns];
    const std::int32_t writer = table.values[row * columns + writer_column];
    if (label != part.labels[row])
      fail(path.string(), ": row ", row, ": digit ", label, ", but MNIST's label is ", int{part.labels[row]});
    if (writer < 0) fail(path.string(), ": row ", row, ": writer ", writer, ", expected 0 or more");
    part.owners.push_back(static_cast<std::uint32_t>(writer));
  }
}

}  // namespace

bool mnist_writers_present(const fs::path& folder) {
  const fs::path where = mnist_place(folder);
  return find_plain_or_gzip(where, train_file) || find_plain_or_gzip(where, test_file);
}

Dataset load_mnist_writers(const fs::path& folder) {
  const fs::path where = mnist_place(folder);
  Dataset data = load_mnist(folder);
  data.name = "mnist_writers";
  read_writers(require_plain_or_gzip(data.name, where, train_file), data.train.size(), data.train);
  read_writers(require_plain_or_gzip(data.name, where, test_file), most_test_rows, data.test);
  name_owners(data, [](std::uint32_t id) { return "writer " + std::to_string(id); });

  const std::size_t training = *std::max_element(data.train.owners.begin(), data.train.owners.end()) + 1;
  data.description = "MNIST digits by writer, " + image_counts(data.train.size(), data.test.size()) + ", " +
                     grouped(training) + " writers in train and " +
                     grouped(data.owner_names.size() - training) +
                     " others in test; it is not FEMNIST; from " + where.string();
  return data;
}

}  // namespace fedval::harness
