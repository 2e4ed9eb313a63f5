// No bias on quadratics, for every law, difference and number of directions; and which averages are biased.
#include <bit>

#include "tests/zeroth_order/estimates.hpp"

using namespace fedval;
using namespace fedval::zeroth_order;
using tests::Mean;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 2053;
constexpr std::size_t estimates = 4000;

/// About 300 coordinates are compared in this file; P(|z| > 5) = 6e-7 each makes 2e-4 for all.
constexpr double most_z = 5;

std::vector<Directions> laws(std::size_t m, std::size_t d) {
  std::vector<Directions> result{gaussian(m),
                                 rademacher(m),
                                 sphere(m),
                                 l1_sphere(m),
                                 coordinates(m, Replacement::with),
                                 orthogonal(std::min(m, d)),
                                 orthogonal(std::min(m, d), Norms::chi),
                                 hadamard(std::min(m, std::bit_ceil(d))),
                                 coordinates(std::min(m, d))};
  const Values guide(d, 1.0);
  const std::vector<TensorView> guides{guide};
  result.push_back(guided(m, guides, {.alpha = 0.5, .unbiased = true}));
  result.push_back(guided(m, guides, {.alpha = 1}));
  return result;
}

/// The largest |z| over coordinates: mean estimate against what is expected.
template <class F>
double largest_z(const GradientOptions& options, F&& f, const Values& x, const Values& expected) {
  const std::vector<Mean> means = tests::coordinate_means(options, f, x, estimates);
  double largest = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double off = std::abs(means[i].value() - expected[i]);
    // Where every estimate is exact, what is left is rounding.
    largest = std::max(largest, off / std::max(means[i].error(), 1e-13));
  }
  return largest;
}

}  // namespace

TEST_CASE("forward, central and five-point estimates of a quadratic's gradient have no bias") {
  // A forward difference adds mu u^T H u / 2, whose product with v is odd in u: every law's -u is as likely.
  CAPTURE(seed);
  const std::size_t d = 5;
  random::Stream stream(seed);
  const tests::Quadratic f = tests::random_quadratic(stream, d);
  const Values x = tests::normals(stream, d);
  for (const std::size_t m : {1UL, 3UL})
    for (const Directions& directions : laws(m, d)) {
      const bool unsigned_axes = directions.name == "coordinates";  // e_j, never -e_j: biased forward
      for (const Difference& difference : {forward, central, five_point}) {
        if (unsigned_axes && difference.name == "forward") continue;
        const GradientOptions options{
            .directions = directions, .difference = difference, .smoothing = 0.7, .seed = seed + m};
        const std::string label = tests::label_of(options, d);
        CAPTURE(label);
        CHECK(largest_z(options, f, x, f.gradient(x)) < most_z);
      }
    }
}

TEST_CASE("estimates without f(x) have no bias either") {
  CAPTURE(seed);
  const std::size_t d = 4;
  random::Stream stream(seed, 1);
  const tests::Quadratic f = tests::random_quadratic(stream, d);
  const Values x = tests::normals(stream, d);
  for (const Difference& difference : {one_point, leave_one_out, residual})
    for (const Directions& directions : {gaussian(3), rademacher(3), sphere(3), l1_sphere(3)}) {
      const GradientOptions options{
          .directions = directions, .difference = difference, .smoothing = 0.7, .seed = seed};
      const std::string label = tests::label_of(options, d);
      CAPTURE(label);
      CHECK(largest_z(options, f, x, f.gradient(x)) < most_z);
    }
}

TEST_CASE("scale mistakes that other libraries make would be seen") {
  // A factor of mu, d, 2 or 4 in either direction moves the mean by far more than what the tests above allow.
  CAPTURE(seed);
  const std::size_t d = 5;
  random::Stream stream(seed, 2);
  const Values x = tests::normals(stream, d), slope = tests::normals(stream, d, 3);
  const tests::Affine f{slope};
  const double mu = 0.25, n = static_cast<double>(d);
  for (const Directions& directions : {gaussian(3), sphere(3), orthogonal(3)}) {
    const GradientOptions options{.directions = directions, .smoothing = mu, .seed = seed};
    CHECK(largest_z(options, f, x, slope) < most_z);
    for (const double factor : {mu, 1 / mu, n, 1 / n, 2.0, 0.5, 4.0, 0.25}) {
      CAPTURE(factor);
      Values wrong = slope;
      for (double& entry : wrong) entry *= factor;
      CHECK(largest_z(options, f, x, wrong) > 4 * most_z);
    }
  }
}

TEST_CASE("forward differences along e_j are off by half the curvature's diagonal times mu") {
  CAPTURE(seed);
  const std::size_t d = 5;
  random::Stream stream(seed, 3);
  const tests::Quadratic f = tests::random_quadratic(stream, d);
  const Values x = tests::normals(stream, d);
  const double mu = 0.7;
  Values expected = f.gradient(x);
  for (std::size_t i = 0; i < d; ++i) expected[i] += mu / 2 * f.h[i * d + i];
  const GradientOptions options{
      .directions = coordinates(3), .difference = forward, .smoothing = mu, .seed = seed};
  CHECK(largest_z(options, f, x, expected) < most_z);
  CHECK(largest_z(options, f, x, f.gradient(x)) > most_z);
}

TEST_CASE("steps are independent of each other, and seeds too") {
  // The correlation of <g^_t, g> with <g^_{t+1}, g>, and of one seed's with the next seed's: within
  // 5/sqrt(n).
  CAPTURE(seed);
  const std::size_t d = 5, count = 4000;
  random::Stream stream(seed, 4);
  const Values x = tests::normals(stream, d), slope = tests::normals(stream, d);
  const auto along = [&](const Directions& directions, std::uint64_t with) {
    Values result;
    const GradientOptions options{.directions = directions, .smoothing = 0.25, .seed = with};
    tests::for_each_estimate(options, tests::Affine{slope}, x, count, [&](const Values& g) {
      result.push_back(tests::dot_of(g, slope) / tests::square_of(slope) - 1);
    });
    return result;
  };
  for (const Directions& directions : {gaussian(2), sphere(2), orthogonal(2), hadamard(2), coordinates(2)}) {
    CAPTURE(directions.name);
    const Values one = along(directions, seed), other = along(directions, seed + 1);
    const std::span<const double> all(one);
    const double square = tests::square_of(one), bound = 5 / std::sqrt(static_cast<double>(count));
    CHECK(std::abs(static_cast<double>(tests::naive_dot(all.first(count - 1), all.last(count - 1)))) <
          bound * square);
    CHECK(std::abs(tests::dot_of(one, other)) < bound * std::sqrt(square * tests::square_of(other)));
  }
}
