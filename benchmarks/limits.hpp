// What no program can beat: one read of the data, and the multiply-adds alone.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "fedval/tensor/panel_gram.hpp"

namespace fedval::benchmarks {

/// Sums 16 lanes: the least a program can do with every entry.
inline float read_once(std::span<const float> values) {
  constexpr std::size_t lanes = 16;
  std::array<float, lanes> sum{};
  for (std::size_t i = 0; i + lanes <= values.size(); i += lanes)
    for (std::size_t lane = 0; lane < lanes; ++lane) sum[lane] += values[i + lane];
  return sum[0];
}

/// `count` multiply-adds of doubles in registers, enough of them independent to hide their latency.
inline double multiply_add(std::size_t count) {
  using fedval::detail::Register;
  constexpr std::size_t chains = 12, step = sizeof(Register) / sizeof(double);
  volatile double near_one = 0.999;
  const Register factor = Register{} + near_one;
  Register sums[chains];
  for (std::size_t c = 0; c < chains; ++c) sums[c] = factor * static_cast<double>(c);
  for (std::size_t i = 0; i < count; i += chains * step) {
#pragma GCC unroll 16
    for (std::size_t c = 0; c < chains; ++c) sums[c] = sums[c] * factor + factor;
  }
  double total = 0;
  for (const Register& sum : sums) total += sum[0];
  return total;
}

}  // namespace fedval::benchmarks
