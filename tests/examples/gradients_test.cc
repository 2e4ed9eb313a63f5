// What docs/zeroth_order.md says of the directions, on a function that the example does not use.
#include <doctest/doctest.h>

#include <cstdio>
#include <map>
#include <memory>
#include <string>

#include "examples/gradient_error.hpp"
#include "fedval/zeroth_order/smoothing.hpp"

using namespace gradient_error;

namespace {

constexpr std::uint64_t seed = 907;
constexpr std::size_t dimension = 32, runs = 150;

/// Errors of every estimate by name, at `queries` queries of a function with this error an evaluation.
std::map<std::string, Errors> errors_at(std::size_t queries, double noise) {
  Logistic f(dimension, noise, seed);
  const Point x(dimension, 0.1), truth = f.gradient(x);
  std::map<std::string, Errors> found;
  for (auto& [name, options] : estimates(queries, dimension, truth)) {
    if (noise > 0)
      options.smoothing =
          zo::choose_smoothing(f, x, {.directions = options.directions, .difference = options.difference})
              .radius;
    found[name] = measure(f, x, truth, options, runs);
  }
  return found;
}

}  // namespace

TEST_CASE("a basis is exact where f is, up to the error of the difference; random directions see half") {
  CAPTURE(seed);
  auto errors = errors_at(2 * dimension, 0);
  for (const char* name : {"coordinates", "orthogonal", "hadamard", "gaussian, least squares"}) {
    CAPTURE(name);
    CHECK(errors[name].raw < 1e-6);
  }
  // (d - 1) / d and (d + 1) / d; a mean of 150 errors, each with a standard deviation of at most one half.
  CHECK(errors["sphere"].raw == doctest::Approx(31.0 / 32).epsilon(0.2));
  CHECK(errors["gaussian"].raw == doctest::Approx(33.0 / 32).epsilon(0.2));
  CHECK(errors["sphere"].rescaled == doctest::Approx(0.5).epsilon(0.1));
}

TEST_CASE("one query a direction buys twice the directions") {
  CAPTURE(seed);
  auto exact = errors_at(12, 0), noisy = errors_at(12, 1e-3);
  CHECK(exact["sphere, leave-one-out"].raw < 0.7 * exact["sphere"].raw);
  CHECK(exact["sphere, forward"].raw < 0.7 * exact["sphere"].raw);
  CHECK(noisy["sphere, leave-one-out"].raw < noisy["sphere, forward"].raw);
}

TEST_CASE("shrinking is a factor, l1 directions cost twice, least squares near m = d multiplies noise") {
  CAPTURE(seed);
  auto few = errors_at(12, 0), many = errors_at(2 * dimension, 1e-3);
  CHECK(few["sphere, shrunk"].cosine == doctest::Approx(few["sphere"].cosine).epsilon(1e-9));
  CHECK(few["sphere, shrunk"].raw < 1);
  CHECK(few["l1 sphere"].raw > 1.5 * few["sphere"].raw);
  CHECK(many["gaussian, least squares"].raw > 10 * many["orthogonal"].raw);
}

TEST_CASE("a guide that is the gradient gives it away; without bias, what is outside its span costs all") {
  CAPTURE(seed);
  auto errors = errors_at(12, 0);
  CHECK(errors["guided"].cosine > 0.9);
  CHECK(errors["guided, unbiased"].raw > errors["gaussian"].raw);
}

TEST_CASE("the program prints its four tables") {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> program(popen("examples/gradients", "r"), pclose);
  REQUIRE(program != nullptr);
  std::string printed;
  for (int c = std::fgetc(program.get()); c != EOF; c = std::fgetc(program.get()))
    printed += static_cast<char>(c);
  for (const char* table : {"20 queries, error of f 0\n", "120 queries, error of f 0\n",
                            "20 queries, error of f 0.001\n", "120 queries, error of f 0.001\n"})
    CHECK(printed.find(table) != std::string::npos);
  CHECK(printed.find("nan") == std::string::npos);
  CHECK(printed.find("hadamard") != std::string::npos);
}
