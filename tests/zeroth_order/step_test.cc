// Steps against their formulas, written out in long double, over random gradients.
//
// Each naive step carries the error that the library's doubles can have made (u = 2^-53, first order, 1 %
// more for the rest), so that the bound of a comparison follows from the numbers of the run.
#include "fedval/zeroth_order/step.hpp"

#include <doctest/doctest.h>

#include <functional>

#include "fedval/archive.hpp"
#include "fedval/tensor/std.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using namespace fedval::zeroth_order;
using tests::complaint_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 3037;
constexpr long double u = 0x1p-53L;
constexpr std::size_t d = 40;

/// A number and how far a double that stands for it may be away.
struct Near {
  long double value = 0, error = 0;
};

/// keep a + weight b, b exact: a product each, and a sum.
Near blended(long double keep, const Near& a, long double weight, long double b) {
  return {keep * a.value + weight * b,
          1.01L * (keep * a.error + 2 * u * (std::abs(keep * a.value) + std::abs(weight * b)))};
}

/// How one entry moves: x -= the result. `t` counts from 1.
using Formula = std::function<Near(std::size_t entry, long double g, int t, long double rate)>;

Formula momentum(long double decay, bool nesterov) {
  return [=, velocity = std::vector<Near>(d)](std::size_t e, long double g, int, long double rate) mutable {
    const Near b = velocity[e] = blended(decay, velocity[e], 1, g);
    const Near step = nesterov ? blended(decay, b, 1, g) : b;
    // Nesterov's two parts are products of three numbers each.
    return Near{rate * step.value,
                1.01L * rate * (step.error + 3 * u * (std::abs(step.value) + 2 * std::abs(b.value)))};
  };
}

struct Moments {
  std::vector<Near> mean = std::vector<Near>(d), square = std::vector<Near>(d);
  void add(std::size_t e, long double g, long double beta1, long double beta2) {
    mean[e] = blended(beta1, mean[e], 1 - beta1, g);
    mean[e].error += u * std::abs((1 - beta1) * g);  // 1 - beta is rounded
    square[e] = blended(beta2, square[e], 1 - beta2, g * g);
    square[e].error += 2 * u * (1 - beta2) * g * g;
  }
};

/// m / (sqrt(v) + epsilon), by first derivatives, and a rounding for each operation.
Near ratio(const Near& m, const Near& v, long double epsilon) {
  if (m.value == 0) return {};
  const long double root = std::sqrt(v.value), below = root + epsilon, value = m.value / below;
  const long double relative = v.error / (2 * v.value) + 4 * u;
  return {value, 1.01L * (m.error / below + std::abs(value) * relative)};
}

Formula adam(const AdamOptions& options) {
  return [=, moments = Moments()](std::size_t e, long double g, int t, long double rate) mutable {
    const long double beta1 = options.beta1, beta2 = options.beta2;
    moments.add(e, g, beta1, beta2);
    const long double power1 = std::pow(beta1, t), power2 = std::pow(beta2, t);
    const Near mean{moments.mean[e].value / (1 - power1), moments.mean[e].error / (1 - power1)};
    const Near square{moments.square[e].value / (1 - power2), moments.square[e].error / (1 - power2)};
    const Near step = ratio(mean, square, options.epsilon);
    // The corrections: a power to two units, a difference, a root, and three products and quotients.
    const long double corrections = 2 * u * (power1 / (1 - power1) + power2 / (1 - power2)) + 8 * u;
    return Near{rate * step.value, 1.01L * rate * (step.error + std::abs(step.value) * corrections)};
  };
}

Formula ada_mm(const AdaMmOptions& options) {
  return [=, moments = Moments(), largest = std::vector<Near>(d)](std::size_t e, long double g, int,
                                                                  long double rate) mutable {
    moments.add(e, g, options.beta1, options.beta2);
    const Near& square = moments.square[e];
    // Where the two are as near as their errors either may be taken: the larger error covers both.
    const long double error = std::max(square.error, largest[e].error);
    largest[e] = {std::max(square.value, largest[e].value), error};
    const Near step = ratio(moments.mean[e], largest[e], 0);
    return Near{rate * step.value, 1.01L * rate * (step.error + 2 * u * std::abs(step.value))};
  };
}

/// Gradients of several sizes; entries 0 to 4 are always zero, others sometimes, or much larger.
Values gradient(random::Stream& stream) {
  Values g = tests::normals(stream, d, std::exp(2 * stream.normal()));
  for (std::size_t e = 0; e < d; ++e) {
    if (e < 5 || stream.below(10) == 0) g[e] = e % 2 == 0 ? 0.0 : -0.0;
    if (stream.below(20) == 0) g[e] *= 1e6;
  }
  return g;
}

