// What gradients of the generator's loss complain of, and that nothing is written then.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "fedval/black_box/estimator.hpp"
#include "tests/support/complaint.hpp"

using namespace fedval;
using namespace fedval::black_box;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

using Rows = std::vector<std::vector<double>>;

/// 3 samples of 4 entries, 2 classes, 2 points; all as it should be.
struct Case {
  Rows x = {{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 8, 7, 6}}, z = {{1}, {2}, {4}};
  std::vector<std::uint32_t> classes = {0, 1, 1};
  Logits logits{{1, 2}, {3, 4}, {5, 7}};
  Answers ensemble{logits, {logits, logits}}, global = ensemble;
  Queries queries{{.directions = zeroth_order::sphere(2)}, 3, 4, 1};
  GeneratorLoss loss;
  std::size_t out_size = 12;
};

/// What the estimator says of a case; out must be as it was.
std::string complaint(Estimator estimator, const Case& with) {
  std::vector<double> out(with.out_size, 7.0);
  const std::string result = tests::complaint_of([&] {
    generator_gradient(
        estimator, with.loss, {with.x, with.z, with.classes}, with.ensemble, with.global, with.queries,
        [](const Logits&) { return std::vector<double>(12); }, out);
  });
  CHECK((out == std::vector<double>(with.out_size, 7.0)) == (result != "no error"));
  return result;
}

template <class Change>
void check_all(Change&& change, const std::string& expected) {
  for (const Estimator estimator :
       {Estimator::scalar, Estimator::per_sample, Estimator::chain, Estimator::reference}) {
    Case with;
    change(with);
    CHECK(complaint(estimator, with) == expected);
  }
}

}  // namespace

TEST_CASE("nothing to complain of") {
  check_all([](Case&) {}, "no error");
}

TEST_CASE("numbers of samples, entries and classes") {
  check_all([](Case& with) { with.x.pop_back(); }, "black_box: x of shape [2, 4] for 3 samples");
  check_all(
      [](Case& with) {
        with.x = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}};
      },
      "black_box: 9 entries for 3 samples of 4");
  // As many entries, but other samples.
  check_all(
      [](Case& with) {
        with.x = {{1, 2}, {3, 4}, {5, 6}, {7, 8}, {9, 8}, {7, 6}};
      },
      "black_box: x of shape [6, 2] for 3 samples");
  check_all([](Case& with) { with.classes.pop_back(); }, "black_box: 2 classes for 3 samples");
  check_all([](Case& with) { with.z.pop_back(); }, "black_box: z of shape [2, 1] for 3 samples");
  check_all([](Case& with) { with.classes[2] = 2; }, "fidelity: sample 2 is for class 2 of 2");
  Case with;
  with.out_size = 11;
  CHECK(complaint(Estimator::scalar, with) == "zeroth_order: 11 entries for 3 samples of 4");
  CHECK(complaint(Estimator::per_sample, with) == "zeroth_order: 11 entries for 3 samples of 4");
  CHECK(complaint(Estimator::chain, with) == "diversity: a gradient of 11 entries for 12");
}

TEST_CASE("numbers of answers") {
  check_all([](Case& with) { with.ensemble.at_x = Logits(2, 2); }, "black_box: answers for 2 of 3 samples");
  check_all([](Case& with) { with.ensemble.at_points.pop_back(); },
            "black_box: the ensemble answered 1 of 2 points");
  check_all([](Case& with) { with.ensemble.at_points[1] = Logits(3, 3); },
            "cannot compare answers of 3 x 2 and 3 x 3");
  check_all(
      [](Case& with) {
        with.global = {Logits(3, 3), {Logits(3, 3), Logits(3, 3)}};
      },
      "cannot compare logits of 3 x 2 and 3 x 3");
}

TEST_CASE("answers of the global model about the points, where they are asked for") {
  for (const Estimator estimator : {Estimator::scalar, Estimator::per_sample, Estimator::reference}) {
    Case with;
    with.global.at_points.clear();
    CHECK(complaint(estimator, with) == "black_box: the global model answered 0 of 2 points");
    with.global.at_points = {with.logits, Logits(2, 2)};
    CHECK(complaint(estimator, with) == "cannot compare answers of 3 x 2 and 2 x 2");
  }
  Case with;
  with.global.at_points.clear();
  CHECK(complaint(Estimator::chain, with) == "no error");
}

