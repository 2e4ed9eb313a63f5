// Inner product of two short vectors, fast, in an order that no number of threads changes:
//
//   <a, b> = sum_k a_k b_k,  in eight lanes k mod 8, which are added at the end
#pragma once

#include <array>
#include <cstddef>
#include <span>

namespace fedval::detail {

/// <a, b> of vectors of one size, in eight lanes, so that compilers vectorise it; lanes are also more exact
/// than one running sum. A loop that needs several products calls it several times: g++ 12 does not
/// vectorise lanes of three sums at once.
inline double block_dot(std::span<const double> a, std::span<const double> b) {
  std::array<double, 8> sums{};
  const std::size_t rest = a.size() % 8, whole = a.size() - rest;
  for (std::size_t k = 0; k < whole; k += 8)
#pragma GCC unroll 8
    for (std::size_t lane = 0; lane < 8; ++lane) sums[lane] += a[k + lane] * b[k + lane];
  for (std::size_t lane = 0; lane < rest; ++lane) sums[lane] += a[whole + lane] * b[whole + lane];
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

}  // namespace fedval::detail
