// Every loss of logits and its gradient against naive definitions in long double, and where they are known.
#include "fedval/black_box/losses.hpp"

#include <cmath>
#include <limits>

#include "tests/black_box/naive.hpp"
#include "tests/support/complaint.hpp"

using namespace fedval;
using namespace fedval::black_box;
using tests::check_near;
using tests::Classes;
using tests::complaint_of;
using tests::Real;
using tests::Table;
using tests::table_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 3011;

/// Calls body(stream, B, C, size of the logits, T) for random shapes.
template <class Body>
void for_random_shapes(std::uint64_t part, Body&& body) {
  CAPTURE(seed);
  random::Stream stream(seed, part);
  for (const double temperature : {1.0, 5.0, 20.0})
    for (int trial = 0; trial < 8; ++trial) {
      const std::size_t batch = 1 + stream.below(6), classes = 1 + stream.below(7);
      const double size = trial % 2 == 0 ? 1 : 6;
      CAPTURE(trial);
      CAPTURE(batch);
      CAPTURE(classes);
      CAPTURE(temperature);
      body(stream, batch, classes, size, temperature);
    }
}

/// Rounding of some ten operations on numbers of up to 50 or so, times `factor`.
void check_value(double found, Real expected, double factor = 1) {
  CHECK(std::abs(found - expected) <= 1e-14 * (factor + std::abs(expected)));
}

/// A softmax does not see a constant added to its logits.
void check_row_sums(const Logits& gradient) {
  for (std::size_t i = 0; i < gradient.rows(); ++i) {
    double sum = 0, size = 0;
    for (const double entry : gradient.row(i)) {
      sum += entry;
      size += std::abs(entry);
    }
    CHECK(std::abs(sum) <= 1e-14 * (size + 1 / static_cast<double>(gradient.rows())));
  }
}

}  // namespace

TEST_CASE("fidelity: value and gradient") {
  for_random_shapes(
      0, [](random::Stream& stream, std::size_t batch, std::size_t classes, double size, double) {
        const Logits ensemble = tests::random_logits(stream, batch, classes, size);
        const Classes y = tests::random_classes(stream, batch, classes);
        const LogitLoss loss = fidelity(ensemble, y);
        check_value(loss.value, tests::naive_fidelity(table_of(ensemble), y));
        const auto f = [&](const Table& at) { return tests::naive_fidelity(at, y); };
        if (classes > 1)
          check_near(loss.gradient.values(), tests::central_differences(f, table_of(ensemble)), 1e-9);
        check_row_sums(loss.gradient);
      });
}

TEST_CASE("adversarial: value and both gradients") {
  for_random_shapes(1, [](random::Stream& stream, std::size_t batch, std::size_t classes, double size,
                          double temperature) {
    const Logits ensemble = tests::random_logits(stream, batch, classes, size);
    const Logits global = tests::random_logits(stream, batch, classes, size);
    const Table a = table_of(ensemble), b = table_of(global);
    const AdversarialLoss loss = adversarial(ensemble, global, temperature);
    check_value(loss.value, -tests::naive_divergence(a, b, temperature));
    check_row_sums(loss.ensemble);
    check_row_sums(loss.global);
    if (classes == 1) return;  // all gradients are 0
    const auto of_ensemble = [&](const Table& at) { return -tests::naive_divergence(at, b, temperature); };
    const auto of_global = [&](const Table& at) { return -tests::naive_divergence(a, at, temperature); };
    check_near(loss.ensemble.values(), tests::central_differences(of_ensemble, a), 1e-9);
    check_near(loss.global.values(), tests::central_differences(of_global, b), 1e-9);
  });
}

TEST_CASE("information: value and gradient") {
  for_random_shapes(
      2, [](random::Stream& stream, std::size_t batch, std::size_t classes, double size, double) {
        const Logits ensemble = tests::random_logits(stream, batch, classes, size);
        const LogitLoss loss = information(ensemble);
        check_value(loss.value, tests::naive_information(table_of(ensemble)));
        check_row_sums(loss.gradient);
        const auto f = [](const Table& at) { return tests::naive_information(at); };
        if (classes > 1)
          check_near(loss.gradient.values(), tests::central_differences(f, table_of(ensemble)), 1e-9);
      });
}

TEST_CASE("distillation: value and gradient") {
  for_random_shapes(
      3, [](random::Stream& stream, std::size_t batch, std::size_t classes, double size, double temperature) {
        const Logits teacher = tests::random_logits(stream, batch, classes, size);
        const Logits student = tests::random_logits(stream, batch, classes, size);
        const auto f = [&](const Table& at) {
          const Real t = temperature;
          return t * t * tests::naive_divergence(table_of(teacher), at, t);
        };
        const LogitLoss loss = distillation(teacher, student, temperature);
        check_value(loss.value, f(table_of(student)), temperature * temperature);
        check_row_sums(loss.gradient);
        if (classes > 1)
          check_near(loss.gradient.values(), tests::central_differences(f, table_of(student)), 1e-9);
      });
}

