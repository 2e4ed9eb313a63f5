// Measured noise against the noise that was put in, and the chosen radius against the best of a fine grid.
#include "fedval/zeroth_order/smoothing.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <string>

#include "fedval/tensor/std.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using namespace fedval::zeroth_order;
using tests::complaint_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 3049;

/// A smooth function, in long double so that its own rounding is far below what is measured, and a point.
struct Smooth {
  std::string name;
  std::function<long double(const std::vector<long double>&)> f;
  Values x;

  long double at(const Values& point) const {
    return f(std::vector<long double>(point.begin(), point.end()));
  }
  long double along(const Values& u, long double h) const {
    std::vector<long double> point(x.begin(), x.end());
    for (std::size_t i = 0; i < u.size(); ++i) point[i] += h * u[i];
    return f(point);
  }
};

template <class F>
long double sum_over(const std::vector<long double>& x, F&& term) {
  long double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += term(i, x[i]);
  return sum;
}

std::vector<Smooth> functions() {
  using X = std::vector<long double>;
  const auto point = [](std::size_t d, std::uint64_t stream_number) {
    random::Stream stream(seed, stream_number);
    return tests::normals(stream, d);
  };
  const auto exponentials = [](const X& x) {
    return sum_over(x, [](std::size_t i, long double v) {
      return std::exp(v * (0.5L + 0.1L * static_cast<long double>(i)));
    });
  };
  const auto waves = [](const X& x) {
    return 30 + sum_over(x, [](std::size_t i, long double v) {
             return std::sin(v + static_cast<long double>(i));
           });
  };
  const auto quartic = [](const X& x) {
    return 1 + sum_over(x, [](std::size_t, long double v) { return v * v * v * v; });
  };
  random::Stream stream(seed, 9);
  const Values rows = tests::normals(stream, 50 * 10);  // with labels 1: another sign is another row
  const auto logistic = [rows](const X& x) {
    long double sum = 0;
    for (std::size_t row = 0; row < 50; ++row)
      sum += std::log1p(std::exp(
                 -sum_over(x, [&](std::size_t i, long double v) { return v * rows[row * 10 + i]; }))) /
             50;
    return sum;
  };
  const auto rosenbrock = [](const X& x) {
    long double sum = 0;
    for (std::size_t i = 0; i + 1 < x.size(); ++i)
      sum += 100 * std::pow(x[i + 1] - x[i] * x[i], 2.0L) + std::pow(1 - x[i], 2.0L);
    return sum;
  };
  return {{"exponentials", exponentials, point(10, 1)},
          {"waves", waves, point(20, 2)},
          {"quartic", quartic, point(10, 3)},
          {"logistic loss", logistic, point(10, 4)},
          {"Rosenbrock", rosenbrock, point(10, 5)}};
}

enum class Noise : std::uint8_t { gaussian, uniform };

/// Of deviation one: a function of the sample, as a simulation with a seed has it.
double noise_of(Noise law, const Sample& sample) {
  random::Stream stream(sample.number);
  return law == Noise::gaussian ? stream.normal() : stream.uniform(-std::sqrt(3.0), std::sqrt(3.0));
}

auto noisy(const Smooth& smooth, Noise law, double deviation) {
  return [&smooth, law, deviation](const Values& x, Sample sample) {
    return static_cast<double>(smooth.at(x)) + deviation * noise_of(law, sample);
  };
}

