#include "harness/federation/workers.hpp"

#include <ATen/Parallel.h>
#include <ATen/ops/ones.h>
#include <omp.h>

#include <atomic>
#include <stdexcept>
#include "tests/doctest_torch.hpp"

using fedval::harness::Workers;

TEST_CASE("every task runs exactly once, on a worker that exists") {
  for (const std::size_t count : {1u, 2u, 5u}) {
    Workers workers(count);
    CHECK(workers.count() == count);
    for (const std::size_t tasks : {0u, 1u, 2u, 100u}) {
      std::vector<std::atomic<int>> runs(tasks);
      std::atomic<bool> worker_exists = true;
      workers.for_each(tasks, [&](std::size_t task, std::size_t worker) {
        ++runs[task];
        if (worker >= count) worker_exists = false;
      });
      CHECK(worker_exists);
      for (const auto& run : runs) CHECK(run == 1);
    }
  }
}

TEST_CASE("fedval's loops on the calling thread keep their threads after LibTorch has computed there") {
  Workers workers(3);
  CHECK(at::ones({10}).sum().item().toDouble() == 10);
  at::parallel_for(0, 1 << 20, 1, [](std::int64_t, std::int64_t) {});
  CHECK(omp_get_max_threads() == 3);
  workers.for_each(1, [](std::size_t, std::size_t) { CHECK(at::get_num_threads() == 1); });
}

TEST_CASE("no two tasks share a worker at the same time") {
  Workers workers(2);
  std::vector<std::atomic<int>> busy(2);
  std::atomic<bool> alone = true;
  workers.for_each(200, [&](std::size_t, std::size_t worker) {
    if (++busy[worker] > 1) alone = false;
    --busy[worker];
  });
  CHECK(alone);
}

TEST_CASE("the exception of the lowest task arrives, after all tasks have ended, and the workers go on") {
  Workers workers(2);
  std::atomic<int> ended = 0;
  std::string message;
  try {
    workers.for_each(20, [&](std::size_t task, std::size_t) {
      ++ended;
      if (task % 5 == 3) throw std::runtime_error("task " + std::to_string(task));
    });
  } catch (const std::runtime_error& error) {
    message = error.what();
  }
  CHECK(message == "task 3");
  CHECK(ended == 20);
  workers.for_each(3, [&](std::size_t, std::size_t) { ++ended; });
  CHECK(ended == 23);
}
