// Which directions are worth their queries: every law and difference on one function at the same cost.
//
//   ./bazelw run //examples:gradients
//
// A logistic loss in 60 dimensions, exact, and with an error of 1e-3 an evaluation, where mu is measured
// first. Means over 100 estimates. Guided directions get the true gradient plus an error of its own length.
#include <cstdio>
#include <exception>

#include "examples/gradient_error.hpp"
#include "fedval/random/fill.hpp"
#include "fedval/zeroth_order/smoothing.hpp"

int main() try {
  using namespace gradient_error;
  constexpr std::size_t dimension = 60, runs = 100;
  const Point x(dimension, 0.1);
  for (const double noise : {0.0, 1e-3})
    for (const std::size_t queries : {20, 120}) {
      Logistic f(dimension, noise, 3);
      const Point truth = f.gradient(x);
      Point guide = truth, error(dimension);
      fedval::random::sphere({8, 0}, error);
      fedval::axpy(fedval::norm(truth), error, guide);

      std::printf("%zu queries, error of f %g\n%-30s %10s %8s %10s %8s\n", queries, noise, "estimator",
                  "raw error", "cosine", "rescaled", "us");
      for (auto& [name, options] : estimates(queries, dimension, guide)) {
        if (noise > 0)
          options.smoothing =
              zo::choose_smoothing(f, x, {.directions = options.directions, .difference = options.difference})
                  .radius;
        const Errors errors = measure(f, x, truth, options, runs);
        std::printf("%-30s %10.3f %8.3f %10.3f %8.1f\n", name.c_str(), errors.raw, errors.cosine,
                    errors.rescaled, errors.microseconds);
      }
      std::printf("\n");
    }
  std::printf(
      "raw error: squared, relative to the gradient's squared length; rescaled: after the best common "
      "factor;\n"
      "us: microseconds an estimate, f left out.\n");
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
