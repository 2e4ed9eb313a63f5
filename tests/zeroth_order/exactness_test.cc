// Estimates that are exact to rounding: as many orthogonal directions as dimensions, and differences on
// polynomials of their degree.
#include <bit>

#include "tests/zeroth_order/estimates.hpp"

using namespace fedval;
using namespace fedval::zeroth_order;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 2039;
constexpr double u = 0x1p-53;

double real(std::size_t n) { return static_cast<double>(n); }

double magnitudes(const Values& values) {
  double sum = 0;
  for (const double value : values) sum += std::abs(value);
  return sum;
}

/// sum_i c_i x_i^degree + slope^T x.
struct Power {
  int degree;
  Values c;
  double operator()(const Values& x) const {
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) sum += c[i] * std::pow(x[i], degree);
    return sum;
  }
  Values gradient(const Values& x) const {
    Values result;
    for (std::size_t i = 0; i < x.size(); ++i) result.push_back(degree * c[i] * std::pow(x[i], degree - 1));
    return result;
  }
};

/// Largest error of any coordinate over three estimates, against `bound`.
template <class F>
void check_exact(GradientOptions options, F&& f, const Values& x, const Values& gradient, double bound) {
  const std::string label = tests::label_of(options, x.size());
  CAPTURE(label);
  options.seed = seed;
  tests::for_each_estimate(options, f, x, 3, [&](const Values& g) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      CAPTURE(i);
      CHECK(std::abs(g[i] - gradient[i]) <= bound);
    }
  });
}

/// What rounding costs an entry of the estimate where f is summed from terms of `largest` in all, by sums of
/// at most 2 d + 4 roundings (that of x + mu u included). A value is off by sum_bound largest, a slope by
/// w/mu of that, w the sum of the stencil's weights in magnitude. Directions have entries of at most 1, so an
/// entry is off by c times a slope's error, and by what the directions lack of being orthonormal: a few d u,
/// by Gram-Schmidt run twice, of the gradient. Twice that, for the last sum.
double rounding_of(const Directions& directions, const Difference& difference, double mu, std::size_t d,
                   double largest, const Values& gradient) {
  double weights = 0;
  for (const Node& node : difference.nodes) weights += std::abs(node.weight);
  const double scale = directions.draw(d, {seed, 0}).scale, m = real(directions.count);
  const double slope = weights * tests::sum_bound(2 * d + 4) * largest / mu;
  return 2 * (scale * slope + real(d) * (4 * real(d) + 2 * m + 10) * u * magnitudes(gradient));
}

}  // namespace

TEST_CASE("as many orthogonal directions as dimensions: exact on affine functions") {
  CAPTURE(seed);
  random::Stream stream(seed);
  const double mu = 0.25;
  for (const std::size_t d : {1UL, 2UL, 5UL, 8UL, 33UL}) {
    const Values x = tests::normals(stream, d), slope = tests::normals(stream, d);
    const tests::Affine f{slope, 2};
    const double largest = 2 + magnitudes(slope) * (magnitudes(x) + 2);
    for (const Difference& difference : {forward, central, five_point})
      for (const Directions& directions :
           {orthogonal(d), coordinates(d), hadamard(std::bit_ceil(d)), rademacher(1)}) {
        if (directions.name == "rademacher" && d > 1) continue;
        check_exact({.directions = directions, .difference = difference, .smoothing = mu}, f, x, slope,
                    rounding_of(directions, difference, mu, d, largest, slope));
      }
  }
}

TEST_CASE("one direction fewer is not exact") {
  random::Stream stream(seed, 1);
  const std::size_t d = 5;
  const Values x = tests::normals(stream, d), slope = tests::normals(stream, d);
  for (const Directions& directions : {orthogonal(d - 1), coordinates(d - 1), hadamard(d), hadamard(7)}) {
    const GradientOptions options{.directions = directions, .smoothing = 0.25, .seed = seed};
    const Values g = gradient(tests::Affine{slope}, x, options).gradient;
    CHECK(tests::distance_squared(g, slope) > 1e-3 * tests::square_of(slope));
  }
}

TEST_CASE("central differences are exact on quadratics, five points on quartics, and no degree higher") {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  for (const std::size_t d : {1UL, 4UL, 9UL}) {
    const tests::Quadratic quadratic = tests::random_quadratic(stream, d);
    const Values x = tests::normals(stream, d), c = tests::normals(stream, d);
    const double mu = 0.5;
    const auto close = [&](const Directions& directions, const Difference& difference, double largest,
                           const Values& gradient) {
      return rounding_of(directions, difference, mu, d, largest, gradient);
    };
    for (const Directions& directions : {orthogonal(d), coordinates(d), hadamard(std::bit_ceil(d))}) {
      // Entries reach |x_i| + 2 mu, of a direction with entries of at most 1.
      double reach = 0;
      for (const double entry : x) reach = std::max(reach, std::abs(entry) + 2 * mu);
      const double n = real(d),
                   squares = n * reach * (magnitudes(quadratic.slope) + magnitudes(quadratic.h) * reach);
      const auto with = [&](const Difference& difference) {
        return GradientOptions{.directions = directions, .difference = difference, .smoothing = mu};
      };
      check_exact(with(central), quadratic, x, quadratic.gradient(x),
                  close(directions, central, squares, quadratic.gradient(x)));
      check_exact(with(five_point), quadratic, x, quadratic.gradient(x),
                  close(directions, five_point, squares, quadratic.gradient(x)));
      for (int degree = 1; degree <= 4; ++degree) {
        CAPTURE(degree);
        const Power power{degree, c};
        const double largest = 4 * magnitudes(c) * std::pow(reach, degree);
        check_exact(with(five_point), power, x, power.gradient(x),
                    close(directions, five_point, largest, power.gradient(x)));
      }
    }
    // Along coordinates: x^2 forward is off by c mu, x^3 central by c mu^2, x^5 five points by -4 c mu^4.
    const auto bias = [&](int degree, const Difference& difference) {
      const GradientOptions options{
          .directions = coordinates(d), .difference = difference, .smoothing = mu, .seed = seed};
      Values g = gradient(Power{degree, c}, x, options).gradient;
      const Values exact = Power{degree, c}.gradient(x);
      for (std::size_t i = 0; i < d; ++i) g[i] = (g[i] - exact[i]) / c[i];
      return g;
    };
    for (std::size_t i = 0; i < d; ++i) {
      CHECK(bias(2, forward)[i] == doctest::Approx(mu));
      CHECK(bias(3, central)[i] == doctest::Approx(mu * mu));
      CHECK(bias(5, five_point)[i] == doctest::Approx(-4 * std::pow(mu, 4)));
    }
  }
}