/// 60 steps on x of type S. A step writes x at most twice, each time rounded from double to S.
template <class S>
void check_step(auto step, const Formula& formula, long double rate) {
  CAPTURE(seed);
  random::Stream stream(seed);
  std::vector<S> x;
  std::vector<Near> expected(d);
  for (Near& entry : expected) {
    x.push_back(static_cast<S>(stream.normal()));
    entry.value = static_cast<long double>(static_cast<double>(x.back()));
  }
  Formula oracle = formula;
  for (int t = 1; t <= 60; ++t) {
    CAPTURE(t);
    const Values g = gradient(stream);
    const double factor = t % 3 == 0 ? 0.5 : 1;
    step.apply(x, g, factor);
    for (std::size_t e = 0; e < d; ++e) {
      CAPTURE(e);
      const Near move = oracle(e, g[e], t, rate * factor);
      Near& entry = expected[e];
      entry.value -= move.value;
      const long double size = std::abs(entry.value) + std::abs(move.value) + entry.error;
      entry.error += move.error +
                     2 * (static_cast<long double>(tests::Rounding<S>::relative) + 2 * u) * size +
                     static_cast<long double>(2 * tests::Rounding<S>::subnormal);
      const auto found = static_cast<long double>(static_cast<double>(x[e]));
      CHECK(std::abs(found - entry.value) <= entry.error);
      if (e < 5) CHECK(move.value == 0);
    }
  }
}

template <class S>
void check_steps() {
  const double rate = 0.01;
  check_step<S>(Sgd({.rate = rate}), momentum(0, false), rate);
  for (const double decay : {0.5, 0.9})
    for (const bool nesterov : {false, true})
      check_step<S>(Sgd({.rate = rate, .momentum = decay, .nesterov = nesterov}), momentum(decay, nesterov),
                    rate);
  for (const AdamOptions& options :
       {AdamOptions{rate}, AdamOptions{rate, 0.5, 0.9, 1e-3}, AdamOptions{rate, 0, 0, 1e-8}})
    check_step<S>(Adam(options), adam(options), rate);
  for (const AdaMmOptions& options :
       {AdaMmOptions{rate}, AdaMmOptions{rate, 0.5, 0.9}, AdaMmOptions{rate, 0, 0.3}})
    check_step<S>(AdaMm(options), ada_mm(options), rate);
}

/// `before` + `after` steps at once, and with a stop, a copy and the text of a state between.
template <class S>
void check_resume(const S& fresh) {
  random::Stream stream(seed, 2);
  const Values start = tests::normals(stream, d);
  std::vector<Values> gradients;
  for (int t = 0; t < 9; ++t) gradients.push_back(gradient(stream));
  Values whole = start, parts = start, copied;
  S all = fresh, first = fresh, second = fresh;
  for (const Values& g : gradients) all.apply(whole, g);
  for (int t = 0; t < 4; ++t) first.apply(parts, gradients[static_cast<std::size_t>(t)]);
  copied = parts;
  S copy = first;
  restore(save(first), second);
  CHECK(save(second) == save(first));
  for (std::size_t t = 4; t < 9; ++t) {
    second.apply(parts, gradients[t]);
    copy.apply(copied, gradients[t]);
    Values elsewhere(d, 0.0);  // a step that goes its own way moves no copy of itself
    first.apply(elsewhere, gradients[8 - t]);
  }
  CHECK(tests::bits(parts) == tests::bits(whole));
  CHECK(tests::bits(copied) == tests::bits(whole));
  copy = all;
  CHECK(save(copy) == save(all));
}

}  // namespace

TEST_CASE("momentum, Nesterov's momentum, Adam and AdaMM against their formulas") {
  check_steps<double>();
  check_steps<float>();
}

TEST_CASE("signs: a step of exactly the rate, none where the gradient is zero") {
  const double rate = 0.3, tiny = 0x1p-1074;
  const Values g{2, -3, 0, -0.0, tiny, -tiny, 1e300, -1e300};
  Values x(8, 1.0);
  Sign sign(rate);
  sign.apply(x, g);
  CHECK(x == Values{1 - rate, 1 + rate, 1, 1, 1 - rate, 1 + rate, 1 - rate, 1 + rate});
  sign.apply(x, g, 0.5);
  CHECK(x[0] == 1 - rate - 0.5 * rate);
  CHECK(x[2] == 1);
  std::vector<float> narrow(8, 1.0F);
  sign.apply(narrow, g);
  CHECK(narrow[1] == static_cast<float>(1 + rate));
}

TEST_CASE("the first steps of Adam and AdaMM are known") {
  // Adam's first step is rate g / (|g| + epsilon) whatever the decays; AdaMM's rate (1 - b1) / sqrt(1 - b2).
  Values x{0, 0}, y{0, 0};
  const Values g{3, -1e-3};
  Adam({.rate = 0.1, .beta1 = 0.7, .beta2 = 0.99, .epsilon = 1e-3}).apply(x, g);
  AdaMm({.rate = 0.1, .beta1 = 0.75, .beta2 = 0.9375}).apply(y, g);
  CHECK(x[0] == doctest::Approx(-0.1 * 3 / 3.001).epsilon(1e-13));
  CHECK(x[1] == doctest::Approx(0.05).epsilon(1e-13));
  CHECK(y[0] == doctest::Approx(-0.1).epsilon(1e-13));
  CHECK(y[1] == doctest::Approx(0.1).epsilon(1e-13));
}

