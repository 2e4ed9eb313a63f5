// Moments and laws of estimates that are known in closed form, beside their relative errors.
#include <algorithm>
#include <numbers>

#include "tests/zeroth_order/estimates.hpp"

using namespace fedval;
using namespace fedval::zeroth_order;
using tests::Mean;
using tests::square_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 2029;
constexpr double mu = 0.5;

double real(std::size_t n) { return static_cast<double>(n); }

Values squares(Values values) {
  for (double& value : values) value *= value;
  return values;
}

/// The squared cosines of `count` estimates with g.
Values squared_cosines(const Directions& directions, std::size_t d, std::size_t count) {
  random::Stream stream(seed, d);
  const Values x = tests::normals(stream, d), slope = tests::normals(stream, d);
  Values cosines;
  const GradientOptions options{.directions = directions, .smoothing = mu, .seed = seed};
  tests::for_each_estimate(options, tests::Affine{slope}, x, count, [&](const Values& g) {
    const double inner = tests::dot_of(g, slope);
    cosines.push_back(inner * inner / square_of(g) / square_of(slope));
  });
  return cosines;
}

/// The largest distance between the values' distribution function and another: Kolmogorov's and Smirnov's.
template <class Distribution>
double distance_to(Values values, Distribution&& distribution) {
  std::sort(values.begin(), values.end());
  double largest = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double p = distribution(values[i]);
    largest = std::max({largest, std::abs(p - real(i) / real(values.size())),
                        std::abs(p - real(i + 1) / real(values.size()))});
  }
  return largest;
}

/// f(x) = sum_i a_i x_i^3.
struct Cubic {
  Values a;
  double operator()(const Values& x) const {
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) sum += a[i] * x[i] * x[i] * x[i];
    return sum;
  }
};

}  // namespace

TEST_CASE("the squared norm of the sphere's estimate: (d + m - 1) / m of the gradient's") {
  CAPTURE(seed);
  random::Stream stream(seed);
  for (const std::size_t d : {2UL, 7UL})
    for (const std::size_t m : {1UL, 3UL, 10UL}) {
      const Values x = tests::normals(stream, d), slope = tests::normals(stream, d);
      const GradientOptions options{.directions = sphere(m), .smoothing = mu, .seed = seed};
      const std::string label = tests::label_of(options, d);
      CAPTURE(label);
      tests::check_mean_of(options, tests::Affine{slope}, x, real(d + m - 1) / real(m) * square_of(slope),
                           square_of);
    }
}

TEST_CASE("orthogonal directions: the squared cosine with the gradient is Beta(m/2, (d-m)/2)") {
  CAPTURE(seed);
  constexpr std::size_t count = 50000;
  // P(distance > e) <= 2 exp(-2 count e^2) (Dvoretzky, Kiefer, Wolfowitz, Massart): 1e-6.
  const double most = std::sqrt(std::log(2e6) / (2.0 * count));
  const auto check = [&](std::size_t m, std::size_t d, auto&& distribution, auto&& neighbour) {
    CAPTURE(m);
    CAPTURE(d);
    const Values cosines = squared_cosines(orthogonal(m), d, count);
    CHECK(distance_to(cosines, distribution) < most);
    CHECK(distance_to(cosines, neighbour) > 2 * most);
    const double a = real(m) / 2, b = real(d - m) / 2, mean = a / (a + b),
                 variance = a * b / ((a + b) * (a + b) * (a + b + 1));
    Mean first, second;
    for (const double cosine : cosines) {
      first.add(cosine);
      second.add((cosine - mean) * (cosine - mean));
    }
    tests::check_mean(first, mean);
    tests::check_mean(second, variance);
  };
  const auto one_of_three = [](double x) { return std::sqrt(x); };  // Beta(1/2, 1)
  const auto two_of_five = [](double x) { return 1 - std::pow(1 - x, 1.5); };
  const auto two_of_six = [](double x) { return 1 - std::pow(1 - x, 2); };
  const auto four_of_six = [](double x) { return x * x; };
  const auto four_of_eight = [](double x) { return x * x * (3 - 2 * x); };
  check(1, 3, one_of_three, two_of_five);
  check(2, 5, two_of_five, two_of_six);
  check(2, 6, two_of_six, two_of_five);
  check(4, 6, four_of_six, four_of_eight);
  check(4, 8, four_of_eight, four_of_six);
}

