// A wall clock that stands a day earlier each time it is read; to be preloaded into a program. It begins when
// all libraries have been loaded: one that LibTorch 2 takes along (UCX) waits meanwhile until the clock has
// moved on, for ever.
#include <dlfcn.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <ctime>

namespace {
std::atomic<bool> loaded = false;
}

extern "C" {

// NOLINTNEXTLINE(bugprone-reserved-identifier): the C library's name
int __libc_start_main(int (*main)(int, char**, char**), int count, char** words, void (*begin)(),
                      void (*end)(), void (*dynamic_end)(), void* stack) {
  loaded = true;
  const auto next = reinterpret_cast<decltype(&__libc_start_main)>(::dlsym(RTLD_NEXT, "__libc_start_main"));
  return next(main, count, words, begin, end, dynamic_end, stack);
}

int clock_gettime(clockid_t clock, timespec* now) {
  static std::atomic<long> days = 0;
  const long result = ::syscall(SYS_clock_gettime, clock, now);
  if (loaded && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec -= 86400 * ++days;
  return static_cast<int>(result);
}

int gettimeofday(timeval* __restrict now, void* __restrict) {
  timespec time{};
  clock_gettime(CLOCK_REALTIME, &time);
  *now = {time.tv_sec, time.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* copy) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (copy != nullptr) *copy = now.tv_sec;
  return now.tv_sec;
}
}
