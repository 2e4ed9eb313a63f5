// The least of all limits, read from files as Linux has them.
#include "harness/cli/memory_left.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <cmath>
#include <fstream>

#include "tests/harness/data/files.hpp"

using namespace fedval::harness;
using test_files::Folder;

namespace {

void write(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

}  // namespace

TEST_CASE("what cannot be read is no limit") {
  const Folder root;
  CHECK(std::isinf(memory_left(1, root.path()).bytes));
}

TEST_CASE("of the machine and the control groups above a process, the least counts") {
  const Folder root;
  write(root / "proc/meminfo", "MemTotal: 9000 kB\nMemAvailable:    5000 kB\nSwapFree: 1000 kB\n");
  CHECK(memory_left(1, root.path()).bytes == 6000.0 * 1024);
  CHECK(memory_left(1, root.path()).limit == "the machine");
  CHECK(memory_left(4, root.path()).bytes == 1500.0 * 1024);

  write(root / "proc/self/cgroup", "0::/jobs/mine\n");
  const auto group = [&](const std::string& name, const std::string& most, const std::string& used) {
    write(root / ("sys/fs/cgroup/" + name + "/memory.max"), most + "\n");
    write(root / ("sys/fs/cgroup/" + name + "/memory.current"), used + "\n");
  };
  group("jobs/mine", "max", "70000");
  CHECK(memory_left(1, root.path()).limit == "the machine");
  group("jobs", "90000", "70000");
  CHECK(memory_left(1, root.path()).bytes == 20000);
  CHECK(memory_left(1, root.path()).limit == "the control group /jobs");
  group("jobs/mine", "71000", "70000");
  CHECK(memory_left(1, root.path()).limit == "the control group /jobs/mine");
  // File pages that nobody has used for a while make room.
  write(root / "sys/fs/cgroup/jobs/mine/memory.stat", "anon 60000\ninactive_file 9000\n");
  CHECK(memory_left(1, root.path()).bytes == 10000);
  group("jobs/mine", "60000", "70000");
  CHECK(memory_left(1, root.path()).bytes == 0);
}

TEST_CASE("an address space that is limited, of this process and of this machine") {
  const double unlimited = memory_left().bytes;
  REQUIRE(std::isfinite(unlimited));
  CHECK(unlimited > 0);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_AS, &before) == 0);
  const rlimit limited{rlim_t{64} << 40, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_AS, &limited) == 0);
  const Folder nothing;
  write(nothing / "proc/self/status", "Name: a\nVmSize:   1024 kB\n");
  const MemoryLeft left = memory_left(1, nothing.path());
  CHECK(::setrlimit(RLIMIT_AS, &before) == 0);
  CHECK(left.limit == "ulimit -v");
  CHECK(left.bytes == std::ldexp(64, 40) - 1024 * 1024);
}
