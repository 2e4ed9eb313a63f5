// The idx reader on good files, and on files that are cut, damaged or lie about their size.
#include "harness/data/idx.hpp"

#include <doctest/doctest.h>

#include <string>

#include "fedval/error.hpp"
#include "fedval/random/philox.hpp"
#include "tests/harness/data/files.hpp"

namespace fedval::harness {
namespace {

using namespace test_files;

std::string message(const std::filesystem::path& path, std::size_t rank) {
  try {
    read_idx(path, rank);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

const Bytes values = {1, 2, 3, 4, 5, 250};

TEST_CASE("idx: plain and gzip files hold the same values") {
  const Folder folder;
  const Bytes file = idx_bytes({2, 3}, values);
  write(folder / "plain", file);
  write_gzip(folder / "packed", file);
  for (const char* name : {"plain", "packed"}) {
    const Idx idx = read_idx(folder / name, 2);
    CHECK(idx.shape == std::vector<std::size_t>{2, 3});
    CHECK(idx.values == values);
  }
}

TEST_CASE("idx: values beyond one chunk, and random ones") {
  const Folder folder;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    random::Stream draw(seed);
    const std::size_t rows = seed == 1 ? 1200 : draw.below(50);
    const std::size_t columns = seed == 1 ? 1100 : draw.below(50);
    Bytes all(rows * columns);
    for (auto& value : all) value = static_cast<std::uint8_t>(draw.below(256));
    write_gzip(folder / "x", idx_bytes({rows, columns}, all));
    const Idx idx = read_idx(folder / "x", 2);
    CHECK(idx.shape == std::vector<std::size_t>{rows, columns});
    CHECK(idx.values == all);
  }
}

TEST_CASE("idx: a plain file cut anywhere is an error") {
  const Folder folder;
  const Bytes file = idx_bytes({2, 3}, values);
  for (std::size_t length = 0; length < file.size(); ++length) {
    CAPTURE(length);
    write(folder / "cut", Bytes(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(length)));
    CHECK_THROWS_AS(read_idx(folder / "cut", 2), Error);
  }
  write(folder / "cut", Bytes(file.begin(), file.end() - 2));
  CHECK(message(folder / "cut", 2) == (folder / "cut").string() + ": 4 values, expected 6 (2 x 3)");
}

TEST_CASE("idx: a gzip file cut anywhere is an error") {
  const Folder folder;
  Bytes all(500);
  random::Stream draw(1);
  for (auto& value : all) value = static_cast<std::uint8_t>(draw.below(256));
  write_gzip(folder / "whole", idx_bytes({5, 100}, all));
  const Bytes file = read(folder / "whole");
  for (std::size_t length = 0; length < file.size(); ++length) {
    CAPTURE(length);
    write(folder / "cut", Bytes(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(length)));
    CHECK_THROWS_AS(read_idx(folder / "cut", 2), Error);
  }
  write(folder / "cut", Bytes(file.begin(), file.end() - 1));
  CHECK(message(folder / "cut", 2).find("truncated gzip") != std::string::npos);
}

TEST_CASE("idx: no flipped bit of a gzip file passes with other values") {
  const Folder folder;
  const Bytes whole = idx_bytes({2, 3}, values);
  write_gzip(folder / "whole", whole);
  const Bytes file = read(folder / "whole");
  for (std::size_t bit = 0; bit < 8 * file.size(); ++bit) {
    CAPTURE(bit);
    Bytes flipped = file;
    flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ (1U << (bit % 8)));
    write(folder / "flipped", flipped);
    Bytes got = values;
    try {
      got = read_idx(folder / "flipped", 2).values;
    } catch (const Error&) {
    }
    CHECK(got == values);  // refused, or one of the header's bits that mean nothing, such as its time stamp
  }
  Bytes flipped = file;
  flipped[flipped.size() - 8] ^= 1;
  write(folder / "flipped", flipped);
  CHECK(message(folder / "flipped", 2).find("damaged gzip") != std::string::npos);
}

TEST_CASE("idx: another magic number is named beside the expected one") {
  const Folder folder;
  write(folder / "labels", idx_bytes({6}, values));
  CHECK(message(folder / "labels", 3) ==
        (folder / "labels").string() + ": magic number 0x00000801, expected 0x00000803");
  Bytes floats = idx_bytes({6}, values);
  floats[2] = 0x0D;
  write(folder / "floats", floats);
  CHECK(message(folder / "floats", 1) ==
        (folder / "floats").string() + ": magic number 0x00000d01, expected 0x00000801");
}

TEST_CASE("idx: bytes after the values are an error") {
  const Folder folder;
  Bytes file = idx_bytes({2, 3}, values);
  file.push_back(0);
  write(folder / "plain", file);
  write_gzip(folder / "packed", file);
  for (const char* name : {"plain", "packed"})
    CHECK(message(folder / name, 2) ==
          (folder / name).string() + ": bytes after the 6 values (2 x 3) that the header says");
}

TEST_CASE("idx: a header that promises too much is refused without the memory for it") {
  const Folder folder;
  const Bytes rest(28, 7);
  write(folder / "4 GiB", idx_bytes({65536, 65536}, rest));
  CHECK(message(folder / "4 GiB", 2).find("28 values, expected 4294967296 (65536 x 65536)") !=
        std::string::npos);
  write(folder / "most", idx_bytes({0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}, rest));
  CHECK(message(folder / "most", 3).find("more than can be counted") != std::string::npos);
}

TEST_CASE("idx: a zero dimension is an empty file") {
  const Folder folder;
  write(folder / "empty", idx_bytes({0xFFFFFFFF, 0, 0xFFFFFFFF, 0xFFFFFFFF}, {}));
  CHECK(read_idx(folder / "empty", 4).values.empty());
}

TEST_CASE("idx: a file that is missing or no file, and a rank that no file has") {
  const Folder folder;
  CHECK(message(folder / "none", 1).rfind((folder / "none").string() + ": cannot open", 0) == 0);
  CHECK(message(folder.path(), 1).rfind(folder.path().string() + ": cannot read", 0) == 0);
  CHECK_THROWS_AS(read_idx(folder / "none", 0), Error);
  CHECK_THROWS_AS(read_idx(folder / "none", 256), Error);
}

}  // namespace
}  // namespace fedval::harness
