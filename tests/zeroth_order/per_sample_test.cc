// Gradients of the functions of a batch, one a sample, against estimates of each alone.
#include <limits>

#include "fedval/archive.hpp"
#include "fedval/tensor/eigen.hpp"
#include "fedval/zeroth_order/per_sample.hpp"
#include "tests/support/complaint.hpp"
#include "tests/zeroth_order/estimates.hpp"

using namespace fedval;
using namespace fedval::zeroth_order;
using tests::bits;
using tests::complaint_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 2087;
constexpr std::size_t batch = 5, d = 4;

using Rows = std::vector<Values>;

/// The function of sample b: another one for each.
double one(std::size_t b, const Values& row) {
  double sum = static_cast<double>(b);
  for (std::size_t i = 0; i < row.size(); ++i)
    sum += std::sin(static_cast<double>(i + 1) * row[i]) + static_cast<double>(b) * row[i] * row[0];
  return sum;
}

Values all(const Rows& x) {
  Values values;
  for (std::size_t b = 0; b < x.size(); ++b) values.push_back(one(b, x[b]));
  return values;
}

Rows points() {
  random::Stream stream(seed);
  Rows x;
  for (std::size_t b = 0; b < batch; ++b) x.push_back(tests::normals(stream, d));
  return x;
}

GradientOptions options_of(const Directions& directions, const Difference& difference) {
  return {.directions = directions, .difference = difference, .smoothing = 0.125, .seed = seed};
}

/// What an Estimator gives at step `step`: its state says which it has come to.
Gradient<Values> estimate_at(std::uint64_t step, const GradientOptions& options, std::size_t b,
                             const Values& x) {
  Estimator estimator(options);
  std::string text = save(estimator);
  const std::string before = "step 0";
  text.replace(text.find(before), before.size(), "step " + std::to_string(step));
  restore(text, estimator);
  return estimator([&](const Values& row) { return one(b, row); }, x);
}

}  // namespace

TEST_CASE("each row is the estimate of its sample alone, with the directions of (seed, step, sample)") {
  const Rows x = points();
  for (const Difference& difference : {forward, central, five_point, one_point, leave_one_out})
    for (const Directions& directions : {gaussian(3), rademacher(3), sphere(3), l1_sphere(3), coordinates(3),
                                         orthogonal(3), orthogonal(3, Norms::chi), hadamard(3)})
      for (const Combination combination :
           {Combination::plain, Combination::shrink, Combination::least_squares})
        for (const std::uint64_t step : {0UL, 3UL}) {
          GradientOptions options = options_of(directions, difference);
          options.combination = combination;
          const std::string label = tests::label_of(options, d);
          CAPTURE(label);
          std::size_t calls = 0;
          const auto f = [&](const Rows& at) {
            ++calls;
            return all(at);
          };
          const PerSampleGradient<Rows> found = per_sample_gradient(f, x, options, step);
          CHECK(found.calls == difference.queries(3));
          CHECK(calls == found.calls);
          CHECK(found.queries == batch * found.calls);
          CHECK(found.smoothing == 0.125);
          CHECK(found.values.size() == (difference.name == "forward" ? batch : 0));
          for (std::size_t b = 0; b < batch; ++b) {
            CAPTURE(b);
            const Gradient<Values> alone = estimate_at(step << 32 | b, options, b, x[b]);
            CHECK(bits(found.gradient[b]) == bits(alone.gradient));
            CHECK(bits(found.slopes[b]) == bits(alone.slopes));
            if (difference.name == "forward") CHECK(found.values[b] == one(b, x[b]));
          }
        }
}

TEST_CASE("orthogonal directions, as many as dimensions, are exact for every sample") {
  const Rows x = points();
  random::Stream stream(seed, 1);
  Rows slopes;
  for (std::size_t b = 0; b < batch; ++b) slopes.push_back(tests::normals(stream, d));
  const auto affine = [&](const Rows& at) {
    Values values;
    for (std::size_t b = 0; b < batch; ++b) values.push_back(tests::Affine{slopes[b], 1}(at[b]));
    return values;
  };
  for (const Directions& directions : {orthogonal(d), hadamard(d), coordinates(d)})
    for (const Difference& difference : {forward, central}) {
      const Rows g = per_sample_gradient(affine, x, options_of(directions, difference)).gradient;
      // Values are within 20 or so, a slope is 16 sum_bound(6) of that off at most, and d of them are added.
      for (std::size_t b = 0; b < batch; ++b)
        for (std::size_t i = 0; i < d; ++i)
          CHECK(std::abs(g[b][i] - slopes[b][i]) < 20.0 * 16 * d * tests::sum_bound(6));
    }
}

TEST_CASE("samples have directions of their own: their errors are not one error") {
  // All samples are one function at one point, so that shared directions would give one and the same row.
  const Values slope{1, -2, 3, 0.5};
  const Rows x(batch, Values(d, 0.3));
  const auto same = [&](const Rows& at) {
    Values values;
    for (const Values& row : at) values.push_back(tests::Affine{slope}(row));
    return values;
  };
  std::vector<tests::Mean> products(batch);
  for (std::uint64_t step = 0; step < 4000; ++step) {
    const Rows g = per_sample_gradient(same, x, options_of(sphere(1), central), step).gradient;
    Values errors;
    for (const Values& row : g) errors.push_back(tests::dot_of(row, slope) / tests::square_of(slope) - 1);
    for (std::size_t b = 0; b < batch; ++b) products[b].add(errors[b] * errors[(b + 1) % batch]);
  }
  for (const tests::Mean& mean : products) tests::check_unbiased(mean, 0);
}

