// Inner product of two short vectors, fast, in an order that no number of threads changes:
//
//   <a, b> = sum_k a_k b_k,  in eight lanes k mod 8, which are added at the end
#pragma once

#include <array>
#include <cstddef>

namespace fedval::detail {

/// <a, b> of `size` entries each, floats or doubles, in eight lanes, so that compilers vectorise it; lanes
/// are also more exact than one running sum. A loop that needs several products calls it several times: g++
/// 12 does not vectorise lanes of three sums at once.
template <class A, class B>
double block_dot(const A* a, const B* b, std::size_t size) {
  std::array<double, 8> sums{};
  const std::size_t rest = size % 8, whole = size - rest;
  const auto product = [&](std::size_t k) { return static_cast<double>(a[k]) * static_cast<double>(b[k]); };
  for (std::size_t k = 0; k < whole; k += 8)
#pragma GCC unroll 8
    for (std::size_t lane = 0; lane < 8; ++lane) sums[lane] += product(k + lane);
  for (std::size_t lane = 0; lane < rest; ++lane) sums[lane] += product(whole + lane);
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

}  // namespace fedval::detail
