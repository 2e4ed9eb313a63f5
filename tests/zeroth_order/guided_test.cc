// Guided directions: their covariance, the mean of their estimates, and the guides that are refused.
#include <limits>

#include "tests/support/complaint.hpp"
#include "tests/zeroth_order/estimates.hpp"

using namespace fedval;
using namespace fedval::zeroth_order;
using tests::complaint_of;
using tests::Mean;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 2063;
constexpr std::size_t d = 6;

double real(std::size_t n) { return static_cast<double>(n); }

/// Q^T Q of the span of two guides, by Gram-Schmidt in long double.
std::vector<Values> projection_on(const Values& a, const Values& b) {
  const long double aa = tests::naive_dot(a, a), ab = tests::naive_dot(a, b);
  std::vector<long double> c;
  long double cc = 0;
  for (std::size_t i = 0; i < d; ++i) {
    c.push_back(b[i] - ab / aa * a[i]);
    cc += c[i] * c[i];
  }
  std::vector<Values> p(d, Values(d));
  for (std::size_t i = 0; i < d; ++i)
    for (std::size_t j = 0; j < d; ++j) p[i][j] = static_cast<double>(a[i] / aa * a[j] + c[i] / cc * c[j]);
  return p;
}

struct Guides {
  Values a, b;
  std::vector<TensorView> views() const { return {a, b}; }
};

Guides guides() {
  random::Stream stream(seed);
  return {tests::normals(stream, d), tests::normals(stream, d, 100)};
}

}  // namespace

TEST_CASE("the covariance of guided directions is (a/d) I + ((1-a)/k) Q^T Q") {
  CAPTURE(seed);
  const Guides two = guides();
  const std::vector<Values> p = projection_on(two.a, two.b);
  for (const double alpha : {0.2, 0.7, 1.0}) {
    CAPTURE(alpha);
    const Directions law = guided(2, two.views(), {.alpha = alpha});
    std::vector<Mean> means(d * d), crossed(d * d), firsts(d);
    Values u(d), other(d);
    for (std::uint64_t t = 0; t < 20000; ++t) {
      const Draw draw = law.draw(d, {seed, t});
      read(draw.probes[0], 0, u);
      read(draw.probes[1], 0, other);
      for (std::size_t i = 0; i < d; ++i) {
        firsts[i].add(u[i]);
        for (std::size_t j = 0; j < d; ++j) {
          means[i * d + j].add(u[i] * u[j]);
          crossed[i * d + j].add(u[i] * other[j]);
        }
      }
    }
    for (std::size_t i = 0; i < d; ++i) {
      CAPTURE(i);
      tests::check_unbiased(firsts[i], 0);
      for (std::size_t j = 0; j < d; ++j) {
        CAPTURE(j);
        tests::check_unbiased(means[i * d + j], (i == j ? alpha / real(d) : 0) + (1 - alpha) / 2 * p[i][j]);
        tests::check_unbiased(crossed[i * d + j], 0);  // one direction says nothing of another
      }
    }
  }
}

TEST_CASE("guided estimates have the mean c Sigma g, unbiased ones and those of alpha = 1 the gradient") {
  CAPTURE(seed);
  const Guides two = guides();
  const std::vector<Values> p = projection_on(two.a, two.b);
  random::Stream stream(seed, 1);
  const Values x = tests::normals(stream, d), slope = tests::normals(stream, d, 3);
  for (const double alpha : {0.1, 0.5, 1.0})
    for (const bool unbiased : {false, true}) {
      CAPTURE(alpha);
      CAPTURE(unbiased);
      const GradientOptions options{
          .directions = guided(3, two.views(), {alpha, unbiased}), .smoothing = 0.25, .seed = seed};
      const std::vector<Mean> means = tests::coordinate_means(options, tests::Affine{slope}, x, 20000);
      const double c = options.directions.draw(d, {}).scale;
      CHECK(c == doctest::Approx(unbiased ? 1 : 1 / (alpha / real(d) + (1 - alpha) / 2)));  // d at alpha = 1
      for (std::size_t i = 0; i < d; ++i) {
        CAPTURE(i);
        const double sigma = alpha / real(d) * slope[i] + (1 - alpha) / 2 * tests::dot_of(p[i], slope);
        tests::check_unbiased(means[i], unbiased || alpha == 1.0 ? slope[i] : c * sigma);
      }
    }
}

