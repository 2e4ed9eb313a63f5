// Text files: whole contents, lines, places for messages, and files that cannot be read.
#include "harness/data/text_file.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "fedval/random/philox.hpp"
#include "harness/data/input_file.hpp"
#include "tests/harness/data/files.hpp"

namespace fedval::harness {
namespace {

using namespace test_files;
using Lines = std::vector<std::string_view>;

std::string message(const std::filesystem::path& path) {
  return complaint_of([&] { read_text(path); });
}

TEST_CASE("text file: every byte comes back, also beyond one part") {
  const Folder folder;
  for (const std::size_t size : {1, 65535, 65536, 65537, 200000}) {
    CAPTURE(size);
    random::Stream draw(size);
    Bytes bytes(size);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(draw.below(256));
    write(folder / "text", bytes);
    CHECK(read_text(folder / "text") == std::string(bytes.begin(), bytes.end()));
  }
}

TEST_CASE("text file: what cannot be read is named") {
  const Folder folder;
  write(folder / "empty", {});
  CHECK(message(folder / "empty") == (folder / "empty").string() + ": is empty");
  CHECK(message(folder / "none") == (folder / "none").string() + ": cannot open: No such file or directory");
  CHECK(message(folder.path()) == folder.path().string() + ": not a regular file");
}

TEST_CASE("text file: a line ends with a line feed, the last one with the text") {
  CHECK(split_lines("").empty());
  CHECK(split_lines("a") == Lines{"a"});
  CHECK(split_lines("a\n") == Lines{"a"});
  CHECK(split_lines("\n") == Lines{""});
  CHECK(split_lines("a\n\nb\r\nc") == Lines{"a", "", "b\r", "c"});
  CHECK(split_lines("a\n\n") == Lines{"a", ""});
}

TEST_CASE("text file: places count lines and bytes from 1") {
  const std::string text = "ab\n\ncd";
  const std::vector<std::string> places = {"line 1, byte 1", "line 1, byte 2", "line 1, byte 3",
                                           "line 2, byte 1", "line 3, byte 1", "line 3, byte 2",
                                           "line 3, byte 3"};
  for (std::size_t offset = 0; offset <= text.size(); ++offset)
    CHECK(place_in("x/y.txt", text, offset) == "x/y.txt: " + places[offset]);
  CHECK(byte_name('\xE9') == "0xe9");
  CHECK(byte_name('\x0A') == "0x0a");
}

TEST_CASE("text file: the first folder that has any of the files") {
  const Folder folder;
  const std::vector<std::filesystem::path> both = {folder / "a", folder / "b"};
  const std::vector<std::string> files = {"x", "y"};
  for (const char* name : {"a", "b"}) std::filesystem::create_directory(folder / name);
  CHECK(first_with(both, files) == folder / "a");
  CHECK_FALSE(any_there(folder / "b", files));
  write(folder / "b" / "y", {});
  CHECK(any_there(folder / "b", files));
  CHECK(first_with(both, files) == folder / "b");
  write(folder / "a" / "x", {});
  CHECK(first_with(both, files) == folder / "a");
}

}  // namespace
}  // namespace fedval::harness