TEST_CASE(
    "orthogonal directions with the lengths of Gaussian ones: independent chi lengths, apart from Haar") {
  // L^2 is chi-squared of d degrees: E L^2 = d, E L^4 = d (d + 2), and E L_1^2 L_2^2 = d^2; the first entry
  // of a direction of unit length stays that of the sphere: E (L u_1)^2 = 1.
  CAPTURE(seed);
  const std::size_t d = 5;
  const Directions law = orthogonal(3, Norms::chi);
  Mean square, fourth, mixed, entry;
  Values a(d), b(d);
  for (std::uint64_t t = 0; t < 60000; ++t) {
    const Draw draw = law.draw(d, {seed, t});
    read(draw.probes[t % 2], 0, a);
    read(draw.probes[2], 0, b);
    REQUIRE(std::abs(tests::dot_of(a, b)) < 1e-12);
    square.add(square_of(a));
    fourth.add(square_of(a) * square_of(a));
    mixed.add(square_of(a) * square_of(b));
    entry.add(a[0] * a[0]);
  }
  tests::check_mean(square, real(d));
  tests::check_mean(fourth, real(d * (d + 2)));
  tests::check_mean(mixed, real(d * d));
  tests::check_mean(entry, 1);
}

TEST_CASE("one direction: E |cos| = Gamma(d/2) / (sqrt(pi) Gamma((d+1)/2))") {
  CAPTURE(seed);
  for (const std::size_t d : {2UL, 3UL, 10UL}) {
    CAPTURE(d);
    const double expected =
        std::tgamma(real(d) / 2) / std::sqrt(std::numbers::pi) / std::tgamma(real(d + 1) / 2);
    for (const Directions& directions : {gaussian(1), sphere(1), orthogonal(1)}) {
      Mean mean;
      for (const double squared : squared_cosines(directions, d, 20000)) mean.add(std::sqrt(squared));
      tests::check_mean(mean, expected);
    }
  }
}

TEST_CASE("the variance of each coordinate, one direction") {
  CAPTURE(seed);
  const std::size_t d = 3;
  const Values x{0.3, -1, 2}, slope{1, -2, 1.5};
  const double whole = square_of(slope);
  const auto check = [&](const Directions& directions, auto&& variance_of) {
    const GradientOptions options{.directions = directions, .smoothing = mu, .seed = seed};
    const std::string label = tests::label_of(options, d);
    CAPTURE(label);
    Values expected;
    for (const double g : slope) expected.push_back(variance_of(g * g));
    tests::check_means_of(options, tests::Affine{slope}, x, expected, [&](Values g) {
      for (std::size_t i = 0; i < d; ++i) g[i] -= slope[i];
      return squares(g);
    });
  };
  check(gaussian(1), [&](double g) { return whole + g; });
  check(sphere(1), [&](double g) { return (real(d) * whole + (real(d) - 2) * g) / (real(d) + 2); });
  check(rademacher(1), [&](double g) { return whole - g; });
}

