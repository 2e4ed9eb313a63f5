// mistake: -DMISTAKE
// says g++: fedval::MutableTensorView&
// says clang++: does not satisfy 'MutableTensor'
// What is written to must not be const.
#include <vector>

#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/std.hpp"

#ifdef MISTAKE
void f(const std::vector<float>& weights) { fedval::scale(2, weights); }
#else
void f(std::vector<float>& weights) { fedval::scale(2, weights); }
#endif
