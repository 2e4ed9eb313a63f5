// A wall clock that stands a day earlier each time it is read; to be preloaded into a program.
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <ctime>

extern "C" {

int clock_gettime(clockid_t clock, timespec* now) {
  static std::atomic<long> days = 0;
  const long result = ::syscall(SYS_clock_gettime, clock, now);
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) now->tv_sec -= 86400 * ++days;
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
