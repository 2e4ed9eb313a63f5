// Which of the ranks are still there. Each says so at short intervals, in a store that rank 0 holds, on a
// thread of its own; rank 0 looks at all of them, and tells the others whom it has not heard of for longer
// than the patience.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <torch/csrc/distributed/c10d/Store.hpp>
#include <vector>

#include "harness/distributed/messages.hpp"

namespace fedval::harness {

class Pulse {
 public:
  /// `store`: a connection that nobody else uses. `names` of the ranks, for messages. When the store itself
  /// no longer answers, which no call on it would notice, `dead` is called, which must end the process.
  Pulse(c10::intrusive_ptr<c10d::Store> store, std::size_t rank, std::vector<std::string> names,
        std::chrono::milliseconds patience, std::function<void(const std::string& why)> dead);
  ~Pulse();
  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;

  /// Error that names the rank that is lost or has left, with the reason it gave.
  void check() const;
  /// Whether check() throws because a rank is lost.
  bool lost_one() const;

  /// Tells all that this rank leaves, and why. On the caller's own connection.
  static void leave(c10d::Store& store, const std::string& name, const std::string& why);

 private:
  using Clock = std::chrono::steady_clock;

  void beat();
  void watch();
  std::optional<Trouble> look();
  std::optional<Trouble> stale();
  bool wait(const bool& flag);
  void end(std::thread& thread, bool& flag);

  c10::intrusive_ptr<c10d::Store> store_;
  std::size_t rank_;
  std::vector<std::string> names_;
  std::chrono::milliseconds patience_, interval_;
  std::function<void(const std::string&)> dead_;
  // Rank 0's: what each rank said last, and when that was new.
  std::vector<std::string> heard_;
  std::vector<Clock::time_point> when_;
  Clock::time_point looked_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false, over_ = false;
  std::optional<Trouble> trouble_;
  Clock::time_point answered_;
  std::thread beating_, watching_;
};

}  // namespace fedval::harness
