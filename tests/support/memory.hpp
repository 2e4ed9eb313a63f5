// The most memory that this process has had resident, a new start for it, and what it holds. Linux, and glibc
// for the last: 0 elsewhere.
#pragma once

#include <fstream>
#include <string>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace fedval::tests {

/// In MiB, since the process began or restart_peak() was called.
inline double peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "VmHWM:") {
      double kibibytes = 0;
      status >> kibibytes;
      return kibibytes / 1024;
    }
  return 0;
}

/// The peak is from now on that of what is resident now (proc(5), clear_refs). What was freed is given back
/// first: a leak would fill it unseen.
inline void restart_peak() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
  std::ofstream("/proc/self/clear_refs") << "5";
}

/// Bytes allocated and not freed.
inline double held_memory() {
#ifdef __GLIBC__
  const struct mallinfo2 info = mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd);
#else
  return 0;
#endif
}

}  // namespace fedval::tests