/// Root mean square error of a slope at radius mu, over 40 directions that no choice has seen: the
/// difference's own error measured, the noise's by its formula (2 s^2 / mu^2 forward, s^2 / (2 mu^2)
/// central).
class Curve {
 public:
  Curve(const Smooth& smooth, const Difference& difference) : smooth_(smooth), order_(difference.order) {
    const std::size_t d = smooth.x.size();
    const Draw draw = sphere(40).draw(d, {seed, 77});
    for (const Direction& probe : draw.probes) {
      Values u(d);
      read(probe, 0, u);
      const long double h = 1e-4L;  // the five-point rule: error h^4, some 1e-16
      slopes_.push_back((8 * (smooth.along(u, h) - smooth.along(u, -h)) -
                         (smooth.along(u, 2 * h) - smooth.along(u, -2 * h))) /
                        (12 * h));
      directions_.push_back(std::move(u));
    }
  }
  double error(double mu, double s) const {
    long double sum = 0;
    for (std::size_t i = 0; i < slopes_.size(); ++i) {
      const Values& u = directions_[i];
      const long double slope = order_ == 1 ? (smooth_.along(u, mu) - smooth_.along(u, 0)) / mu
                                            : (smooth_.along(u, mu) - smooth_.along(u, -mu)) / (2 * mu);
      sum += (slope - slopes_[i]) * (slope - slopes_[i]);
    }
    const double noise = (order_ == 1 ? 2 : 0.5) * s * s / (mu * mu);
    return std::sqrt(static_cast<double>(sum) / static_cast<double>(slopes_.size()) + noise);
  }
  double least_error(double s) const {
    double best = std::numeric_limits<double>::infinity();
    for (double mu = 1e-8; mu < 30; mu *= 1.1) best = std::min(best, error(mu, s));
    return best;
  }

 private:
  const Smooth& smooth_;
  int order_;
  std::vector<Values> directions_;
  std::vector<long double> slopes_;
};

}  // namespace

TEST_CASE("noise from 1e-10 to 1e-1 of f is found within a factor of 4, for every seed") {
  CAPTURE(seed);
  std::vector<Smooth> all = functions();
  // Where f itself is next to nothing, and all that is seen is noise.
  all.push_back({"a minimum",
                 [](const std::vector<long double>& x) {
                   return sum_over(x, [](std::size_t, long double v) { return v * v; });
                 },
                 Values(10, 0.0)});
  for (const Smooth& smooth : all)
    for (const Noise law : {Noise::gaussian, Noise::uniform})
      for (const double relative : {1e-10, 1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 1e-1}) {
        CAPTURE(smooth.name);
        CAPTURE(relative);
        const auto value = static_cast<double>(smooth.at(smooth.x));
        const double deviation = relative * (value == 0 ? 1 : std::abs(value));
        int wrong = 0;
        for (std::uint64_t s = 0; s < 10; ++s) {
          const Smoothing found = choose_smoothing(noisy(smooth, law, deviation), smooth.x,
                                                   {.seed = seed + s, .common_random_numbers = false});
          const bool near = found.noise > deviation / 4 && found.noise < deviation * 4;
          wrong += found.noise_found && near ? 0 : 1;
        }
        CHECK(wrong == 0);
      }
}

TEST_CASE("the chosen radius: at most twice the least error, for every seed") {
  CAPTURE(seed);
  constexpr int seeds = 30;
  for (const Smooth& smooth : functions())
    for (const Difference& difference : {forward, central}) {
      const Curve curve(smooth, difference);
      for (const double relative : {1e-10, 1e-7, 1e-4, 1e-3}) {
        CAPTURE(smooth.name);
        CAPTURE(difference.name);
        CAPTURE(relative);
        const double deviation = relative * std::abs(static_cast<double>(smooth.at(smooth.x)));
        const double least = curve.least_error(deviation);
        double worst = 0;
        for (std::uint64_t s = 0; s < seeds; ++s) {
          const Smoothing chosen =
              choose_smoothing(noisy(smooth, Noise::gaussian, deviation), smooth.x,
                               {.difference = difference, .seed = seed + s, .common_random_numbers = false});
          const double ratio = curve.error(chosen.radius, deviation) / least;
          worst = std::max(worst, ratio);
        }
        CAPTURE(worst);
        CHECK(worst < 2);
      }
    }
}

TEST_CASE("noise that all points share is none: with common random numbers the radius is rounding's") {
  const Smooth smooth = functions()[2];
  const auto value = static_cast<double>(smooth.at(smooth.x));
  const auto f = noisy(smooth, Noise::gaussian, 1e-2 * value);
  const Smoothing common = choose_smoothing(f, smooth.x, {.seed = seed});
  const Smoothing apart = choose_smoothing(f, smooth.x, {.seed = seed, .common_random_numbers = false});
  CHECK(common.noise < 1e-14 * value);
  CHECK(apart.noise > 1e-3 * value);
  CHECK(common.radius < 1e-3 * apart.radius);  // (1e-2 / 1e-15)^(1/3) is 2e4
}

