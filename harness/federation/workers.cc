#include "harness/federation/workers.hpp"

#include <ATen/Parallel.h>
#include <malloc.h>
#include <omp.h>

#include <algorithm>

#include "fedval/error.hpp"
#include "harness/libtorch.hpp"

// OpenBLAS keeps threads of its own, which would compete with the workers. Weak: another BLAS has no such
// function.
extern "C" void openblas_set_num_threads(int) __attribute__((weak));

namespace fedval::harness {

namespace {

void pin_threads(std::size_t workers) {
  at::set_num_threads(1);
  libtorch::settle_threads();  // it would undo what follows
  if (openblas_set_num_threads != nullptr) openblas_set_num_threads(1);
  omp_set_num_threads(static_cast<int>(workers));  // this thread's loops are fedval's
  // Activations are some MiB each. Above its default threshold malloc maps and unmaps every one of them, and
  // the page faults cost a third of the training time.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 64 << 20);
}

}  // namespace

Workers::Workers(std::size_t count) {
  if (count == 0) count = std::max(1u, std::thread::hardware_concurrency());
  pin_threads(count);
  try {
    for (std::size_t worker = 0; worker < count; ++worker)
      threads_.emplace_back([this, worker] { serve(worker); });
  } catch (const std::exception& error) {  // the system has no more threads to give
    stop();
    fail("threads: only ", threads_.size(), " of ", count, " could be started: ", error.what());
  }
}

Workers::~Workers() { stop(); }

void Workers::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Workers::for_each(std::size_t tasks, const std::function<void(std::size_t, std::size_t)>& body) {
  std::unique_lock lock(mutex_);
  body_ = &body;
  tasks_ = tasks;
  next_ = 0;
  failure_ = nullptr;
  wake_.notify_all();
  done_.wait(lock, [this] { return next_ == tasks_ && running_ == 0; });
  body_ = nullptr;
  tasks_ = next_ = 0;
  if (failure_) std::rethrow_exception(failure_);
}

void Workers::serve(std::size_t worker) {
  at::set_num_threads(1);
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || next_ < tasks_; });
    if (stop_) return;
    const std::size_t task = next_++;
    ++running_;
    const auto& body = *body_;
    lock.unlock();
    std::exception_ptr failure;
    try {
      body(task, worker);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure && (!failure_ || task < failed_task_)) {
      failure_ = failure;
      failed_task_ = task;
    }
    if (--running_ == 0 && next_ == tasks_) done_.notify_all();
  }
}

}  // namespace fedval::harness