TEST_CASE("batches in any container; values as a list, a vector or a tensor") {
  const Rows x = points();
  const GradientOptions options = options_of(sphere(2), central);
  const Rows expected = per_sample_gradient(all, x, options).gradient;
  Eigen::Matrix<double, batch, d, Eigen::RowMajor> rows;
  Eigen::Matrix<double, batch, d> columns;
  for (std::size_t b = 0; b < batch; ++b)
    for (std::size_t i = 0; i < d; ++i)
      columns(static_cast<Eigen::Index>(b), static_cast<Eigen::Index>(i)) =
          rows(static_cast<Eigen::Index>(b), static_cast<Eigen::Index>(i)) = x[b][i];
  const auto of_matrix = [](const auto& at) {
    Eigen::VectorXd values(at.rows());
    for (Eigen::Index b = 0; b < at.rows(); ++b) {
      Values row;
      for (Eigen::Index i = 0; i < at.cols(); ++i) row.push_back(at(b, i));
      values(b) = one(static_cast<std::size_t>(b), row);
    }
    return values;
  };
  const auto check = [&](const auto& g) {
    for (std::size_t b = 0; b < batch; ++b)
      for (std::size_t i = 0; i < d; ++i)
        CHECK(g(static_cast<Eigen::Index>(b), static_cast<Eigen::Index>(i)) == expected[b][i]);
  };
  check(per_sample_gradient(of_matrix, rows, options).gradient);
  check(per_sample_gradient(of_matrix, columns, options).gradient);
  const auto listed = [](const Rows& at) {
    const Values values = all(at);
    return std::vector<long double>(values.begin(), values.end());
  };
  CHECK(per_sample_gradient(listed, x, options).gradient == expected);
}

TEST_CASE("a sample number comes with the batch, the same for all its points") {
  std::vector<std::uint64_t> numbers;
  const auto f = [&](const Rows& at, Sample sample = {}) {
    numbers.push_back(sample.number);
    return all(at);
  };
  per_sample_gradient(f, points(), options_of(sphere(2), forward), 1);
  per_sample_gradient(f, points(), options_of(sphere(2), forward), 2);
  REQUIRE(numbers.size() == 6);
  for (std::size_t k = 0; k < 6; ++k) CHECK(numbers[k] == numbers[k / 3 * 3]);
  CHECK(numbers[0] != numbers[3]);
  const auto with = [](const Rows& at, Sample) { return all(at); };
  CHECK(BatchObjective<decltype(with), Rows>);
}

TEST_CASE("what is not finite is named by direction and sample; wrong numbers of values and short budgets") {
  const Rows x = points();
  const GradientOptions options = options_of(sphere(3), forward);
  const auto bad = [&](std::size_t when, std::size_t b, double value) {
    return complaint_of([&] {
      std::size_t calls = 0;
      per_sample_gradient(
          [&](const Rows& at) {
            Values values = all(at);
            if (calls++ == when) values[b] = value;
            return values;
          },
          x, options);
    });
  };
  constexpr double infinity = std::numeric_limits<double>::infinity();
  CHECK(bad(0, 2, infinity) == "zeroth_order: f(x) is infinite for sample 2");
  CHECK(bad(1, 0, -infinity) == "zeroth_order: direction 0: f(x + 0.125 u) is -infinite for sample 0");
  CHECK(bad(3, 4, std::nan("")) == "zeroth_order: direction 2: f(x + 0.125 u) is NaN for sample 4");
  const auto few = [](const Rows&) { return Values(batch - 1, 1.0); };
  CHECK(complaint_of([&] { per_sample_gradient(few, x, options); }) ==
        "zeroth_order: the function gave 4 values for 5 samples");
  CHECK(complaint_of([&] { per_sample_gradient(all, x, options_of(sphere(3), residual)); }) ==
        "zeroth_order: no residual differences for a batch of functions");
  CHECK(complaint_of([&] { per_sample_gradient(all, Rows{}, options); }) ==
        "zeroth_order: a batch without samples");
  CHECK(complaint_of([&] {
          per_sample_gradient(all, Rows{{1, 2}, {3, std::nan("")}}, options);
        }) == "zeroth_order: x[1, 1] is NaN");
  CHECK(complaint_of([&] { per_sample_gradient(all, x, options_of(orthogonal(5), forward)); }) ==
        "random: 5 orthogonal vectors in 4 dimensions");
  GradientOptions zero = options;
  zero.smoothing = 0;
  CHECK(complaint_of([&] { per_sample_gradient(all, x, zero); }) ==
        "zeroth_order: a smoothing radius of 0 is not positive");
  QueryBudget budget(39);
  GradientOptions limited = options;
  limited.budget = &budget;
  std::size_t calls = 0;
  const auto counted = [&](const Rows& at) {
    ++calls;
    return all(at);
  };
  per_sample_gradient(counted, x, limited);
  CHECK(budget.left() == 19);
  CHECK(complaint_of([&] { per_sample_gradient(counted, x, limited); }) ==
        "zeroth_order: 20 queries are needed, 19 of 39 are left");
  CHECK(calls == 4);
}
