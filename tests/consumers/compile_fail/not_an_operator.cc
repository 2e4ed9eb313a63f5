// mistake: -DMISTAKE
// says g++: satisfaction of ... BlockOperator<Operator>
// says clang++: does not satisfy 'BlockOperator'
// A matrix that is known by its products multiplies blocks of vectors.
#include <algorithm>

#include "fedval/linalg/lanczos_quadrature.hpp"

struct Identity {
  static std::size_t size() { return 3; }
#ifdef MISTAKE
  static double apply(double x) { return x; }
#else
  static void apply(std::span<const double> in, std::span<double> out) {
    std::copy(in.begin(), in.end(), out.begin());
  }
#endif
};

auto f(std::vector<double> start) {
  return fedval::linalg::lanczos_quadrature(Identity(), std::move(start), [](double x) { return x; });
}
