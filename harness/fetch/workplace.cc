#include "harness/fetch/workplace.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

#include "fedval/error.hpp"
#include "harness/files/output_file.hpp"

namespace fedval::harness {
namespace {

namespace fs = std::filesystem;

// Opens the lock's file, or returns -1 where its folder has just been removed by the process that was done.
int open_lock(const fs::path& lock) {
  std::error_code error;
  if (fs::create_directories(lock.parent_path(), error); error)
    fail(lock.parent_path().string(), ": cannot make the folder: ", error.message());
  const int descriptor = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor < 0 && errno != ENOENT) fail(lock.string(), ": cannot open: ", std::strerror(errno));
  return descriptor;
}

// The process that had the lock before may have removed its file: then the lock that we have is on no name.
bool still_named(int descriptor, const fs::path& lock) {
  struct stat ours {
  }, named{};
  return fstat(descriptor, &ours) == 0 && stat(lock.c_str(), &named) == 0 && ours.st_ino == named.st_ino &&
         ours.st_dev == named.st_dev;
}

}  // namespace

Workplace::Workplace(const fs::path& target, const std::function<void()>& waiting)
    : folder_(target.string() + ".part"), lock_(folder_ / "lock") {
  bool told = false;
  while (true) {
    descriptor_ = open_lock(lock_);
    if (descriptor_ < 0) continue;
    int code = flock(descriptor_, LOCK_EX | LOCK_NB);
    if (code != 0 && errno == EWOULDBLOCK) {
      if (!told) waiting();
      told = true;
      do code = flock(descriptor_, LOCK_EX);
      while (code != 0 && errno == EINTR);
    }
    const int reason = errno;
    if (code == 0 && still_named(descriptor_, lock_)) return;
    close(descriptor_);
    if (code != 0) fail(lock_.string(), ": cannot lock: ", std::strerror(reason));
  }
}

Workplace::~Workplace() {
  // From here on another process may be at work in the folder, which rmdir leaves alone unless it is empty.
  unlink(lock_.c_str());
  rmdir(folder_.c_str());
  close(descriptor_);
}

void Workplace::clear() {
  std::error_code error;
  std::vector<fs::path> left;  // listed first: what is deleted while it is listed may be listed twice
  for (const auto& entry : fs::directory_iterator(folder_, error))
    if (entry.path() != lock_) left.push_back(entry.path());
  if (error) fail(folder_.string(), ": cannot list: ", error.message());
  for (const auto& path : left) discard(path);
}

}  // namespace fedval::harness
