// Files of records: read in order, and refused when they are not whole, not there or no files.
#include "harness/data/records.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "fedval/random/philox.hpp"
#include "tests/harness/data/files.hpp"

namespace fedval::harness {
namespace {

using namespace test_files;

std::string message(const std::filesystem::path& path, std::size_t bytes) {
  return complaint_of([&] { read_records(path, bytes, [](std::size_t, auto) {}); });
}

TEST_CASE("records: every record once, in order") {
  const Folder folder;
  random::Stream draw(1);
  for (int round = 0; round < 50; ++round) {
    CAPTURE(round);
    const std::size_t size = 1 + draw.below(5000);
    const std::size_t count = 1 + draw.below(20);
    Bytes file(size * count);
    for (auto& byte : file) byte = static_cast<std::uint8_t>(draw.below(256));
    write(folder / "x", file);
    Bytes got;
    std::size_t expected = 0;
    CHECK(read_records(folder / "x", size, [&](std::size_t i, std::span<const std::uint8_t> record) {
            CHECK(i == expected++);
            CHECK(record.size() == size);
            got.insert(got.end(), record.begin(), record.end());
          }) == count);
    CHECK(expected == count);
    CHECK(got == file);
  }
}

TEST_CASE("records: a file that ends inside a record") {
  const Folder folder;
  for (std::size_t size = 1; size < 25; ++size) {
    CAPTURE(size);
    write(folder / "x", Bytes(size));
    const std::string expected =
        "ends inside record " + std::to_string(size / 5) + ": " + std::to_string(size % 5) + " of 5 bytes";
    CHECK(message(folder / "x", 5) ==
          (size % 5 == 0 ? "no error" : (folder / "x").string() + ": " + expected));
  }
}

TEST_CASE("records: a file that is empty, missing, a folder or a pipe") {
  const Folder folder;
  const std::string path = (folder / "x").string();
  CHECK(message(path, 5) == path + ": cannot open: No such file or directory");
  write(path, {});
  CHECK(message(path, 5) == path + ": is empty");
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  CHECK(message(path, 5) == path + ": not a regular file");
  std::filesystem::remove(path);
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  CHECK(message(path, 5) == path + ": not a regular file");
}

TEST_CASE("records: a file and a folder that may not be read" * doctest::skip(geteuid() == 0)) {
  const Folder folder;
  std::filesystem::create_directory(folder / "closed");
  const std::string path = (folder / "closed" / "x").string();
  write(path, Bytes(5));
  std::filesystem::permissions(path, std::filesystem::perms::none);
  CHECK(message(path, 5) == path + ": cannot open: Permission denied");
  std::filesystem::permissions(folder / "closed", std::filesystem::perms::none);
  CHECK(message(path, 5) == path + ": cannot open: Permission denied");
  std::filesystem::permissions(folder / "closed", std::filesystem::perms::owner_all);
}

}  // namespace
}  // namespace fedval::harness
