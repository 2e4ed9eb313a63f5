// Which of the ranks are still there. Each says so at short intervals, in the store where all meet, on a
// thread of its own; rank 0 looks at all others, they look at rank 0, and who has not heard of one for longer
// than the patience tells all. That goes on after the first trouble: more may follow.
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
#include <utility>
#include <vector>

#include "harness/distributed/messages.hpp"

namespace fedval::harness {

class Pulse {
 public:
  /// `store`: a connection that nobody else uses. `names` of the ranks, and who `holds` the store, for
  /// messages. When the store itself no longer answers, which no call on it would notice, `dead` is called,
  /// which must end the process.
  Pulse(c10::intrusive_ptr<c10d::Store> store, std::size_t rank, std::vector<std::string> names,
        const std::string& holds, std::chrono::milliseconds patience,
        std::function<void(const std::string& why)> dead);
  ~Pulse();
  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;

  /// Error that names the first rank that is lost or has left, with the reason it gave.
  void check() const;
  /// Whether check() throws because a rank is lost, and the others could go on.
  bool lost_one() const;
  /// Error where the others cannot go on, whatever came first: one has left, or all have nowhere to meet.
  void check_end() const;
  /// Rank 0's: whether it has not heard of this rank for longer than the patience.
  bool lost(std::size_t rank) const;

  /// While there is one, this rank waits: for another rank, and `wake` is called again and again once there
  /// is trouble; or for the store, and could not find out that it is gone: then `dead` is called.
  class Wait {
   public:
    Wait(Pulse& pulse, std::function<void()> wake) : pulse_(pulse) { pulse_.waits(false, std::move(wake)); }
    explicit Wait(Pulse& pulse) : pulse_(pulse) { pulse_.waits(true, {}); }
    ~Wait() { pulse_.waits(false, {}); }
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

   private:
    Pulse& pulse_;
  };

  /// Tells all that this rank leaves, and why. On the caller's own connection.
  static void leave(c10d::Store& store, const std::string& name, const std::string& why);

 private:
  using Clock = std::chrono::steady_clock;

  void beat();
  void watch();
  void look();
  void listen();
  void keep(const Trouble& trouble);
  void waits(bool for_store, std::function<void()> wake);
  bool wait(const bool& flag);
  void end(std::thread& thread, bool& flag);

  c10::intrusive_ptr<c10d::Store> store_;
  std::size_t rank_;
  std::vector<std::string> names_;
  std::string place_;
  std::chrono::milliseconds patience_, interval_;
  std::function<void(const std::string&)> dead_;
  // Of those that this rank looks at: what each said last, and when that was new.
  std::vector<std::string> heard_;
  std::vector<Clock::time_point> when_;
  Clock::time_point looked_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false, over_ = false, gone_ = false;
  bool waits_for_store_ = false;
  std::function<void()> wake_waiting_;
  Clock::time_point woken_;  // or began to wait
  std::vector<bool> lost_;
  std::optional<Trouble> first_, end_;  // the first trouble, and the first after which nobody goes on
  Clock::time_point answered_;
  std::thread beating_, watching_;
};

}  // namespace fedval::harness
