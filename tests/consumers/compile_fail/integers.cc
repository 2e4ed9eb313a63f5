// mistake: -DMISTAKE
// says g++: fedval::TensorView&
// says clang++: does not satisfy 'Tensor'
// An update of integers is a mistake: it would be rounded.
#include <vector>

#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/std.hpp"

#ifdef MISTAKE
using Scalar = int;
#else
using Scalar = double;
#endif

double f(const std::vector<Scalar>& weights) { return fedval::norm(weights); }
