// Pins every library in a benchmark to one thread, so that ratios compare algorithms and not thread counts.
#pragma once

#include <ATen/Parallel.h>
#include <omp.h>

#include <Eigen/Core>

extern "C" void openblas_set_num_threads(int) __attribute__((weak));

namespace fedval::benchmarks {

inline void one_thread() {
  at::set_num_threads(1);
  omp_set_num_threads(1);
  Eigen::setNbThreads(1);
  if (openblas_set_num_threads != nullptr) openblas_set_num_threads(1);
}

}  // namespace fedval::benchmarks
