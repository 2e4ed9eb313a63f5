// How much memory this process has had at most.
#pragma once

#include <sys/resource.h>

namespace fedval::harness {

/// Bytes.
inline double peak_memory() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024;  // Linux counts KiB
}

}  // namespace fedval::harness