TEST_CASE("AdaMM: a square that was large once stays; zeros do not move; nothing is infinite") {
  // After g = 100 the largest square is (1 - b2) 1e4 for good: with b1 = 0, g = 1 moves by rate / 100 times
  // 1 / sqrt(1 - b2). Adam without bias would have forgotten it after 1000 steps of b2 = 0.9.
  Values x{0, 0, 0};
  AdaMm step({.rate = 1, .beta1 = 0, .beta2 = 0.9375});
  step.apply(x, Values{100, 0, 0});
  for (int t = 0; t < 1000; ++t) step.apply(x, Values{0, 0, 0});
  CHECK(x == Values{-4, 0, 0});
  step.apply(x, Values{1, 0, 0});
  CHECK(x[0] == doctest::Approx(-4.04).epsilon(1e-13));
  // A gradient whose square is no double.
  step.apply(x, Values{0, 0, 1e-200});
  CHECK(std::isfinite(x[2]));
}

TEST_CASE("saved and restored, or copied, between steps: the same bits, and memory of its own") {
  CAPTURE(seed);
  check_resume(Sgd({.momentum = 0.9}));
  check_resume(Sgd({.momentum = 0.9, .nesterov = true}));
  check_resume(Sgd());
  check_resume(Sign());
  check_resume(Adam());
  check_resume(AdaMm());
  Values x(3, 0.0);
  Adam a, other({.beta1 = 0.5});
  AdaMm b({.beta2 = 0.5});
  Sgd c({.momentum = 0.5}), slower({.momentum = 0.25});
  a.apply(x, x);
  CHECK(complaint_of([&] { restore(save(a), other); }) == "state of Adam: saved with another beta1");
  CHECK(complaint_of([&] { restore(save(AdaMm()), b); }) == "state of AdaMm: saved with another beta2");
  CHECK(complaint_of([&] { restore(save(c), slower); }) == "state of Sgd: saved with another momentum");
  // A restored memory knows its size before it has met an x.
  Adam fresh;
  restore(save(a), fresh);
  Values longer(4, 0.0);
  CHECK(complaint_of([&] { fresh.apply(longer, longer); }) == "zeroth_order: a step for 3 entries got 4");
}

TEST_CASE("another size is an error that leaves x and the step") {
  const auto check = [](auto step) {
    Values x{1, 2, 3};
    const Values start = x, two{1, 1}, three{1, 1, 1};
    CHECK_THROWS_AS(step.apply(x, two), Error);
    CHECK(x == start);
    auto fresh = step;
    CHECK_NOTHROW(fresh.apply(x, three));  // what failed has not fixed the size
    CHECK(x != start);
    Values longer(4, 1.0);
    const Values four(4, 1.0), before = x;
    CHECK_THROWS_AS(fresh.apply(x, four), Error);
    CHECK(x == before);
  };
  check(Sgd());
  check(Sgd({.momentum = 0.5}));
  check(Sign());
  check(Adam());
  check(AdaMm());
}

TEST_CASE("a rate that its factor makes infinite, or no number, is an error that leaves x and the step") {
  const auto check = [](auto step, const std::string& name) {
    CAPTURE(name);
    Values x{1, 2, 3};
    const Values start = x, g{1, -1, 0.5};
    const std::string before = save(step);
    for (const double factor : {std::nan(""), 1 / 0.0, -1 / 0.0, 1e308})
      CHECK(complaint_of([&] { step.apply(x, g, factor); }).starts_with(name + ": a rate of 100 times "));
    CHECK(x == start);
    CHECK(save(step) == before);
  };
  check(Sgd({.rate = 100}), "Sgd");
  check(Sgd({.rate = 100, .momentum = 0.5}), "Sgd");
  check(Sign(100), "Sign");
  check(Adam({.rate = 100}), "Adam");
  check(AdaMm({.rate = 100}), "AdaMm");
}

TEST_CASE("options that make no sense are refused") {
  CHECK(complaint_of([] { Sgd({.rate = 0}); }) == "Sgd: a rate of 0 is not positive");
  CHECK(complaint_of([] { Sgd({.momentum = 1}); }) == "Sgd: 1 is not in [0, 1)");
  CHECK(complaint_of([] { Sgd({.momentum = -0.5}); }) == "Sgd: -0.5 is not in [0, 1)");
  CHECK(complaint_of([] { Sign(-1); }) == "Sign: a rate of -1 is not positive");
  CHECK(complaint_of([] { Adam({.rate = std::nan("")}); }) == "Adam: a rate of nan is not positive");
  CHECK(complaint_of([] { Adam({.beta1 = 1}); }) == "Adam: 1 is not in [0, 1)");
  CHECK(complaint_of([] { Adam({.beta2 = 2}); }) == "Adam: 2 is not in [0, 1)");
  CHECK(complaint_of([] { Adam({.epsilon = 0}); }) == "Adam: epsilon 0 is not positive");
  CHECK(complaint_of([] { AdaMm({.rate = 1 / 0.0}); }) == "AdaMm: a rate of inf is not positive");
  CHECK(complaint_of([] { AdaMm({.beta2 = 1}); }) == "AdaMm: 1 is not in [0, 1)");
}
