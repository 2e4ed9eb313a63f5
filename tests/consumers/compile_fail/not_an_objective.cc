// mistake: -DMISTAKE
// says g++: satisfaction of ... Objective<F, X>
// says clang++: because 'Objective<
// An objective gives a number for a point.
#include <string>
#include <vector>

#include "fedval/tensor/std.hpp"
#include "fedval/zeroth_order/gradient.hpp"

#ifdef MISTAKE
using Value = std::string;
#else
using Value = double;
#endif

auto f(const std::vector<double>& x) {
  return fedval::zeroth_order::gradient([](const std::vector<double>&) { return Value(); }, x, {});
}