TEST_CASE("temperatures, and entries that are not finite") {
  check_all([](Case& with) { with.loss.temperature = 0; }, "black_box: a temperature of 0 is not positive");
  check_all([](Case& with) { with.x[1][2] = std::nan(""); }, "diversity: x[1, 2] is NaN");
  check_all([](Case& with) { with.z[2][0] = std::nan(""); }, "diversity: z[2, 0] is NaN");
  check_all([](Case& with) { with.ensemble.at_x(1, 0) = infinity; }, "black_box: ensemble[1, 0] is inf");
  check_all([](Case& with) { with.ensemble.at_points[1](2, 0) = std::nan(""); },
            "black_box: ensemble[2, 0] at point 1 is nan");
  check_all([](Case& with) { with.ensemble.at_points[0](0, 1) = -infinity; },
            "black_box: ensemble[0, 1] at point 0 is -inf");
}

TEST_CASE("the exact gradient wants as many answers and noises as samples") {
  const auto complaint_of = [](const Case& with) {
    std::vector<double> out(12, 7.0);
    const auto nothing = [](const Logits&) { return std::vector<double>(12); };
    const std::string text = tests::complaint_of([&] {
      exact_gradient(with.loss, {with.x, with.z, with.classes}, with.ensemble.at_x, with.ensemble.at_x,
                     nothing, nothing, out);
    });
    CHECK((out == std::vector<double>(12, 7.0)) == (text != "no error"));
    return text;
  };
  Case with;
  CHECK(complaint_of(with) == "no error");
  with.classes = {0, 1, 1, 0, 1, 1};
  with.ensemble.at_x = Logits(6, 2);
  CHECK(complaint_of(with) == "black_box: x of shape [3, 4] for 6 samples");
  with = {};
  with.ensemble.at_x = Logits(6, 2);
  CHECK(complaint_of(with) == "black_box: answers for 6 of 3 samples");
}

// Diversity is then exp of minus some thousands, 0 as a double, and so is its part of the gradient.
TEST_CASE("samples that are far apart, as pixels from 0 to 255 are, leave every estimate finite") {
  for (const Estimator estimator : {Estimator::scalar, Estimator::per_sample, Estimator::chain}) {
    Case with;
    for (std::size_t i = 0; i < 3; ++i)
      for (double& pixel : with.x[i]) pixel *= 20 * static_cast<double>(1 + i);
    REQUIRE(Diversity(with.x, with.z).value() == 0);
    with.ensemble.at_points[0](1, 0) += 0.1;
    std::vector<double> out(12), without(12);
    const auto estimate = [&](double factor, std::vector<double>& into) {
      with.loss.diversity = factor;
      generator_gradient(
          estimator, with.loss, {with.x, with.z, with.classes}, with.ensemble, with.global, with.queries,
          [](const Logits&) { return std::vector<double>(12); }, into);
    };
    estimate(1, out);
    estimate(0, without);
    for (const double entry : out) CHECK(std::isfinite(entry));
    CHECK(out == without);
  }
}

TEST_CASE("a pullback of another size is named, and nothing is written") {
  for (const bool boxes : {true, false}) {
    Case with;
    std::vector<double> out(12, 7.0);
    const auto pullback = [](std::size_t size) {
      return [size](const Logits&) { return std::vector<double>(size); };
    };
    CHECK(tests::complaint_of([&] {
            exact_gradient(with.loss, {with.x, with.z, with.classes}, with.logits, with.logits,
                           pullback(boxes ? 11 : 12), pullback(boxes ? 12 : 11), out);
          }) == "black_box: " + std::string(boxes ? "the boxes' pullback" : "the pullback") +
                    " gave 11 entries for the 12 of x");
    CHECK(out == std::vector<double>(12, 7.0));
  }
}

TEST_CASE("what a pullback gives is checked before anything is written") {
  for (const double bad : {std::nan(""), infinity, -infinity})
    for (const bool in_boxes : {true, false}) {
      const Case with;
      const auto gives = [&](bool is_bad) {
        return [=](const Logits&) {
          std::vector<double> gradient(12, 0.5);
          if (is_bad) gradient[7] = bad;
          return gradient;
        };
      };
      const std::string found = std::isnan(bad) ? "NaN" : bad > 0 ? "infinite" : "-infinite";
      std::vector<double> out(12, 7.0);
      CHECK(tests::complaint_of([&] {
              exact_gradient(with.loss, {with.x, with.z, with.classes}, with.logits, with.logits,
                             gives(in_boxes), gives(!in_boxes), out);
            }) == std::string("black_box: what ") + (in_boxes ? "the boxes' pullback" : "the pullback") +
                      " gave[7] is " + found);
      CHECK(tests::complaint_of([&] {
              generator_gradient(Estimator::chain, with.loss, {with.x, with.z, with.classes}, with.ensemble,
                                 with.global, with.queries, gives(true), out);
            }) == "black_box: what the pullback gave[7] is " + found);
      CHECK(out == std::vector<double>(12, 7.0));
    }
}
