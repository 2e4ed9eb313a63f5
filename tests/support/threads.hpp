// A number of OpenMP threads for the length of a scope.
#pragma once

#ifdef _OPENMP
#include <omp.h>
#endif

namespace fedval::tests {

class Threads {
 public:
#ifdef _OPENMP
  explicit Threads(int count) : before_(omp_get_max_threads()) { omp_set_num_threads(count); }
  ~Threads() { omp_set_num_threads(before_); }
#else
  explicit Threads(int) {}
  ~Threads() = default;
#endif
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  [[maybe_unused]] int before_ = 1;
};

}  // namespace fedval::tests
