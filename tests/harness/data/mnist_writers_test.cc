// MNIST by writer: tables of writers that do not fit MNIST's labels, and the real set where it is at hand.
#include "harness/data/mnist_writers.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "harness/data/data_folder.hpp"
#include "tests/harness/data/files.hpp"
#include "tests/harness/data/real_data.hpp"

namespace fedval::harness {
namespace {

using namespace test_files;
using Table = std::vector<std::int32_t>;

constexpr const char* train_file = "qmnist-train-labels-idx2-int";
constexpr const char* test_file = "qmnist-test-labels-idx2-int.gz";

Bytes labels_of(std::size_t rows) {
  Bytes labels(rows);
  for (std::size_t i = 0; i < rows; ++i) labels[i] = static_cast<std::uint8_t>(i * i % 10);
  return labels;
}

// Rows whose digit is right; the writer of row i is writer(i), and no other column means anything.
template <class Writer>
Table table_of(std::size_t rows, Writer writer) {
  Table table;
  for (std::size_t i = 0; i < rows; ++i)
    for (int column = 0; column < 8; ++column)
      table.push_back(column == 0   ? static_cast<std::int32_t>(i * i % 10)
                      : column == 2 ? static_cast<std::int32_t>(writer(i))
                                    : 100 + column);
  return table;
}

// MNIST's four files, whose pixels are all zero.
void write_mnist(const std::filesystem::path& where) {
  write_mnist_part(where, "train", 60000, labels_of(60000));
  write_mnist_part(where, "t10k", 10000, labels_of(10000));
}

TEST_CASE("mnist_writers: a made set, with more rows of test than MNIST has images") {
  const Folder folder;
  write_mnist(folder.path());
  CHECK_FALSE(mnist_writers_present(folder.path()));
  write(folder / train_file, idx_int_bytes({60000, 8}, table_of(60000, [](auto i) { return 500 + i % 7; })));
  CHECK(mnist_writers_present(folder.path()));
  CHECK(complaint_of([&] { load_mnist_writers(folder.path()); }) ==
        "mnist_writers: qmnist-test-labels-idx2-int (or qmnist-test-labels-idx2-int.gz) is not in " +
            folder.path().string());
  write_gzip(folder / test_file,
             idx_int_bytes({10002, 8}, table_of(10002, [](auto i) { return 505 - i % 8; })));
  const Dataset data = load_mnist_writers(folder.path());
  CHECK(data.name == "mnist_writers");
  CHECK(data.description ==
        "MNIST digits by writer, 60,000 train and 10,000 test images, 7 writers in train "
        "and 2 others in test; it is not FEMNIST; from " +
            folder.path().string());
  CHECK(data.owner_names == std::vector<std::string>{"writer 500", "writer 501", "writer 502", "writer 503",
                                                     "writer 504", "writer 505", "writer 506", "writer 498",
                                                     "writer 499"});
  REQUIRE(data.train.owners.size() == 60000);
  REQUIRE(data.test.owners.size() == 10000);
  for (std::size_t i = 0; i < 60000; ++i) REQUIRE(data.train.owners[i] == i % 7);
  const std::vector<std::uint32_t> first{5, 4, 3, 2, 1, 0, 8, 7};
  for (std::size_t i = 0; i < 10000; ++i) REQUIRE(data.test.owners[i] == first[i % 8]);
}

TEST_CASE("mnist_writers: tables that do not fit") {
  const Folder folder;
  std::filesystem::create_directory(folder / "mnist");
  const std::filesystem::path where = folder / "mnist";
  write_mnist(where);
  const auto complaint = [&](const Bytes& train, const Bytes& test) {
    write_gzip(where / (std::string(train_file) + ".gz"), train);
    write_gzip(where / test_file, test);
    const std::string text = complaint_of([&] { load_mnist_writers(folder.path()); });
    return text.rfind(where.string() + "/qmnist-", 0) == 0 ? text.substr(where.string().size() + 8) : text;
  };
  const auto one = [](auto) { return 1; };
  const Table good = table_of(60000, one);
  const Bytes train = idx_int_bytes({60000, 8}, good);
  const Bytes test = idx_int_bytes({10000, 8}, table_of(10000, one));
  CHECK(complaint(train, test) == "no error");

  CHECK(complaint(idx_int_bytes({59999, 8}, table_of(59999, one)), test) ==
        "train-labels-idx2-int.gz: 59999 rows, expected 60000");
  CHECK(complaint(idx_int_bytes({60001, 8}, table_of(60001, one)), test) ==
        "train-labels-idx2-int.gz: 60001 rows, expected 60000");
  CHECK(complaint(train, idx_int_bytes({9999, 8}, table_of(9999, one))) ==
        "test-labels-idx2-int.gz: 9999 rows, expected at least 10000");
  CHECK(complaint(idx_int_bytes({120000, 4}, good), test) ==
        "train-labels-idx2-int.gz: rows of 4 numbers, expected 8");
  CHECK(complaint(train, idx_int_bytes({60001, 8}, {})) ==
        "test-labels-idx2-int.gz: 60001 rows, expected at most 60000");
  CHECK(complaint(idx_bytes({60000, 8}, Bytes(480000)), test) ==
        "train-labels-idx2-int.gz: magic number 0x00000802, expected 0x00000c02");
  Table bad = good;
  bad[59999 * 8] = 7;
  CHECK(complaint(idx_int_bytes({60000, 8}, bad), test) ==
        "train-labels-idx2-int.gz: row 59999: digit 7, but MNIST's label is 1");
  bad = table_of(10000, one);
  bad[17 * 8 + 2] = -1;
  CHECK(complaint(train, idx_int_bytes({10000, 8}, bad)) ==
        "test-labels-idx2-int.gz: row 17: writer -1, expected 0 or more");

  write(where / test_file, {});
  CHECK(contains(complaint_of([&] { load_mnist_writers(folder.path()); }), "ends inside the idx header"));
  write_gzip(where / test_file, test);
  Bytes cut = read(where / test_file);
  cut.resize(cut.size() / 2);
  write(where / test_file, cut);
  CHECK(contains(complaint_of([&] { load_mnist_writers(folder.path()); }), "truncated gzip"));
  std::filesystem::remove(where / test_file);
  std::filesystem::create_directory(where / test_file);
  CHECK(contains(complaint_of([&] { load_mnist_writers(folder.path()); }), ".gz: cannot read"));
  std::filesystem::remove(where / "t10k-labels-idx1-ubyte");
  CHECK(contains(complaint_of([&] { load_mnist_writers(folder.path()); }),
                 "t10k-labels-idx1-ubyte.gz) is not in"));
}

TEST_CASE("mnist_writers: the real set" * doctest::skip(!real_data_at_hand("mnist_writers"))) {
  const Dataset data = load_mnist_writers(default_data_folder());
  CHECK(contains(data.description, "539 writers in train and 297 others in test; it is not FEMNIST"));
  REQUIRE(data.owner_names.size() == 836);
  CHECK(data.owner_names[0] == "writer 0");
  CHECK(data.owner_names[538] == "writer 2349");
  CHECK(data.owner_names[539] == "writer 326");
  CHECK(data.owner_names[835] == "writer 2599");
  CHECK(data.owner_names[data.train.owners[0]] == "writer 2154");
  CHECK(data.owner_names[data.train.owners[2]] == "writer 2232");
  CHECK(data.owner_names[data.test.owners[0]] == "writer 2578");
  std::vector<std::size_t> counts(539), others(836);
  for (const auto owner : data.train.owners) ++counts.at(owner);
  CHECK(counts[0] == 104);
  for (const auto owner : data.test.owners) ++others.at(owner);
  CHECK(std::all_of(others.begin(), others.begin() + 539, [](auto n) { return n == 0; }));
  CHECK(std::all_of(others.begin() + 539, others.end(), [](auto n) { return n >= 8 && n <= 130; }));
  std::sort(counts.begin(), counts.end());
  CHECK(counts.front() == 19);
  CHECK(counts[269] == 116);
  CHECK(counts.back() == 131);
}

}  // namespace
}  // namespace fedval::harness
