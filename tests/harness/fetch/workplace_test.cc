// The workplace of one data set: one process at a time, and nothing left where nothing was begun.
#include "harness/fetch/workplace.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>

#include "tests/harness/fetch/tools.hpp"

namespace fedval::harness {
namespace {

using test_files::Folder;
using Names = std::vector<std::string>;

const auto not_waiting = [] { FAIL("nobody else is there"); };

bool is_locked(const std::filesystem::path& lock) {
  const int descriptor = open(lock.c_str(), O_RDWR);
  if (descriptor < 0) return false;
  const bool locked = flock(descriptor, LOCK_EX | LOCK_NB) != 0;
  close(descriptor);
  return locked;
}

TEST_CASE("workplace: empty it goes, else it stays without its lock") {
  const Folder folder;
  { const Workplace workplace(folder / "set", not_waiting); }
  CHECK(names_in(folder.path()).empty());
  {
    Workplace workplace(folder / "set", not_waiting);
    CHECK(workplace.folder() == folder / "set.part");
    write_text(workplace.folder() / "left", "x");
    workplace.clear();
    CHECK(names_in(workplace.folder()) == Names{"lock"});
    write_text(workplace.folder() / "begun", "x");
  }
  CHECK(names_in(folder / "set.part") == Names{"begun"});
}

TEST_CASE("workplace: who waited has a lock that the next one meets") {
  const Folder folder;
  auto first = std::make_unique<Workplace>(folder / "set", not_waiting);
  std::unique_ptr<Workplace> second;
  std::atomic<int> waiting = 0;
  std::thread waiter([&] { second = std::make_unique<Workplace>(folder / "set", [&] { ++waiting; }); });
  while (waiting == 0) usleep(1000);
  usleep(50000);  // until it sleeps on the lock whose file is about to go
  first.reset();
  waiter.join();
  CHECK(waiting == 1);
  CHECK(is_locked(folder / "set.part" / "lock"));
  second.reset();
  CHECK(names_in(folder.path()).empty());
}

}  // namespace
}  // namespace fedval::harness
