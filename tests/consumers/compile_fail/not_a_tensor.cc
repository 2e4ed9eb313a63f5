// mistake: -DMISTAKE
// says g++: fedval::TensorView&
// says clang++: does not satisfy 'Tensor'
// A list's entries do not lie in one memory that fedval could look at.
#include <list>
#include <vector>

#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/std.hpp"

#ifdef MISTAKE
using Weights = std::list<float>;
#else
using Weights = std::vector<float>;
#endif

double f(const Weights& weights) { return fedval::norm(weights); }
