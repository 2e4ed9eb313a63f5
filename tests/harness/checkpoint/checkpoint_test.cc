// Checkpoints on the disk: whole or refused, and a full disk leaves the old one as it was.
#include "harness/checkpoint/checkpoint.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "harness/files/output_file.hpp"
#include "tests/harness/data/files.hpp"

using namespace fedval::harness;
using test_files::complaint_of;
using test_files::contains;
using test_files::Folder;

namespace {

std::string all_bytes() {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  return bytes;
}

std::size_t entries(const Folder& folder) {
  const auto all = std::filesystem::directory_iterator(folder.path());
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

/// While it lives, a file cannot grow above so many bytes: writing more fails as on a full disk.
class SmallDisk {
 public:
  explicit SmallDisk(rlim_t bytes) {
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit small{bytes, before_.rlim_max};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int);
};

}  // namespace

TEST_CASE("bytes come back, an empty checkpoint too, and a new one replaces the old") {
  const Folder folder;
  for (const std::string& bytes : {all_bytes(), std::string(), std::string(100'000, 'x')}) {
    write_checkpoint(folder / "checkpoint", bytes);
    CHECK(read_checkpoint(folder / "checkpoint") == bytes);
    CHECK(entries(folder) == 1);
  }
}

TEST_CASE("the format is the one that is documented") {
  const Folder folder;
  write_checkpoint(folder / "checkpoint", "123456789");
  // The CRC-32 of "123456789" is 0xcbf43926, the check value that every description of the code gives.
  const std::string expected = std::string("fedval-checkpoint-1\n") + std::string("\x09\0\0\0\0\0\0\0", 8) +
                               "123456789" + "\x26\x39\xf4\xcb";
  const test_files::Bytes bytes = test_files::read(folder / "checkpoint");
  CHECK(std::string(bytes.begin(), bytes.end()) == expected);
}

TEST_CASE("every truncation, every flipped bit and anything behind the end is refused under its name") {
  const Folder folder;
  write_checkpoint(folder / "checkpoint", all_bytes());
  const test_files::Bytes whole = test_files::read(folder / "checkpoint");
  const auto refused = [&](const test_files::Bytes& bytes) {
    test_files::write(folder / "damaged", bytes);
    return complaint_of([&] { read_checkpoint(folder / "damaged"); })
        .starts_with((folder / "damaged").string());
  };
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    CHECK(refused({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)}));
  }
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      CAPTURE(i);
      test_files::Bytes damaged = whole;
      damaged[i] ^= static_cast<std::uint8_t>(1 << bit);
      CHECK(refused(damaged));
    }
  test_files::Bytes longer = whole;
  longer.push_back(0);
  CHECK(refused(longer));
  CHECK_FALSE(refused(whole));
}

TEST_CASE("cut at every length, with any bit flipped or gone: the one before it is used, and it says so") {
  const Folder folder;
  const std::filesystem::path path = folder / "checkpoint";
  write_checkpoint(path, "the first");
  keep_checkpoint(path);
  write_checkpoint(path, "the second");
  CHECK(read_last_checkpoint(path).bytes == "the second");
  CHECK(read_last_checkpoint(path).note.empty());
  const test_files::Bytes whole = test_files::read(path);
  const auto check_previous = [&] {
    const LastCheckpoint last = read_last_checkpoint(path);
    CHECK(last.bytes == "the first");
    CHECK(last.note.starts_with(path.string() + ": "));
    CHECK(last.note.ends_with("; the checkpoint before it is used"));
  };
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    test_files::write(path, {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)});
    check_previous();
  }
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    CAPTURE(bit);
    test_files::Bytes damaged = whole;
    damaged[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    test_files::write(path, damaged);
    check_previous();
  }
  std::filesystem::remove(path);
  check_previous();
  test_files::write(previous_of(path), {1});
  CHECK(complaint_of([&] { read_last_checkpoint(path); }) == path.string() + ": cannot be read");
}

TEST_CASE("what is kept is the checkpoint before, whatever was kept, and goes with it") {
  const Folder folder;
  const std::filesystem::path path = folder / "checkpoint";
  keep_checkpoint(path);
  CHECK(entries(folder) == 0);
  for (const char* bytes : {"1", "2", "3"}) {
    keep_checkpoint(path);
    write_checkpoint(path, bytes);
  }
  CHECK(read_checkpoint(path) == "3");
  CHECK(read_checkpoint(previous_of(path)) == "2");
  CHECK(entries(folder) == 2);
  discard_checkpoint(path);
  CHECK(entries(folder) == 0);
}

TEST_CASE("no file, and a folder in its place") {
  const Folder folder;
  CHECK(contains(complaint_of([&] { read_checkpoint(folder / "none"); }), (folder / "none").string()));
  CHECK(complaint_of([&] { read_checkpoint(folder.path()); }) != "no error");
  CHECK(
      contains(complaint_of([&] { write_checkpoint(folder / "none/checkpoint", "x"); }), "none/checkpoint"));
}

TEST_CASE("a disk that fills at any moment leaves the old checkpoint whole and nothing beside it") {
  const Folder folder;
  const std::string old = all_bytes(), fresh(50'000, 'y');
  write_checkpoint(folder / "checkpoint", old);
  for (const rlim_t room : {0, 1, 19, 20, 27, 28, 29, 4096, 50'028, 50'031}) {
    CAPTURE(room);
    std::string error;
    {
      const SmallDisk disk(room);
      error = complaint_of([&] { write_checkpoint(folder / "checkpoint", fresh); });
    }
    CHECK(contains(error, "checkpoint"));
    CHECK(contains(error, "cannot write"));
    CHECK(read_checkpoint(folder / "checkpoint") == old);
    CHECK(entries(folder) == 1);
  }
  const SmallDisk disk(50'032);  // 20 + 8 + 50,000 + 4: it fits
  write_checkpoint(folder / "checkpoint", fresh);
  CHECK(read_checkpoint(folder / "checkpoint") == fresh);
}

TEST_CASE("a writer that is killed at any moment leaves a checkpoint that can be read") {
  const Folder folder;
  write_checkpoint(folder / "checkpoint", std::string(1'000'000, '0'));
  for (int trial = 0; trial < 30; ++trial) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      for (char c = '1';; c = c == '9' ? '1' : static_cast<char>(c + 1))
        write_checkpoint(folder / "checkpoint", std::string(1'000'000, c));
    }
    usleep(static_cast<useconds_t>(500 * trial));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    const std::string bytes = read_checkpoint(folder / "checkpoint");
    CHECK(bytes == std::string(1'000'000, bytes.at(0)));
  }
  // What the last one may have left of its draft does not harm the next.
  test_files::write(draft_of(folder / "checkpoint"), test_files::Bytes(2'000'000, 7));
  write_checkpoint(folder / "checkpoint", "small");
  CHECK(read_checkpoint(folder / "checkpoint") == "small");
  CHECK(entries(folder) == 1);
}

TEST_CASE("discarding takes the checkpoint and a draft of the next; nothing there is no error") {
  const Folder folder;
  write_checkpoint(folder / "checkpoint", "x");
  test_files::write(draft_of(folder / "checkpoint"), {1});
  test_files::write(folder / "other", {1});
  discard_checkpoint(folder / "checkpoint");
  CHECK(entries(folder) == 1);
  discard_checkpoint(folder / "checkpoint");
}
