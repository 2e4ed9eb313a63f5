// Unpacking of good archives, and of archives that are damaged, hostile or too large.
#include "harness/fetch/unpack.hpp"

#include <doctest/doctest.h>
#include <zlib.h>

#include "tests/harness/fetch/archives.hpp"
#include "tests/harness/fetch/tools.hpp"

namespace fedval::harness {
namespace {

namespace fs = std::filesystem;
using test_archives::Member;
using test_archives::write_archive;
using test_files::Folder;
using Names = std::vector<std::string>;

const std::string large = random_text(2, 200000);
const std::vector<Member> members = {{.path = "set/"},
                                     {.path = "set/read me.txt", .content = "not wanted"},
                                     {.path = "set/a.bin", .content = large},
                                     {.path = "set/deep/b.bin", .content = "b"},
                                     {.path = "set/empty.bin"},
                                     {.path = "train.txt", .content = "t"},
                                     {.path = "__MACOSX/._train.txt", .content = "x"}};

std::string complaint(const fs::path& archive, const Unpacking& unpacking = {}) {
  return complaint_of([&] { unpack(archive, archive.parent_path() / "out", unpacking); });
}

// The complaint about an archive of these members, with nothing left of it.
std::string refusal(const std::string& name, const std::vector<Member>& of, const Unpacking& unpacking = {}) {
  const Folder folder;
  write_archive(folder / name, of);
  const std::string text = complaint(folder / name, unpacking);
  CHECK(names_in(folder.path()) == Names{name});
  CHECK(text.starts_with((folder / name).string() + ": "));
  return text.substr(std::min(text.size(), (folder / name).string().size() + 2));
}

TEST_CASE("unpack: the members that are wanted, under their own names") {
  for (const char* name : {"x.tar.gz", "x.tgz", "x.zip"}) {
    CAPTURE(name);
    const Folder folder;
    write_archive(folder / name, members);
    unpack(folder / name, folder / "out", {.endings = {".bin", "/train.txt"}});
    CHECK(names_in(folder / "out") == Names{"a.bin", "b.bin", "empty.bin", "train.txt"});
    CHECK(text_of(folder / "out" / "a.bin") == large);
    CHECK(text_of(folder / "out" / "b.bin") == "b");
    CHECK(text_of(folder / "out" / "empty.bin").empty());
    CHECK(text_of(folder / "out" / "train.txt") == "t");
    CHECK(names_in(folder.path()) == Names{"out", name});
    const auto rights = fs::status(folder / "out").permissions();
    CHECK((rights & fs::perms::others_exec) != fs::perms::none);
  }
}

TEST_CASE("unpack: all members") {
  const Folder folder;
  write_archive(folder / "x.zip", members);
  unpack(folder / "x.zip", folder / "out");
  CHECK(names_in(folder / "out") ==
        Names{"._train.txt", "a.bin", "b.bin", "empty.bin", "read me.txt", "train.txt"});
}

TEST_CASE("unpack: a single file") {
  const Folder folder;
  const test_files::Bytes bytes(large.begin(), large.end());
  test_files::write_gzip(folder / "images.bin.gz", bytes);
  unpack(folder / "images.bin.gz", folder / "out");
  CHECK(names_in(folder / "out") == Names{"images.bin"});
  CHECK(text_of(folder / "out" / "images.bin") == large);
}

TEST_CASE("unpack: paths that lead elsewhere, and links") {
  for (const std::string name : {"x.tar.gz", "x.zip"}) {
    CAPTURE(name);
    CHECK(refusal(name, {{.path = "../evil", .content = "x"}}) == "../evil: a path with \"..\"");
    CHECK(refusal(name, {{.path = "a/../../evil", .content = "x"}}) == "a/../../evil: a path with \"..\"");
    CHECK(refusal(name, {{.path = "/tmp/evil", .content = "x"}}) == "/tmp/evil: an absolute path");
    CHECK(refusal(name, {{.path = "good", .content = "x"}, {.path = "evil", .link = "/etc/passwd"}}) ==
          "evil: a link");
  }
  CHECK(refusal("x.tgz", {{.path = "good", .content = "x"},
                          {.path = "evil", .link = "good", .hard = true}}) == "evil: a link");
  // What is not wanted is refused as well: such an archive is not to be trusted.
  CHECK(refusal("x.zip", {{.path = "a.bin", .content = "x"}, {.path = "../evil", .content = "x"}},
                {.endings = {".bin"}}) == "../evil: a path with \"..\"");
}

TEST_CASE("unpack: more bytes than allowed") {
  const std::string zeros(5000000, '\0');
  for (const std::string name : {"x.tar.gz", "x.zip"}) {
    CAPTURE(name);
    const std::string too_much = ": the archive unpacks to more than 1000000 bytes";
    CHECK(refusal(name, {{.path = "bomb", .content = zeros}}, {.most_bytes = 1000000}) == "bomb" + too_much);
    CHECK(refusal(name, {{.path = "a.bin", .content = "x"}, {.path = "bomb", .content = zeros}},
                  {.endings = {".bin"}, .most_bytes = 1000000}) == "bomb" + too_much);
    const std::string third(400000, '\0');
    CHECK(refusal(name,
                  {{.path = "1", .content = third},
                   {.path = "2", .content = third},
                   {.path = "3", .content = third}},
                  {.most_bytes = 1000000}) == "3" + too_much);
  }
  const Folder folder;
  test_files::write_gzip(folder / "bomb.gz", test_files::Bytes(5000000));
  CHECK(complaint(folder / "bomb.gz", {.most_bytes = 4999999}) ==
        (folder / "bomb.gz").string() + ": bomb: the archive unpacks to more than 4999999 bytes");
  unpack(folder / "bomb.gz", folder / "out", {.most_bytes = 5000000});
  CHECK(fs::file_size(folder / "out" / "bomb") == 5000000);
}

TEST_CASE("unpack: a member that lies about its size") {
  const Folder folder;
  write_archive(folder / "x.zip", {{.path = "a.bin", .content = std::string(5000000, 'a')}});
  std::string bytes = text_of(folder / "x.zip");
  // The size at offset 24 of the central directory's entry, which begins with "PK\1\2".
  const auto entry = bytes.find("PK\1\2");
  REQUIRE(entry != std::string::npos);
  bytes.replace(entry + 24, 4, std::string("\x01\0\0\0", 4));
  write_text(folder / "x.zip", bytes);
  const std::string text = complaint(folder / "x.zip", {.most_bytes = 1000000});
  CHECK(text.starts_with((folder / "x.zip").string() + ": "));
  CHECK(contains(text, "a.bin"));
  CHECK(names_in(folder.path()) == Names{"x.zip"});
}

TEST_CASE("unpack: an archive cut anywhere is an error and leaves nothing") {
  const std::vector<Member> small = {{.path = "a.bin", .content = random_text(3, 300)},
                                     {.path = "b.bin", .content = random_text(4, 300)}};
  for (const std::string name : {"x.tar.gz", "x.zip"}) {
    const Folder folder;
    write_archive(folder / name, small);
    const std::string whole = text_of(folder / name);
    for (std::size_t length = 0; length < whole.size(); length += 7) {
      CAPTURE(name);
      CAPTURE(length);
      write_text(folder / name, whole.substr(0, length));
      CHECK(complaint(folder / name, {.endings = {"/a.bin"}}).starts_with((folder / name).string() + ": "));
      CHECK(names_in(folder.path()) == Names{name});
    }
    write_text(folder / name, whole.substr(0, whole.size() - 1));
    CHECK(complaint(folder / name, {.endings = {"/a.bin"}}) != "no error");
  }
}

TEST_CASE("unpack: no flipped bit passes with other content") {
  const std::string content = random_text(5, 200);
  for (const std::string name : {"x.tar.gz", "x.zip"}) {
    const Folder folder;
    write_archive(folder / name, {{.path = "a.bin", .content = content}});
    const std::string whole = text_of(folder / name);
    for (std::size_t bit = 0; bit < 8 * whole.size(); bit += 3) {
      CAPTURE(name);
      CAPTURE(bit);
      std::string flipped = whole;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
      write_text(folder / name, flipped);
      if (complaint(folder / name, {.endings = {"/a.bin"}}) == "no error") {
        CHECK(text_of(folder / "out" / "a.bin") == content);
        fs::remove_all(folder / "out");
      }
      CHECK(names_in(folder.path()) == Names{name});
    }
  }
}

TEST_CASE("unpack: the checksum at the end of a gzip stream, beyond the archive's last member") {
  const Folder folder;
  write_archive(folder / "first.tgz", {{.path = "a.bin", .content = "a"}});
  // A tar archive's end is two empty blocks; here many more follow, as padding may.
  gzFile packed = gzopen((folder / "first.tgz").c_str(), "rb");
  test_files::Bytes tar(1000000);
  REQUIRE(gzread(packed, tar.data(), 1000000) > 0);
  gzclose(packed);
  test_files::write_gzip(folder / "x.tgz", tar);
  fs::remove(folder / "first.tgz");
  std::string bytes = text_of(folder / "x.tgz");
  char& checksum = bytes[bytes.size() - 8];
  checksum = static_cast<char>(checksum ^ 1);
  write_text(folder / "x.tgz", bytes);
  CHECK(contains(complaint(folder / "x.tgz"), "damaged gzip stream"));
  CHECK(names_in(folder.path()) == Names{"x.tgz"});
}

TEST_CASE("unpack: damage is told with the member") {
  const Folder folder;
  write_archive(folder / "x.zip", {{.path = "a.bin", .content = large}});
  std::string bytes = text_of(folder / "x.zip");
  bytes[100000] = static_cast<char>(bytes[100000] ^ 1);
  write_text(folder / "x.zip", bytes);
  const std::string text = complaint(folder / "x.zip");
  CHECK(text.starts_with((folder / "x.zip").string() + ": "));
  CHECK(contains(text, "(at a.bin)"));
  write_archive(folder / "x.tgz", {{.path = "a.bin", .content = large}});
  write_text(folder / "x.tgz", text_of(folder / "x.tgz").substr(0, 100000));
  CHECK(complaint(folder / "x.tgz") == (folder / "x.tgz").string() + ": truncated gzip stream (at a.bin)");
}

TEST_CASE("unpack: members that are missing, or there twice") {
  CHECK(refusal("x.zip", members, {.endings = {"/train.txt", "/dev.txt"}}) ==
        "no member ends with \"/dev.txt\"");
  CHECK(refusal("x.zip", {{.path = "a/x.bin", .content = "1"}, {.path = "b/x.bin", .content = "2"}}) ==
        "b/x.bin: a second member of this name");
  CHECK(refusal("x.tgz", {}, {.endings = {".bin"}}) == "no member ends with \".bin\"");
}

TEST_CASE("unpack: what is no archive, a folder that is there, a place that is not") {
  const Folder folder;
  for (const char* name : {"x.tar.gz", "x.zip", "x.gz"}) {
    write_text(folder / name, large);
    CHECK(complaint(folder / name).starts_with((folder / name).string() + ": "));
    CHECK(complaint(folder / ("no " + std::string(name)))
              .starts_with((folder / ("no " + std::string(name))).string() + ": "));
  }
  CHECK(contains(complaint(folder / "x.rar"), "known are .tar.gz, .tgz, .zip and .gz"));
  write_archive(folder / "good.zip", members);
  CHECK(contains(complaint_of([&] { unpack(folder / "good.zip", folder / "none" / "out"); }),
                 "cannot make the folder"));
  fs::create_directory(folder / "out");
  CHECK(complaint(folder / "good.zip") == (folder / "out").string() + ": is there already, so " +
                                              (folder / "good.zip").string() + " is not unpacked");
}

}  // namespace
}  // namespace fedval::harness