TEST_CASE("quadratics: what the curvature adds to one forward difference, and not to a central one") {
  CAPTURE(seed);
  const std::size_t d = 4;
  random::Stream stream(seed, 1);
  const tests::Quadratic f = tests::random_quadratic(stream, d);
  const Values x = tests::normals(stream, d), gradient = f.gradient(x), origin(d, 0.0);
  const double g = square_of(gradient), curvature = 2 * f.trace_of_square() + f.trace() * f.trace();
  const tests::Quadratic flat{f.h, Values(d, 0.0)};  // no slope at the origin: the curvature's part alone
  const double n = real(d), step = 1.5;              // as large a part as the slope's, or larger
  const auto check = [&](const Directions& directions, double slope_part, double curvature_part) {
    const auto with = [&](const Difference& difference) {
      return GradientOptions{
          .directions = directions, .difference = difference, .smoothing = step, .seed = seed};
    };
    const std::string label = tests::label_of(with(forward), d);
    CAPTURE(label);
    tests::check_mean_of(with(forward), f, x, slope_part * g + curvature_part * curvature, square_of);
    tests::check_mean_of(with(forward), flat, origin, curvature_part * curvature, square_of);
    tests::check_mean_of(with(central), f, x, slope_part * g, square_of);
  };
  check(sphere(1), n, step * step * n / (4 * (n + 2)));
  check(gaussian(1), n + 2, step * step / 4 * (n + 4));
}

TEST_CASE("one point on the sphere of an affine function: d^2 f(x)^2 / mu^2 + d ||g||^2") {
  CAPTURE(seed);
  const std::size_t d = 5;
  random::Stream stream(seed, 2);
  const Values x = tests::normals(stream, d), slope = tests::normals(stream, d);
  const double along = tests::dot_of(x, slope);
  for (const double value : {0.0, 0.4, -30.0}) {
    CAPTURE(value);
    const GradientOptions options{
        .directions = sphere(1), .difference = one_point, .smoothing = mu, .seed = seed};
    tests::check_mean_of(options, tests::Affine{slope, value - along}, x,
                         real(d * d) * value * value / (mu * mu) + real(d) * square_of(slope), square_of);
  }
}

TEST_CASE("the bias of central differences on a cubic, by coordinate") {
  CAPTURE(seed);
  const std::size_t d = 3;
  const Cubic f{{1, -1.2, 0.9}};
  const Values origin(d, 0.0);  // where the gradient is zero
  const double step = 0.7;
  const auto check = [&](const Directions& directions, double factor) {
    const GradientOptions options{.directions = directions, .smoothing = step, .seed = seed};
    const std::string label = tests::label_of(options, d);
    CAPTURE(label);
    Values expected;
    for (const double a : f.a) expected.push_back(factor * a * step * step);
    tests::check_means_of(options, f, origin, expected, [](const Values& g) { return g; });
  };
  check(gaussian(2), 3);
  check(sphere(2), 3 / (real(d) + 2));
  check(rademacher(2), 1);
  check(coordinates(2), 1);
  check(coordinates(2, Replacement::with), 1);
}

TEST_CASE("noise adds 2 s^2 d^2 / (m mu^2) to forward and s^2 d^2 / (2 m mu^2) to central differences") {
  CAPTURE(seed);
  const std::size_t d = 6;
  random::Stream stream(seed, 3);
  const Values x = tests::normals(stream, d), slope = tests::normals(stream, d, 0.3);
  const double s = 0.2;
  const auto noise = [&](const Values&, Sample sample) { return s * random::Stream(sample.number).normal(); };
  const auto noisy = [&](const Values& at, Sample sample) {
    return tests::Affine{slope}(at) + noise(at, sample);
  };
  for (const std::size_t m : {1UL, 4UL})
    for (const Difference& difference : {forward, central})
      for (const Directions& directions : {sphere(m), orthogonal(m)}) {
        const GradientOptions options{.directions = directions,
                                      .difference = difference,
                                      .smoothing = mu,
                                      .seed = seed,
                                      .common_random_numbers = false};
        const std::string label = tests::label_of(options, d);
        CAPTURE(label);
        const double unit = s * s * real(d * d) / (real(m) * mu * mu),
                     added = (difference.name == "forward" ? 2 : 0.5) * unit,
                     without = directions.name == "sphere" ? real(d - 1) / real(m) : real(d - m) / real(m);
        tests::check_mean_of(options, noise, x, added, square_of);
        tests::check_mean_of(options, noisy, x, without * square_of(slope) + added,
                             [&](const Values& g) { return tests::distance_squared(g, slope); });
      }
}
