// mistake: -DMISTAKE
// says g++: satisfaction of ... Step<S>
// says clang++: does not satisfy 'Step'
// A step moves x against a gradient.
#include <vector>

#include "fedval/tensor/std.hpp"
#include "fedval/zeroth_order/minimise.hpp"

namespace zo = fedval::zeroth_order;

#ifdef MISTAKE
struct Mine {
  void apply(double& x, double g) { x -= g; }
};
#else
using Mine = zo::Sgd;
#endif

auto f(std::vector<double>& x) {
  return zo::minimise([](const std::vector<double>& p) { return p[0] * p[0]; }, x, Mine(), {}, {.queries = 10});
}
