#include "harness/cli/memory_left.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

namespace fedval::harness {

namespace {

namespace fs = std::filesystem;

constexpr double kibibyte = 1024;

/// The number behind a word: "MemAvailable: 123 kB", or "inactive_file 123".
std::optional<double> number_after(const fs::path& path, const std::string& word) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string first;
    double value = 0;
    if (words >> first >> value && first == word) return value;
  }
  return std::nullopt;
}

/// The only number of a file; nothing for "max".
std::optional<double> number_in(const fs::path& path) {
  std::ifstream file(path);
  double value = 0;
  if (!(file >> value)) return std::nullopt;
  return value;
}

/// The folder of this process's control group, below the root of them all.
std::string own_group(const fs::path& root) {
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("0::/")) return line.substr(4);
  return "";
}

}  // namespace

MemoryLeft memory_left(std::size_t sharers, const fs::path& root) {
  MemoryLeft left{std::numeric_limits<double>::infinity(), ""};
  const auto at_most = [&](double bytes, const std::string& limit) {
    if (bytes < left.bytes) left = {std::max(bytes, 0.0), limit};
  };
  const auto shared = [&](double bytes, const std::string& limit) {
    at_most(bytes / static_cast<double>(sharers), limit);
  };
  const fs::path meminfo = root / "proc/meminfo";
  if (const auto available = number_after(meminfo, "MemAvailable:"))
    shared((*available + number_after(meminfo, "SwapFree:").value_or(0)) * kibibyte, "the machine");

  const fs::path groups = root / "sys/fs/cgroup";
  for (fs::path group = own_group(root);; group = group.parent_path()) {
    const fs::path folder = groups / group;
    const auto most = number_in(folder / "memory.max"), used = number_in(folder / "memory.current");
    if (most && used)
      shared(*most - *used + number_after(folder / "memory.stat", "inactive_file").value_or(0),
             "the control group /" + group.string());
    if (group.empty()) break;
  }

  rlimit space{};
  if (::getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY)
    if (const auto used = number_after(root / "proc/self/status", "VmSize:"))
      at_most(static_cast<double>(space.rlim_cur) - *used * kibibyte, "ulimit -v");
  return left;
}

}  // namespace fedval::harness
