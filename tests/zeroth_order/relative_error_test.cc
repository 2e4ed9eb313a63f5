// E ||g^ - g||^2 / ||g||^2 of every estimator on affine functions, where it is known in closed form.
#include <bit>

#include "tests/zeroth_order/estimates.hpp"

using namespace fedval;
using namespace fedval::zeroth_order;
using tests::Mean;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 2017;
constexpr double mu = 0.25;  // far from 1, so that a factor of mu shows

/// The mean of ||g^ - g||^2 / ||g||^2 at a random point, against `expected`.
void check_relative_error(GradientOptions options, std::size_t d, double expected) {
  random::Stream stream(seed, d);
  const Values x = tests::normals(stream, d), slope = tests::normals(stream, d, 3);
  options.seed = seed + d;
  const std::string label = tests::label_of(options, d);
  CAPTURE(label);
  tests::check_mean_of(options, tests::Affine{slope, 0.5}, x, expected, [&](const Values& g) {
    return tests::distance_squared(g, slope) / tests::square_of(slope);
  });
}

double real(std::size_t n) { return static_cast<double>(n); }

}  // namespace

TEST_CASE("Gaussian directions: (d + 1) / m") {
  CAPTURE(seed);
  // Heavy tails: ||g^||^2 is a product of fourth powers of Gaussians.
  check_relative_error({.directions = gaussian(1), .smoothing = mu}, 5, 6);
  check_relative_error({.directions = gaussian(4), .difference = forward, .smoothing = mu}, 5, 6.0 / 4);
  check_relative_error({.directions = gaussian(9), .difference = five_point, .smoothing = mu}, 3, 4.0 / 9);
  check_relative_error({.directions = gaussian(3), .smoothing = mu}, 1, 2.0 / 3);
}

TEST_CASE("independent directions of fixed length: (d - 1) / m") {
  CAPTURE(seed);
  for (const std::size_t m : {1UL, 7UL})
    for (const Difference& difference : {forward, central}) {
      const std::size_t d = 6;
      const double expected = real(d - 1) / real(m);
      check_relative_error({.directions = sphere(m), .difference = difference, .smoothing = mu}, d, expected);
      check_relative_error({.directions = rademacher(m), .difference = difference, .smoothing = mu}, d,
                           expected);
      check_relative_error(
          {.directions = coordinates(m, Replacement::with), .difference = difference, .smoothing = mu}, d,
          expected);
    }
}

TEST_CASE("orthogonal directions: (d - m) / m") {
  CAPTURE(seed);
  const std::size_t d = 8;
  for (const std::size_t m : {1UL, 5UL})
    for (const Difference& difference : {forward, central}) {
      const double expected = real(d - m) / real(m);
      check_relative_error({.directions = orthogonal(m), .difference = difference, .smoothing = mu}, d,
                           expected);
      check_relative_error({.directions = hadamard(m), .difference = difference, .smoothing = mu}, d,
                           expected);
      check_relative_error({.directions = coordinates(m), .difference = difference, .smoothing = mu}, d,
                           expected);
    }
}

TEST_CASE("orthogonal directions with the lengths of Gaussian ones: (d + 2) / m - 1") {
  CAPTURE(seed);
  for (const std::size_t m : {1UL, 3UL, 6UL})
    check_relative_error({.directions = orthogonal(m, Norms::chi), .smoothing = mu}, 6, 8 / real(m) - 1);
}

TEST_CASE("Hadamard rows cut to d columns: d/m - 1 + (m-1)(n-d) / (m(n-1))") {
  CAPTURE(seed);
  for (const std::size_t d : {3UL, 5UL, 6UL})
    for (const std::size_t m : {2UL, 3UL, 7UL}) {
      const double n = real(std::bit_ceil(d));
      if (real(m) >= n) continue;
      const double expected = real(d) / real(m) - 1 + real(m - 1) * (n - real(d)) / (real(m) * (n - 1));
      check_relative_error({.directions = hadamard(m), .difference = forward, .smoothing = mu}, d, expected);
    }
}