TEST_CASE("closed forms") {
  const Logits uniform(3, 4, Values(12, -7.0)), sure{{1e4, 0}, {1e4, 0}, {0, 1e4}};
  CHECK(fidelity(uniform, Classes{0, 3, 2}).value == doctest::Approx(std::log(4.0)).epsilon(1e-15));
  CHECK(information(uniform).value == doctest::Approx(-std::log(4.0)).epsilon(1e-15));
  CHECK(fidelity(sure, Classes{0, 0, 1}).value == 0);
  CHECK(fidelity(sure, Classes{0, 1, 1}).value == doctest::Approx(1e4 / 3).epsilon(1e-15));
  // All answers one class: the entropy is 0, and its gradient, of shares that are 0, too.
  const LogitLoss one = information(Logits{{1e4, 0}, {1e4, 0}});
  CHECK(one.value == 0);
  CHECK(one.gradient == Logits(2, 2));
  CHECK(information(sure).value == doctest::Approx(2 * std::log(2.0) / 3 - std::log(3.0)).epsilon(1e-14));

  random::Stream stream(seed, 7);
  const Logits equal = tests::random_logits(stream, 3, 4, 9);
  const AdversarialLoss none = adversarial(equal, equal, 5);
  CHECK(none.value == 0);
  CHECK(none.ensemble == Logits(3, 4));
  CHECK(none.global == Logits(3, 4));
  CHECK(distillation(equal, equal, 5).value == 0);
  // KL((1, 0) || (1/2, 1/2)) = log 2, and back it is far.
  CHECK(adversarial(Logits{{1e4, 0}}, Logits{{0, 0}}, 2).value == doctest::Approx(-std::log(2.0)));
  CHECK(adversarial(Logits{{0, 0}}, Logits{{1e4, 0}}, 2).value == doctest::Approx(std::log(2.0) - 2500));
  CHECK(distillation(Logits{{1e4, 0}}, Logits{{0, 0}}, 2).value == doctest::Approx(4 * std::log(2.0)));
}

TEST_CASE("a batch repeated has the same losses, and gradients half as large") {
  random::Stream stream(seed, 9);
  const Logits once = tests::random_logits(stream, 3, 4, 2), other = tests::random_logits(stream, 3, 4, 2);
  const auto twice = [](const Logits& logits) {
    Values values(logits.values().begin(), logits.values().end());
    values.insert(values.end(), logits.values().begin(), logits.values().end());
    return Logits(6, 4, values);
  };
  const auto check = [&](double value, const Logits& gradient, double expected, const Logits& whole) {
    CHECK(value == doctest::Approx(expected).epsilon(1e-14));
    for (std::size_t k = 0; k < 24; ++k)
      CHECK(std::abs(gradient.values()[k] - whole.values()[k % 12] / 2) < 1e-16);
  };
  const LogitLoss fid = fidelity(once, Classes{1, 3, 0}),
                  fid_2 = fidelity(twice(once), Classes{1, 3, 0, 1, 3, 0});
  check(fid_2.value, fid_2.gradient, fid.value, fid.gradient);
  const LogitLoss info = information(once), info_2 = information(twice(once));
  check(info_2.value, info_2.gradient, info.value, info.gradient);
  const AdversarialLoss adv = adversarial(once, other, 5), adv_2 = adversarial(twice(once), twice(other), 5);
  check(adv_2.value, adv_2.ensemble, adv.value, adv.ensemble);
  check(adv_2.value, adv_2.global, adv.value, adv.global);
}

TEST_CASE("errors of losses of logits") {
  const Logits two{{1, 2}, {3, 4}}, wide{{1, 2, 3}, {4, 5, 6}};
  CHECK(complaint_of([&] { fidelity(two, Classes{0, 2}); }) == "fidelity: sample 1 is for class 2 of 2");
  CHECK(complaint_of([&] { fidelity(two, Classes{0}); }) == "fidelity: 1 classes for 2 samples");
  for (const Logits& none : {Logits(0, 3), Logits(2, 0)}) {
    const std::string expected = "black_box: logits of no sample or no class";
    CHECK(complaint_of([&] { fidelity(none, Classes(none.rows())); }) == expected);
    CHECK(complaint_of([&] { adversarial(none, none, 1); }) == expected);
    CHECK(complaint_of([&] { information(none); }) == expected);
    CHECK(complaint_of([&] { distillation(none, none, 1); }) == expected);
  }
  CHECK(complaint_of([&] { adversarial(two, wide, 1); }) == "cannot compare logits of 2 x 2 and 2 x 3");
  CHECK(complaint_of([&] { distillation(wide, two, 1); }) == "cannot compare logits of 2 x 3 and 2 x 2");
  const auto at = [&](double t) { return complaint_of([&] { adversarial(two, two, t); }); };
  CHECK(at(0) == "black_box: a temperature of 0 is not positive");
  CHECK(at(-5) == "black_box: a temperature of -5 is not positive");
  CHECK(at(std::nan("")) == "black_box: a temperature of nan is not positive");
  CHECK(at(std::numeric_limits<double>::infinity()) == "black_box: a temperature of inf is not positive");
  CHECK(complaint_of([&] { distillation(two, two, 0); }) == "black_box: a temperature of 0 is not positive");
}