TEST_CASE("known noise is taken as it is, and fewer queries are asked; all are counted") {
  const Smooth smooth = functions()[0];
  std::size_t calls = 0;
  const auto f = [&](const Values& x) {
    ++calls;
    return static_cast<double>(smooth.at(x));
  };
  for (const Difference& difference : {forward, central}) {
    const Curve curve(smooth, difference);
    for (const double noise : {1e-9, 1e-5, 1e-2}) {
      CAPTURE(noise);
      calls = 0;
      const Smoothing known =
          choose_smoothing(f, smooth.x, {.difference = difference, .noise = noise, .seed = seed});
      CHECK(known.noise == noise);
      CHECK(known.noise_found);
      CHECK(known.within_range);
      CHECK(known.queries == calls);
      CHECK(curve.error(known.radius, noise) < 2 * curve.least_error(noise));
    }
    calls = 0;
    const Smoothing measured = choose_smoothing(f, smooth.x, {.difference = difference, .seed = seed});
    CHECK(measured.queries == calls);
    // Eight directions; 9 points for the noise, and at most 4 for each of some ten radii.
    CHECK(calls <= 8 * (9 + 4 * 12));
    const Smoothing exact = choose_smoothing(f, smooth.x, {.difference = difference, .noise = 0.0});
    const Draw draw = sphere(8).draw(smooth.x.size(), {0, 0});
    CHECK(exact.radius == default_smoothing(difference, draw, smooth.x));
  }
}

TEST_CASE("known noise below f's rounding: rounding is what the radius is for") {
  // f'' = 2 and f''' = 6 at 0, and 1e10 is rounded to s = 1e10 2^-52: 2 sqrt(s / 2) and (3 s / 6)^(1/3), to
  // the range that bisection stops in.
  const double s = 1e10 * 0x1p-52;
  const auto f = [](const Values& at) { return 1e10 + at[0] * at[0] * (1 + at[0]); };
  const Values x{0};
  for (const auto& [difference, best] :
       {std::pair(forward, 2 * std::sqrt(s / 2)), std::pair(central, std::cbrt(3 * s / 6))})
    for (const double noise : {1e-300, 0x1p-1074, 1e-9}) {
      CAPTURE(difference.name);
      CAPTURE(noise);
      const Smoothing chosen =
          choose_smoothing(f, x, {.difference = difference, .noise = noise, .seed = seed});
      CHECK(chosen.noise == s);
      CHECK(chosen.within_range);
      CHECK(chosen.radius > best / 4);
      CHECK(chosen.radius < best * 4);
    }
}

TEST_CASE(
    "the radius is of the law's directions: sqrt(d) times as large for unit vectors as for Gaussian ones") {
  // Entries of a unit vector are 1/sqrt(d) of a Gaussian's. Bisection stops within a range of 2 in h, and
  // directions differ: a factor of 3 at most.
  for (const Smooth& smooth : functions()) {
    CAPTURE(smooth.name);
    const double root = std::sqrt(static_cast<double>(smooth.x.size()));
    const auto f = [&](const Values& x) { return static_cast<double>(smooth.at(x)); };
    const Smoothing unit = choose_smoothing(f, smooth.x, {.directions = sphere(9), .noise = 1e-6});
    const Smoothing normal = choose_smoothing(f, smooth.x, {.directions = gaussian(9), .noise = 1e-6});
    const double ratio = unit.radius / (normal.radius * root);
    CHECK(ratio > 1.0 / 3);
    CHECK(ratio < 3);
  }
}

TEST_CASE("linear and constant functions have no best radius: it is the largest, and said to be") {
  const Values x{1, 2, 3, 4};
  const double largest = std::max(1.0, std::sqrt(30.0 / 4)) * 2;  // rms of x, over entries of 1 / sqrt(4)
  for (const Difference& difference : {forward, central}) {
    CAPTURE(difference.name);
    const auto radius_of = [&](auto&& f) {
      const Smoothing chosen =
          choose_smoothing(f, x, {.difference = difference, .noise = 1e-3, .seed = seed});
      CHECK(!chosen.within_range);
      CHECK(chosen.queries < 8 * 60);
      return chosen.radius;
    };
    CHECK(radius_of([](const Values& at) { return at[0] - 2 * at[1] + at[2]; }) == doctest::Approx(largest));
    CHECK(radius_of([](const Values&) { return 7.0; }) == doctest::Approx(largest));
    const Smoothing zero = choose_smoothing([](const Values&) { return 0.0; }, x, {.difference = difference});
    CHECK(zero.noise == 0);
    CHECK(!zero.noise_found);
    CHECK(std::isfinite(zero.radius));
    CHECK(zero.radius > 0);
  }
}

