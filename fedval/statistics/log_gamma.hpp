// ln |Gamma(x)|, from any number of threads at once.
//
// std::lgamma stores the sign of Gamma in a global variable, as POSIX has it, so two threads that call it
// race; lgamma_r writes it where it is told. Windows has neither the variable nor lgamma_r.
#pragma once

#include <cmath>

namespace fedval::statistics {

/// ln |Gamma(x)| by the C library; infinite at 0, -1, -2, ...
inline double log_gamma(double x) {
#ifdef _WIN32
  return std::lgamma(x);
#else
  int sign = 0;
  return ::lgamma_r(x, &sign);
#endif
}

/// ln B(a, b), B(a, b) = Gamma(a) Gamma(b) / Gamma(a + b), the beta function, for a, b > 0.
inline double log_beta(double a, double b) { return log_gamma(a) + log_gamma(b) - log_gamma(a + b); }

}  // namespace fedval::statistics
