// mistake: -DMISTAKE
// says g++: satisfaction of ... BatchObjective<F, X>
// says clang++: because 'BatchObjective<
// A function of a batch takes all samples at once.
#include <vector>

#include "fedval/tensor/std.hpp"
#include "fedval/zeroth_order/per_sample.hpp"

using Rows = std::vector<std::vector<double>>;

#ifdef MISTAKE
double value(double sample) { return sample; }
#else
std::vector<double> value(const Rows& x) { return std::vector<double>(x.size()); }
#endif

auto f(const Rows& x) { return fedval::zeroth_order::per_sample_gradient(value, x); }