TEST_CASE("all guides span everything: Gaussian directions of variance 1/d, whatever alpha is") {
  const Guides two = guides();
  std::vector<Values> axes(d, Values(d, 0.0));
  for (std::size_t i = 0; i < d; ++i) axes[i][i] = 1;
  const std::vector<TensorView> all(axes.begin(), axes.end());
  const Draw full = guided(1, all, {.alpha = 0.3}).draw(d, {seed, 5});
  const Draw none = guided(1, two.views(), {.alpha = 1}).draw(d, {seed, 5});
  const Draw plain = gaussian(1).draw(d, {seed, 5});
  Values u(d), v(d), z(d);
  read(full.probes[0], 0, u);
  read(none.probes[0], 0, v);
  read(plain.probes[0], 0, z);
  for (std::size_t i = 0; i < d; ++i) {
    CHECK(u[i] == doctest::Approx(z[i] / std::sqrt(real(d))));
    CHECK(v[i] == doctest::Approx(z[i] / std::sqrt(real(d))));
  }
}

TEST_CASE("guides that depend on others add nothing, at any scale") {
  const Guides two = guides();
  const auto drawn = [](std::span<const TensorView> views) {
    const Draw draw = guided(1, views, {.alpha = 0.2}).draw(d, {seed, 6});
    Values u(d);
    read(draw.probes[0], 0, u);
    return u;
  };
  const auto scaled = [](Values values, double factor) {
    for (double& value : values) value *= factor;
    return values;
  };
  const Values expected = drawn(two.views());
  Values sum(d);
  for (std::size_t i = 0; i < d; ++i) sum[i] = two.a[i] - 3 * two.b[i];
  const Values zero(d, 0.0), twice = scaled(two.a, -2);
  const std::vector<TensorView> many{two.a, zero, twice, two.b, sum, two.b, sum, two.a, zero};
  const Values found = drawn(many);
  for (std::size_t i = 0; i < d; ++i) CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-9));
  // A direction has no length: powers of two change nothing, as far as doubles reach.
  for (const double factor : {0x1p-300, 0x1p300, 0x1p-600, 0x1p600}) {
    CAPTURE(factor);
    const Values a = scaled(two.a, factor), b = scaled(two.b, factor);
    const std::vector<TensorView> views{a, b};
    Values again;
    CHECK(complaint_of([&] { again = drawn(views); }) == "no error");
    CHECK(again == expected);
  }
}

TEST_CASE("guided directions that cannot be are refused") {
  const Values a{1, 2}, b{1, 2, 3}, zero{0, 0};
  const Values bad{1, std::numeric_limits<double>::quiet_NaN()};
  const auto complaint = [](std::vector<TensorView> views, double alpha = 0.5, std::size_t m = 1,
                            std::size_t columns = 2) {
    return complaint_of([&] { guided(m, views, {.alpha = alpha}).draw(columns, {}); });
  };
  CHECK(complaint({a}) == "no error");
  CHECK(complaint({}) == "zeroth_order: guided directions without a guide");
  for (const double alpha : {0.0, -0.5, 1.5}) CHECK(complaint({a}, alpha).ends_with("is not in (0, 1]"));
  CHECK(complaint({a}, std::numeric_limits<double>::quiet_NaN()) ==
        "zeroth_order: guided directions: alpha = nan is not in (0, 1]");
  CHECK(complaint({a, b}) == "zeroth_order: guide 1 has 3 entries, guide 0 has 2");
  CHECK(complaint({a, bad}) == "zeroth_order: guide 1[1] is NaN");
  CHECK(complaint({zero, zero}) == "zeroth_order: guided directions: all guides are zero");
  CHECK(complaint({a}, 0.5, 0) == "zeroth_order: guided directions: 0 of them");
  CHECK(complaint({a}, 0.5, 1, 3) == "zeroth_order: guides of 2 entries for 3");
}
