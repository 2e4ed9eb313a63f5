// Checksums of files against the standards' own examples, and the written form.
#include "harness/fetch/digest.hpp"

#include <doctest/doctest.h>

#include "tests/harness/fetch/tools.hpp"

namespace fedval::harness {
namespace {

using test_files::Folder;

// FIPS 180-4's examples (NIST, "Cryptographic Standards: examples with intermediate values") and RFC 1321's
// suite.
const std::string sha256_abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const std::string md5_abc = "md5:900150983cd24fb0d6963f7d28e17f72";

TEST_CASE("digest: the standards' examples") {
  const Folder folder;
  write_text(folder / "x", "abc");
  CHECK(digest_of(folder / "x", "sha256") == sha256_abc);
  CHECK(digest_of(folder / "x", "md5") == md5_abc);
  write_text(folder / "x", "");
  CHECK(digest_of(folder / "x", "sha256") ==
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(digest_of(folder / "x", "md5") == "md5:d41d8cd98f00b204e9800998ecf8427e");
  write_text(folder / "x", std::string(1000000, 'a'));  // longer than one piece
  CHECK(digest_of(folder / "x", "sha256") ==
        "sha256:cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("digest: a file that cannot be read, and an unknown function") {
  const Folder folder;
  CHECK(complaint_of([&] { digest_of(folder / "none", "md5"); }) ==
        (folder / "none").string() + ": cannot open: No such file or directory");
  CHECK(complaint_of([&] { digest_of(folder.path(), "md5"); }) ==
        folder.path().string() + ": cannot read: Is a directory");
  CHECK(complaint_of([&] { digest_of(folder / "none", "crc32"); }) ==
        "digest: \"crc32\" is neither sha256 nor md5");
}

TEST_CASE("digest: the written form") {
  CHECK(digest_function(sha256_abc) == "sha256");
  CHECK(digest_function(md5_abc) == "md5");
  for (const std::string bad :
       {"md5", "md5:", "md5:900150983cd24fb0d6963f7d28e17f7", "md5:900150983cd24fb0d6963f7d28e17f722",
        "md5:900150983CD24FB0D6963F7D28E17F72", "md5:g00150983cd24fb0d6963f7d28e17f72",
        "sha256:900150983cd24fb0d6963f7d28e17f72", "900150983cd24fb0d6963f7d28e17f72", ""}) {
    CAPTURE(bad);
    CHECK(contains(complaint_of([&] { digest_function(bad); }), "digest: \""));
  }
}

}  // namespace
}  // namespace fedval::harness
