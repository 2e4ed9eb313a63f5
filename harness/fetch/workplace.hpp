// Where a data set is made before it counts: the folder TARGET.part beside the set's own folder TARGET, for
// one process at a time.
//
//   TARGET.part/lock     held (flock) by the process that works there; the system lets go of it when that
//   ends TARGET.part/...      what is downloaded and unpacked, until it is published
#pragma once

#include <filesystem>
#include <functional>

namespace fedval::harness {

/// TARGET.part, made where it is not there, and its lock. At the end the lock goes, and the folder too when
/// it is empty; what else lies there stays, for the next run to go on with.
class Workplace {
 public:
  /// Calls `waiting` once where another process has the lock, and waits until it is free. Throws Error naming
  /// the folder where it cannot be made or locked.
  Workplace(const std::filesystem::path& target, const std::function<void()>& waiting);
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;
  ~Workplace();

  const std::filesystem::path& folder() const { return folder_; }
  /// Deletes all that lies there but the lock.
  void clear();

 private:
  std::filesystem::path folder_, lock_;
  int descriptor_ = -1;
};

}  // namespace fedval::harness
