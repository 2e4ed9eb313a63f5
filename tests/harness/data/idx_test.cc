// The idx reader on good files, and on files that are cut, damaged or lie about their size.
#include "harness/data/idx.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "fedval/error.hpp"
#include "fedval/random/philox.hpp"
#include "tests/harness/data/files.hpp"

namespace fedval::harness {
namespace {

using namespace test_files;

std::string message(const std::filesystem::path& path, std::size_t rank) {
  return complaint_of([&] { read_idx(path, rank); });
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

TEST_CASE("idx: integers are big-endian and signed") {
  const Folder folder;
  const Bytes file{0, 0, 0x0c, 2, 0, 0, 0,    2,    0,    0,    0,    2,    0,    0,
                   0, 5, 0,    0, 1, 2, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe};
  write(folder / "plain", file);
  write_gzip(folder / "packed", file);
  for (const char* name : {"plain", "packed"}) {
    const Idx idx = read_idx<std::int32_t>(folder / name, 2);
    CHECK(idx.shape == std::vector<std::size_t>{2, 2});
    CHECK(idx.values == std::vector<std::int32_t>{5, 258, 2147483647, -2});
  }
  std::vector<std::int32_t> many(300001);  // beyond one chunk
  random::Stream draw(1);
  for (auto& value : many) value = static_cast<std::int32_t>(draw.below(1ULL << 32));
  write(folder / "many", idx_int_bytes({many.size()}, many));
  CHECK(read_idx<std::int32_t>(folder / "many", 1).values == many);
}

TEST_CASE("idx: integers that are cut, followed by more, of another type, or promised only") {
  const Folder folder;
  const auto complaint = [&](const Bytes& bytes) {
    write(folder / "x", bytes);
    const std::string text = complaint_of([&] { read_idx<std::int32_t>(folder / "x", 2); });
    return text.substr(std::min(text.size(), (folder / "x").string().size()));
  };
  const Bytes whole = idx_int_bytes({1, 3}, {1, 2, 3});
  Bytes longer = whole;
  longer.push_back(0);
  CHECK(complaint(longer) == ": bytes after the 3 values (1 x 3) that the header says");
  CHECK(complaint(Bytes(whole.begin(), whole.end() - 1)) == ": 2 values, expected 3 (1 x 3)");
  CHECK(complaint(idx_bytes({1, 3}, values)) == ": magic number 0x00000802, expected 0x00000c02");
  // 2^62 values can be counted, their bytes cannot.
  CHECK(contains(complaint(idx_int_bytes({0x80000000, 0x80000000}, {1})), "more than can be counted"));
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
