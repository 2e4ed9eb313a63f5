// mistake: -DMISTAKE=3
// says g++: satisfaction of ... Agree<C, R2>
// says clang++: because 'Agree<
// Matrices whose sizes are known when they are compiled are multiplied where the sizes agree.
#include "fedval/linalg/matrix.hpp"

#ifndef MISTAKE
#define MISTAKE 2
#endif

auto f(const fedval::linalg::Matrix<double, 4, 2>& a, const fedval::linalg::Matrix<double, MISTAKE, 5>& b) {
  return a * b;
}
