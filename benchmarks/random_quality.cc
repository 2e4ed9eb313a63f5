// The random numbers' laws, tested on 1e8 draws of each: moments to order 8, chi-square, Kolmogorov-Smirnov,
// serial correlation and correlation between streams. Every line is a z-score (or a probability); with the
// number of lines printed, one beyond 4 (or below 1e-4) asks for a look. Exit code 1 where one is beyond 6.
//
//   ./bazelw run //benchmarks:random_quality [-- DRAWS [SEED]]
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <span>
#include <string>
#include <vector>

#include "fedval/random/fill.hpp"
#include "fedval/tensor/std.hpp"

namespace {

using fedval::random::Key;
using fedval::random::Law;

struct Shape {
  const char* name;
  Law law;
  double (*moment)(int k);  ///< E z^k
  double (*cdf)(double z);  ///< none for a law of two points
};

double factorial(int k) { return k < 2 ? 1 : k * factorial(k - 1); }
double gaussian_moment(int k) { return k % 2 != 0 ? 0 : k < 2 ? 1 : (k - 1) * gaussian_moment(k - 2); }
double laplace_moment(int k) { return k % 2 != 0 ? 0 : factorial(k); }
double uniform_moment(int k) { return 1.0 / (k + 1); }
double sign_moment(int k) { return k % 2 != 0 ? 0 : 1; }
double gaussian_cdf(double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); }
double laplace_cdf(double z) { return z < 0 ? 0.5 * std::exp(z) : 1 - 0.5 * std::exp(-z); }
double uniform_cdf(double z) { return std::clamp(z, 0.0, 1.0); }

int alarms = 0;
int lines = 0;

void report(const std::string& what, double z) {
  std::printf("  %-34s %8.3f%s\n", what.c_str(), z, std::abs(z) > 4 ? "  <-- look" : "");
  ++lines;
  if (!(std::abs(z) <= 6)) ++alarms;
}

/// What a pass over the numbers adds up.
struct Sums {
  std::array<double, 9> powers{};
  std::array<double, 4> serial{}, streams{};
  std::vector<std::uint64_t> bins = std::vector<std::uint64_t>(1 << 12);
};

constexpr std::array<std::size_t, 4> lags{1, 2, 16, 128};

void test(const Shape& shape, std::uint64_t draws, std::uint64_t seed) {
  std::printf("%s\n", shape.name);
  const std::array<Key, 5> keys{Key{seed, 0}, Key{seed, 1}, Key{seed, 2}, Key{seed + 1, 0},
                                Key{seed, 1ULL << 32}};
  constexpr std::size_t part = 1 << 20;
  std::array<std::vector<float>, 5> numbers;
  for (auto& stream : numbers) stream.resize(part);
  Sums sums;
  const double mean = shape.moment(1), variance = shape.moment(2) - mean * mean;
  std::uint64_t pairs = 0;
  for (std::uint64_t begin = 0; begin < draws; begin += part) {
    const std::size_t count = std::min<std::uint64_t>(part, draws - begin);
    for (std::size_t k = 0; k < keys.size(); ++k)
      fedval::random::fill({shape.law, keys[k]}, std::span(numbers[k].data(), count), begin);
    const std::vector<float>& own = numbers[0];
    for (std::size_t i = 0; i < count; ++i) {
      double power = 1;
      for (int k = 1; k <= 8; ++k) sums.powers[static_cast<std::size_t>(k)] += power *= own[i];
      if (shape.cdf != nullptr) {
        const double p = shape.cdf(own[i]) * static_cast<double>(sums.bins.size());
        ++sums.bins[std::min(sums.bins.size() - 1, static_cast<std::size_t>(p))];
      }
      for (std::size_t k = 0; k < 4; ++k) sums.streams[k] += (own[i] - mean) * (numbers[k + 1][i] - mean);
    }
    for (std::size_t i = 0; i + lags.back() < count; ++i)
      for (std::size_t k = 0; k < lags.size(); ++k)
        sums.serial[k] += (own[i] - mean) * (own[i + lags[k]] - mean);
    pairs += count > lags.back() ? count - lags.back() : 0;
  }
  const auto n = static_cast<double>(draws);
  for (int k = 1; k <= 8; ++k) {
    const double expected = shape.moment(k), spread = shape.moment(2 * k) - expected * expected;
    if (spread > 0)
      report("moment " + std::to_string(k),
             (sums.powers[static_cast<std::size_t>(k)] / n - expected) / std::sqrt(spread / n));
  }
  if (shape.cdf != nullptr) {
    const double expected = n / static_cast<double>(sums.bins.size());
    double chi = 0, above = 0, farthest = 0;
    for (std::size_t b = 0; b < sums.bins.size(); ++b) {
      const double off = static_cast<double>(sums.bins[b]) - expected;
      chi += off * off / expected;
      farthest = std::max(farthest, std::abs(above += off));
    }
    const auto freedom = static_cast<double>(sums.bins.size() - 1);
    report("chi-square, 4096 bins", (chi - freedom) / std::sqrt(2 * freedom));
    // Kolmogorov's law at the bins' borders, P(sqrt(n) D > t) = 2 sum (-1)^(k-1) exp(-2 k^2 t^2), as a
    // z-score.
    const double t = farthest / std::sqrt(n);
    double p = 0;
    for (int k = 1; k < 50; ++k) p += 2 * (k % 2 != 0 ? 1 : -1) * std::exp(-2.0 * k * k * t * t);
    double z = 0;  // where 2 (1 - Phi(z)) = p
    for (int digit = 2; digit > -20; --digit)
      if (const double step = std::ldexp(1.0, digit); std::erfc((z + step) / std::sqrt(2.0)) > p) z += step;
    report("Kolmogorov-Smirnov (z of its p)", z);
  }
  for (std::size_t k = 0; k < lags.size(); ++k)
    report("serial correlation, lag " + std::to_string(lags[k]),
           sums.serial[k] / variance / std::sqrt(static_cast<double>(pairs)));
  const std::array<const char*, 4> others{"stream + 1", "stream + 2", "seed + 1", "stream + 2^32"};
  for (std::size_t k = 0; k < others.size(); ++k)
    report(std::string("correlation with ") + others[k], sums.streams[k] / variance / std::sqrt(n));
}

}  // namespace

int main(int argc, char** argv) try {
  const std::uint64_t draws = argc > 1 ? static_cast<std::uint64_t>(std::atof(argv[1])) : 100000000;
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  std::printf("z-scores over %.3g draws, seed %lu\n", static_cast<double>(draws),
              static_cast<unsigned long>(seed));
  for (const Shape& shape : {Shape{"gaussian", Law::gaussian, gaussian_moment, gaussian_cdf},
                             Shape{"laplace", Law::laplace, laplace_moment, laplace_cdf},
                             Shape{"uniform", Law::uniform, uniform_moment, uniform_cdf},
                             Shape{"rademacher", Law::rademacher, sign_moment, nullptr}})
    test(shape, draws, seed);
  std::printf("%d lines, %d beyond 6\n", lines, alarms);
  return alarms == 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