TEST_CASE("least squares in the span of m < d directions: 1 - m/d, and the mean is (m/d) g") {
  CAPTURE(seed);
  const std::size_t d = 6;
  random::Stream stream(seed, 1);
  const Values x = tests::normals(stream, d), slope = tests::normals(stream, d, 3);
  for (const std::size_t m : {1UL, 2UL, 4UL})
    for (const Directions& directions : {gaussian(m), sphere(m), orthogonal(m), coordinates(m)}) {
      const GradientOptions options{
          .directions = directions, .combination = Combination::least_squares, .smoothing = mu, .seed = seed};
      check_relative_error(options, d, 1 - real(m) / real(d));
      const std::vector<Mean> means = tests::coordinate_means(options, tests::Affine{slope}, x, 5000);
      for (std::size_t i = 0; i < d; ++i) tests::check_unbiased(means[i], real(m) / real(d) * slope[i]);
    }
}

TEST_CASE("the shrunk estimate: (d - 1) / (m + d - 1)") {
  CAPTURE(seed);
  for (const std::size_t m : {1UL, 4UL, 12UL}) {
    const std::size_t d = 6;
    check_relative_error({.directions = sphere(m), .combination = Combination::shrink, .smoothing = mu}, d,
                         real(d - 1) / real(m + d - 1));
    check_relative_error({.directions = rademacher(m), .combination = Combination::shrink, .smoothing = mu},
                         d, real(d - 1) / real(m + d - 1));
  }
}

TEST_CASE("the shrunk estimate is m / (m + d - 1) times the plain one") {
  // Near the least error another factor makes hardly another error: so by the estimates themselves.
  random::Stream stream(seed, 2);
  for (const std::size_t d : {1UL, 6UL})
    for (const std::size_t m : {1UL, 4UL, 12UL}) {
      const Values x = tests::normals(stream, d);
      const tests::Affine f{tests::normals(stream, d)};
      GradientOptions options{.directions = sphere(m), .smoothing = mu, .seed = seed};
      const Values plain = gradient(f, x, options).gradient;
      options.combination = Combination::shrink;
      const Values shrunk = gradient(f, x, options).gradient;
      for (std::size_t i = 0; i < d; ++i)
        CHECK(shrunk[i] == doctest::Approx(real(m) / real(m + d - 1) * plain[i]).epsilon(1e-13));
    }
}

TEST_CASE("leave-one-out baselines: sphere (d-1)/m + (d+1)/(m(m-1)), Gaussian (d+1)/(m-1)") {
  CAPTURE(seed);
  for (const std::size_t m : {2UL, 7UL}) {
    const std::size_t d = 5;
    check_relative_error({.directions = sphere(m), .difference = leave_one_out, .smoothing = mu}, d,
                         real(d - 1) / real(m) + real(d + 1) / real(m * (m - 1)));
    check_relative_error({.directions = gaussian(m), .difference = leave_one_out, .smoothing = mu}, d,
                         real(d + 1) / real(m - 1));
  }
}

TEST_CASE("the sphere of the l1 norm: (2 d^2 / (d + 1) - 1) / m") {
  CAPTURE(seed);
  for (const std::size_t m : {1UL, 4UL}) {
    check_relative_error({.directions = l1_sphere(m), .smoothing = mu}, 6, (72.0 / 7 - 1) / real(m));
    check_relative_error({.directions = l1_sphere(m), .difference = forward, .smoothing = mu}, 3,
                         (18.0 / 4 - 1) / real(m));
  }
}

TEST_CASE("residual feedback at a point that stays: (2 d - 1) / m") {
  CAPTURE(seed);
  for (const std::size_t m : {1UL, 3UL})
    check_relative_error({.directions = sphere(m), .difference = residual, .smoothing = mu}, 5, 9 / real(m));
}
