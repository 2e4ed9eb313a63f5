// How much memory this process can still take: the least of what Linux tells of
//
//   the machine        MemAvailable + SwapFree of /proc/meminfo
//   its control group  memory.max - memory.current + inactive_file, and of the groups above (version 2)
//   ulimit -v          RLIMIT_AS - VmSize
#pragma once

#include <filesystem>
#include <string>

namespace fedval::harness {

struct MemoryLeft {
  double bytes = 0;   ///< infinite where nothing is known
  std::string limit;  ///< whose: "the machine", "the control group /a/b", "ulimit -v"
};

/// `root`: where proc and sys/fs/cgroup are. What cannot be read is no limit.
MemoryLeft memory_left(const std::filesystem::path& root = "/");

}  // namespace fedval::harness
