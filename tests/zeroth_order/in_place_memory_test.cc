// What a step in place allocates: nothing that grows with the parameters, or a byte an entry.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "fedval/tensor/std.hpp"
#include "fedval/zeroth_order/in_place.hpp"

namespace {

// Every allocation keeps its size in front of it.
constexpr std::size_t header = 64;
std::atomic<std::size_t> held = 0, peak = 0;

void* allocate(std::size_t size, std::size_t alignment) {
  const std::size_t rounded = (size + header + alignment - 1) / alignment * alignment;
  auto* block = static_cast<char*>(std::aligned_alloc(std::max(alignment, header), (rounded + 63) / 64 * 64));
  if (block == nullptr || alignment > header) throw std::bad_alloc();
  *reinterpret_cast<std::size_t*>(block) = size;
  const std::size_t now = held += size;
  for (std::size_t most = peak; now > most && !peak.compare_exchange_weak(most, now);) {
  }
  return block + header;
}

void release(void* pointer) {
  if (pointer == nullptr) return;
  char* block = static_cast<char*>(pointer) - header;
  held -= *reinterpret_cast<std::size_t*>(block);
  std::free(block);
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size, 16); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* pointer) noexcept { release(pointer); }
void operator delete(void* pointer, std::size_t) noexcept { release(pointer); }
void operator delete(void* pointer, std::align_val_t) noexcept { release(pointer); }
void operator delete(void* pointer, std::size_t, std::align_val_t) noexcept { release(pointer); }

using namespace fedval;
using namespace fedval::zeroth_order;

namespace {

/// Bytes held at the worst moment of two steps and a replay, beside what was held before.
template <class S>
std::size_t bytes_of_steps(const Directions& directions, std::size_t size, bool exact) {
  std::vector<S> x(size);
  random::fill({random::Law::gaussian, {3023, 1}}, x);
  scale(0.02, x);  // as a network's weights are
  double value = 0;
  const std::size_t before = held;
  peak = before;
  InPlace descent({.directions = directions, .exact_restore = exact});
  std::vector<SeedStep> records;
  for (int t = 0; t < 2; ++t) records.push_back(descent([&] { return value += 1; }, x).record);
  descent.replay(records, x);
  return peak - before;
}

constexpr std::size_t some = 100000, many = 800000;

}  // namespace

TEST_CASE("the counting counts") {
  const std::size_t before = held;
  peak = before;
  { const std::vector<double> x(1000); }
  CHECK(peak - before == 8000);
  CHECK(held == before);
}

TEST_CASE("without exact restoring a step holds as much for few parameters as for many: some kilobytes") {
  for (const Directions& directions : {gaussian(4), rademacher(4), sphere(4), l1_sphere(4), hadamard(4)}) {
    CAPTURE(directions.name);
    const std::size_t few = bytes_of_steps<float>(directions, some, false);
    CHECK(few < 65536);
    CHECK(bytes_of_steps<float>(directions, many, false) <= few + 1024);
  }
}

TEST_CASE("exact restoring: a byte an entry, and eight for each of the few that a byte does not hold") {
  // With mu = 1e-3 and |x| ~ 0.02 the way back misses x by at most half a unit in the last place of |x| + mu
  // |u|. More than 127 units of x's own it can only be where |x| < 2^-7 mu |u|, about: P(|x| < 8e-6 |u|) with
  // x of deviation 0.02 is below 8e-6 E|u| 2 phi(0) / 0.02 = 2.5e-4. Twice as many, eight bytes each, and
  // twice that for vectors that grow, by doubling: below 2 % of a byte.
  for (const Directions& directions : {gaussian(2), rademacher(2)})
    for (const std::size_t size : {some, many}) {
      CAPTURE(directions.name);
      CAPTURE(size);
      const std::size_t bytes = bytes_of_steps<float>(directions, size, true);
      CHECK(bytes >= size);
      CHECK(static_cast<double>(bytes) < 1.02 * static_cast<double>(size) + 65536);
    }
}