TEST_CASE("functions that are not defined everywhere: the radius stays where they are") {
  // The logarithm of the distance to a wall, and a plane that ends at one; walls at 1 around x = 0.
  const Values x(4, 0.0);
  const auto within = [](const Values& at) {
    double sum = 0;
    for (const double v : at) sum += v * v;
    return sum < 1 ? sum : std::nan("");
  };
  for (const Difference& difference : {forward, central})
    for (const double noise : {1e-6, 1e-3, 0.3}) {
      CAPTURE(difference.name);
      CAPTURE(noise);
      const auto barrier = [&](const Values& at) { return -std::log(1 - within(at)); };
      const auto plane = [&](const Values& at) { return within(at) - within(at) + at[0]; };
      const SmoothingOptions options{.difference = difference, .noise = noise, .seed = seed};
      for (const double radius :
           {choose_smoothing(barrier, x, options).radius, choose_smoothing(plane, x, options).radius}) {
        CHECK(radius > 0);
        CHECK(radius < 1);
      }
    }
  const auto nowhere = [](const Values&) { return std::nan(""); };
  CHECK(complaint_of([&] { choose_smoothing(nowhere, x); }).ends_with("is NaN"));
  CHECK(complaint_of([&] { choose_smoothing(nowhere, x, {.difference = forward, .noise = 1e-3}); }) ==
        "zeroth_order: f(x) is NaN");
}

TEST_CASE("a function that is flat up to a wall: noise is sought no farther than there") {
  const auto f = [](const Values& at) { return at[0] * at[0] + at[1] * at[1] < 1 ? 0.9 : std::nan(""); };
  for (const Difference& difference : {forward, central}) {
    CAPTURE(difference.name);
    const Smoothing chosen = choose_smoothing(f, Values{0, 0}, {.difference = difference, .seed = seed});
    CHECK(!chosen.noise_found);
    CHECK(chosen.noise == 0x1p-52 * 0.9);  // the rounding of 0.9, and no more
    CHECK(chosen.radius > 0);
    CHECK(chosen.radius < 1);
  }
}

TEST_CASE("where noise is measured, a value that is not finite is named by its direction") {
  const Draw draw = coordinates(4).draw(4, {seed, 0});
  for (std::size_t i = 0; i < 4; ++i) {
    Values u(4);
    read(draw.probes[i], 0, u);
    const auto f = [&](const Values& at) {
      double along = 0;
      for (std::size_t e = 0; e < 4; ++e) along += u[e] * at[e];
      return along == 0 ? std::exp(at[0] + at[1] + at[2] + at[3]) : std::nan("");
    };
    const std::string complaint = complaint_of(
        [&] { choose_smoothing(f, Values(4, 0.0), {.directions = coordinates(4), .seed = seed}); });
    CHECK(complaint.starts_with("zeroth_order: direction " + std::to_string(i) + ": f(x - "));
    CHECK(complaint.ends_with(" u) is NaN"));
  }
}

TEST_CASE("what has no rule, and options that make no sense, are refused") {
  const Values x{1, 2};
  const auto f = [](const Values& at) { return at[0]; };
  for (const Difference& difference : {one_point, residual, five_point})
    CHECK(complaint_of([&] { choose_smoothing(f, x, {.difference = difference}); }) ==
          "zeroth_order: no rule for the smoothing of " + difference.name + " differences");
  CHECK(complaint_of([&] { choose_smoothing(f, x, {.noise = -1.0}); }) == "zeroth_order: a noise of -1");
  CHECK(complaint_of([&] { choose_smoothing(f, x, {.noise = std::nan("")}); }) ==
        "zeroth_order: a noise of nan");
}
