// mistake: -DMISTAKE
// says g++: satisfaction of ... InPlaceObjective<F>
// says clang++: does not satisfy 'InPlaceObjective'
// What descends in place reads its parameters where they lie: nothing is handed to it.
#include <vector>

#include "fedval/tensor/std.hpp"
#include "fedval/zeroth_order/in_place.hpp"

auto f(std::vector<double>& x) {
#ifdef MISTAKE
  const auto loss = [](const std::vector<double>& p) { return p[0]; };
#else
  const auto loss = [&] { return x[0]; };
#endif
  fedval::zeroth_order::InPlace descent;
  return descent(loss, x).queries;
}
