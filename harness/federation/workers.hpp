// The threads that clients train on, side by side, and everything that pins who computes with how many.
//
// A client trains on one thread whatever the number of workers, because LibTorch's bits depend on its own
// thread count; so a run gives the same bits with any number of workers.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace fedval::harness {

class Workers {
 public:
  /// Starts `count` threads (0: one a core), pins LibTorch and its matrix library to one thread on each of
  /// them, and gives fedval's own loops, on the calling thread, `count` threads. Error when the threads
  /// cannot be started.
  explicit Workers(std::size_t count);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  std::size_t count() const { return threads_.size(); }

  /// Calls body(task, worker) for every task in [0, tasks), each on one of the workers in [0, count()), and
  /// waits. When some throw, the exception of the lowest task is thrown here, after all have ended.
  void for_each(std::size_t tasks, const std::function<void(std::size_t task, std::size_t worker)>& body);

 private:
  void serve(std::size_t worker);
  void stop();

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  const std::function<void(std::size_t, std::size_t)>* body_ = nullptr;
  std::size_t tasks_ = 0, next_ = 0, running_ = 0, failed_task_ = 0;
  std::exception_ptr failure_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace fedval::harness
