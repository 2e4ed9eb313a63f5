// How much memory this process can still take: the least of what Linux tells of
//
//   the machine        MemAvailable + SwapFree of /proc/meminfo
//   its control group  memory.max - memory.current + inactive_file, and of the groups above (version 2)
//   ulimit -v          RLIMIT_AS - VmSize
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace fedval::harness {

struct MemoryLeft {
  double bytes = 0;   ///< infinite where nothing is known
  std::string limit;  ///< whose: "the machine", "the control group /a/b", "ulimit -v"
};

/// For each of `sharers` processes that need the same; each has its own ulimit. `root`: where proc and
/// sys/fs/cgroup are. What cannot be read is no limit.
MemoryLeft memory_left(std::size_t sharers = 1, const std::filesystem::path& root = "/");

}  // namespace fedval::harness
