// How a long reduction is cut, so that its bits do not depend on the number of threads.
//
//   D entries -> at most 64 slices whose ends depend on D alone; each slice is summed in order, and the
//   slices' sums are added in slice order.
#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <vector>

#ifdef _OPENMP
#include <omp.h>
#define FEDVAL_OMP(directive) _Pragma(#directive)
#else
/// `#pragma` with this directive in programs built with OpenMP, else nothing. Internal.
#define FEDVAL_OMP(directive)  // a pragma of its own would warn in programs built without OpenMP
#endif

namespace fedval::detail {

struct Slices {
  static constexpr std::size_t most = 64, shortest = 1024;

  explicit Slices(std::size_t size) : size_(size) {
    const std::size_t even = (size + most - 1) / most;
    length_ = std::max(shortest, (even + shortest - 1) / shortest * shortest);
  }
  std::size_t count() const { return (size_ + length_ - 1) / length_; }
  std::size_t begin(std::size_t slice) const { return slice * length_; }
  std::size_t end(std::size_t slice) const { return std::min(size_, (slice + 1) * length_); }

 private:
  std::size_t size_, length_;
};

/// Threads that a parallel loop over `work` entries is worth.
inline int threads_for(std::size_t work) {
#ifdef _OPENMP
  constexpr std::size_t worth_a_thread = 1 << 16;  // starting a team costs some microseconds
  if (omp_in_parallel()) return 1;
  return static_cast<int>(
      std::clamp<std::size_t>(work / worth_a_thread, 1, static_cast<std::size_t>(omp_get_max_threads())));
#else
  static_cast<void>(work);
  return 1;
#endif
}

/// Index of the calling thread in its team: below threads_for(work) inside for_each_index and reduce_slices,
/// which always have a team of their own, but not inside for_each_slice, whose team of one is the caller's.
inline std::size_t thread_index() {
#ifdef _OPENMP
  return static_cast<std::size_t>(omp_get_thread_num());
#else
  return 0;
#endif
}

/// Sum over slices of body(partial, begin, end, thread), where `partial` is a zeroed vector of `width`
/// doubles that body adds to, and `thread` is below threads_for(work). `work` is the number of entries read
/// in all. body must not throw.
template <class Body>
std::vector<double> reduce_slices(std::size_t size, std::size_t width, std::size_t work, Body&& body) {
  const Slices slices(size);
  const std::size_t count = slices.count();
  const int team = threads_for(work);
  std::vector<double> total(width, 0.0);
  // As many slices at a time as a bounded memory holds partial sums for: every batch costs a barrier.
  constexpr std::size_t most_partial_sums = std::size_t{1} << 22;
  const std::size_t batch = std::clamp(most_partial_sums / std::max<std::size_t>(1, width),
                                       std::min(static_cast<std::size_t>(team), Slices::most), Slices::most);
  std::vector<std::vector<double>> partial(std::min(batch, count), std::vector<double>(width));
  for (std::size_t first = 0; first < count; first += batch) {
    const std::size_t group = std::min(batch, count - first);
    FEDVAL_OMP(omp parallel for num_threads(team) schedule(dynamic, 1) if (team > 1))
    for (std::size_t s = 0; s < group; ++s) {
      std::fill(partial[s].begin(), partial[s].end(), 0.0);
      body(partial[s], slices.begin(first + s), slices.end(first + s), thread_index());
    }
    for (std::size_t s = 0; s < group; ++s)
      for (std::size_t i = 0; i < width; ++i) total[i] += partial[s][i];
  }
  return total;
}

/// Calls body(begin, end) for every slice, in any order. body must not throw.
template <class Body>
void for_each_slice(std::size_t size, Body&& body) {
  const Slices slices(size);
  const std::size_t count = slices.count();
  const int team = threads_for(size);
  if (team == 1) {  // a team of one is not free either
    for (std::size_t s = 0; s < count; ++s) body(slices.begin(s), slices.end(s));
    return;
  }
  FEDVAL_OMP(omp parallel for num_threads(team) schedule(dynamic, 1))
  for (std::size_t s = 0; s < count; ++s) body(slices.begin(s), slices.end(s));
}

/// Calls body(i) for i in [0, count), in any order; the first exception, by index, is thrown again. `work` is
/// the number of entries read in all.
template <class Body>
void for_each_index(std::size_t count, std::size_t work, Body&& body) {
  std::vector<std::exception_ptr> errors(count);
  [[maybe_unused]] const int team = count < 2 ? 1 : threads_for(work);
  FEDVAL_OMP(omp parallel for num_threads(team) schedule(dynamic, 1) if (team > 1))
  for (std::size_t i = 0; i < count; ++i) {
    try {
      body(i);
    } catch (...) {  // an exception may not leave a parallel loop
      errors[i] = std::current_exception();
    }
  }
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
}

}  // namespace fedval::detail
