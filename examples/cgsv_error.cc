// The error of the cosine gradient Shapley value's approximations against the exact value.
//
//   ./bazelw run //examples:cgsv_error
//
// Reported numbers are means over the authors' runs; measured ones are over the rounds given here, with the
// standard deviation of a single round.
#include <cmath>
#include <cstdio>
#include <exception>

#include "examples/cgsv_error.hpp"

int main() try {
  using namespace cgsv_error;
  std::printf("%3s %6s %7s | %-28s | %-28s | %-28s\n", "N", "d", "rounds", "psi: mean, sd, reported",
              "plain Monte Carlo", "cyclic-shift Monte Carlo");
  for (const Setting& setting : settings) {
    const int rounds = setting.d > 10000 ? 20 : 300;
    const Errors errors = measure(setting.n, setting.d, rounds, 1);
    std::printf("%3zu %6zu %7d | %8.4f %8.4f %10.4f | %8.4f %8.4f %10.4f | %8.4f %8.4f %10.4f\n", setting.n,
                setting.d, rounds, errors.psi.mean, errors.psi.deviation, setting.psi, errors.plain.mean,
                errors.plain.deviation, setting.plain, errors.cyclic.mean, errors.cyclic.deviation,
                setting.cyclic);
  }
  std::printf("\npsi, N = 10: the error falls as 1 / sqrt(d)\n%6s %10s %18s\n", "d", "error",
              "error sqrt(d)");
  for (const std::size_t d : {100UL, 300UL, 1000UL, 3000UL, 10000UL}) {
    const double error = measure(10, d, d > 2000 ? 20 : 100, 2).psi.mean;
    std::printf("%6zu %10.5f %18.3f\n", d, error, error * std::sqrt(static_cast<double>(d)));
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
