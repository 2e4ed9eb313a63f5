// Gradients of the generator's loss against the whole loss computed again, with answers that no model has to
// give: samples move far, so that every term counts and not its first order alone.
#include "fedval/black_box/estimator.hpp"

#include <cmath>

#include "fedval/tensor/eigen.hpp"
#include "tests/black_box/naive.hpp"

using namespace fedval;
using namespace fedval::black_box;
using tests::check_near;
using tests::Classes;
using tests::Real;
using tests::Table;
using tests::table_of;
using tests::Values;
using zeroth_order::Directions;

namespace {

constexpr std::uint64_t seed = 3037;

struct Case {
  std::vector<Values> x, z;
  Classes classes;
  Answers ensemble, global;
  Queries queries;
  GeneratorLoss loss;

  Synthesis made() const { return {x, z, classes}; }
};

Case random_case(random::Stream& stream, const Directions& directions, double epsilon, std::size_t batch,
                 std::size_t d, std::size_t classes) {
  const auto answers = [&] {
    Answers result{tests::random_logits(stream, batch, classes, 2), {}};
    for (std::size_t k = 0; k < directions.count; ++k)
      result.at_points.push_back(tests::random_logits(stream, batch, classes, 2));
    return result;
  };
  return {tests::random_rows(stream, batch, d),
          tests::random_rows(stream, batch, 3),
          tests::random_classes(stream, batch, classes),
          answers(),
          answers(),
          Queries({.directions = directions, .epsilon = epsilon}, batch, d, stream()),
          {.temperature = 1 + 4 * stream.uniform(),
           .adversarial = stream.normal(),
           .diversity = stream.normal(),
           .information = stream.normal()}};
}

/// Calls body for cases of several laws of unit directions, shapes and steps.
template <class Body>
void for_cases(std::uint64_t part, Body&& body) {
  CAPTURE(seed);
  random::Stream stream(seed, part);
  for (const double epsilon : {0.03, 0.5, 1.0})
    for (const Directions& directions :
         {zeroth_order::orthogonal(3), zeroth_order::sphere(7), zeroth_order::rademacher(2),
          zeroth_order::hadamard(4), zeroth_order::coordinates(4)})
      for (const std::size_t batch : {1UL, 2UL, 5UL}) {
        const std::size_t d = 4 + stream.below(5), classes = 2 + stream.below(4);
        CAPTURE(epsilon);
        CAPTURE(directions.name);
        CAPTURE(batch);
        CAPTURE(d);
        CAPTURE(classes);
        body(random_case(stream, directions, epsilon, batch, d, classes));
      }
}

Real naive_loss(const Case& with, const Table& x, const Table& ensemble, const Table& global) {
  return tests::naive_fidelity(ensemble, with.classes) -
         with.loss.adversarial * tests::naive_divergence(ensemble, global, with.loss.temperature) +
         with.loss.diversity * tests::naive_diversity(x, table_of(with.z)) +
         with.loss.information * tests::naive_information(ensemble);
}

/// x_k, row by row.
std::vector<Values> point(const Case& with, std::size_t k) {
  std::vector<Values> moved = with.x;
  with.queries.point(with.x, k, moved);
  return moved;
}

/// (d/q) sum_k differences[i][k] (x_ki - x_i) / epsilon^2: right where all directions have one length.
Table naive_gradient(const Case& with, const Table& differences) {
  const std::size_t q = with.queries.count(), d = with.queries.dimension();
  Table gradient(with.x.size(), std::vector<Real>(d));
  for (std::size_t k = 0; k < q; ++k) {
    const std::vector<Values> there = point(with, k);
    for (std::size_t i = 0; i < with.x.size(); ++i)
      for (std::size_t e = 0; e < d; ++e)
        gradient[i][e] += static_cast<Real>(d) / static_cast<Real>(q) * differences[i][k] *
                          (static_cast<Real>(there[i][e]) - with.x[i][e]) / with.queries.squared_step();
  }
  return gradient;
}

/// The gradient by an estimator that pulls nothing back.
Values gradient_of(Estimator estimator, const Case& with) {
  Values out(with.x.size() * with.queries.dimension(), std::nan(""));
  const auto never = [&](const Logits&) {
    FAIL("pulled back");
    return out;
  };
  generator_gradient(estimator, with.loss, with.made(), with.ensemble, with.global, with.queries, never, out);
  return out;
}

}  // namespace

TEST_CASE("per sample: the change of the whole loss when one sample alone goes to its point") {
  for_cases(0, [](const Case& with) {
    const Table x = table_of(with.x), a = table_of(with.ensemble.at_x), s = table_of(with.global.at_x);
    const Real at_x = naive_loss(with, x, a, s);
    Table differences(x.size(), std::vector<Real>(with.queries.count()));
    for (std::size_t k = 0; k < with.queries.count(); ++k)
      for (std::size_t i = 0; i < x.size(); ++i) {
        Table x_moved = x, a_moved = a, s_moved = s;
        x_moved[i] = table_of(point(with, k))[i];
        a_moved[i] = table_of(with.ensemble.at_points[k])[i];
        s_moved[i] = table_of(with.global.at_points[k])[i];
        differences[i][k] = naive_loss(with, x_moved, a_moved, s_moved) - at_x;
      }
    check_near(gradient_of(Estimator::per_sample, with), naive_gradient(with, differences), 1e-10);
  });
}

TEST_CASE("scalar: the change of the whole loss when all samples go, for every sample") {
  for_cases(1, [](const Case& with) {
    const Real at_x =
        naive_loss(with, table_of(with.x), table_of(with.ensemble.at_x), table_of(with.global.at_x));
    Table differences(with.x.size());
    for (std::size_t k = 0; k < with.queries.count(); ++k)
      for (std::vector<Real>& row : differences)
        row.push_back(naive_loss(with, table_of(point(with, k)), table_of(with.ensemble.at_points[k]),
                                 table_of(with.global.at_points[k])) -
                      at_x);
    check_near(gradient_of(Estimator::scalar, with), naive_gradient(with, differences), 1e-10);
  });
}

TEST_CASE("reference: scalar over B, and for one sample scalar is per sample") {
  for_cases(2, [](const Case& with) {
    const Values scalar = gradient_of(Estimator::scalar, with),
                 reference = gradient_of(Estimator::reference, with);
    const auto batch = static_cast<double>(with.x.size());
    for (std::size_t e = 0; e < scalar.size(); ++e) CHECK(reference[e] == 1 / batch * scalar[e]);
    if (with.x.size() > 1) return;
    const Values alone = gradient_of(Estimator::per_sample, with);
    check_near(alone, table_of(std::vector<Values>{scalar}), 1e-10);
  });
}

TEST_CASE("chain: through the boxes by differences, everything else exact") {
  for_cases(3, [](Case with) {
    with.global.at_points.clear();  // never asked for
    const Table x = table_of(with.x), a = table_of(with.ensemble.at_x), s = table_of(with.global.at_x);
    const Table v =
        tests::central_differences([&](const Table& at) { return naive_loss(with, x, at, s); }, a);
    Table differences(x.size(), std::vector<Real>(with.queries.count()));
    for (std::size_t k = 0; k < with.queries.count(); ++k)
      for (std::size_t i = 0; i < x.size(); ++i)
        for (std::size_t c = 0; c < a[i].size(); ++c)
          differences[i][k] += v[i][c] * (table_of(with.ensemble.at_points[k])[i][c] - a[i][c]);
    Table expected = naive_gradient(with, differences);
    const Table white =
        tests::central_differences([&](const Table& at) { return naive_loss(with, at, a, s); }, x);
    const Table ds =
        tests::central_differences([&](const Table& at) { return naive_loss(with, x, a, at); }, s);

    random::Stream stream(seed, 4);
    const std::vector<Values> pulled = tests::random_rows(stream, x.size(), x.front().size());
    for (std::size_t i = 0; i < x.size(); ++i)
      for (std::size_t e = 0; e < x[i].size(); ++e) expected[i][e] += white[i][e] + pulled[i][e];
    int calls = 0;
    const auto pullback = [&](const Logits& given) {
      ++calls;
      check_near(given.values(), ds, 1e-9);
      return pulled;
    };
    std::vector<Values> out = with.x;
    generator_gradient(Estimator::chain, with.loss, with.made(), with.ensemble, with.global, with.queries,
                       pullback, out);
    CHECK(calls == 1);
    Values entries(x.size() * x.front().size());
    TensorView(out).read(0, entries);
    check_near(entries, expected, 1e-9);
  });
}

TEST_CASE("chain: boxes that answer the same everywhere add nothing") {
  random::Stream stream(seed, 5);
  Case with = random_case(stream, zeroth_order::orthogonal(3), 0.5, 4, 6, 3);
  for (Logits& each : with.ensemble.at_points) each = with.ensemble.at_x;
  const Values pulled = tests::normals(stream, 24);
  const auto pullback = [&](const Logits&) { return pulled; };
  Values out(24, std::nan("")), expected = pulled;
  generator_gradient(Estimator::chain, with.loss, with.made(), with.ensemble, {with.global.at_x, {}},
                     with.queries, pullback, out);
  Diversity(with.x, with.z).add_gradient(with.loss.diversity, 1, expected);
  CHECK(out == expected);
}

TEST_CASE("the losses at x come back, whatever the estimator, without their factors") {
  for_cases(6, [](const Case& with) {
    const Table x = table_of(with.x), a = table_of(with.ensemble.at_x), s = table_of(with.global.at_x);
    const auto check = [&](const LossParts& parts) {
      CHECK(std::abs(parts.fidelity - tests::naive_fidelity(a, with.classes)) < 1e-13);
      CHECK(std::abs(parts.adversarial + tests::naive_divergence(a, s, with.loss.temperature)) < 1e-13);
      CHECK(std::abs(parts.diversity - tests::naive_diversity(x, table_of(with.z))) < 1e-13);
      CHECK(std::abs(parts.information - tests::naive_information(a)) < 1e-13);
      CHECK(std::abs(parts.total(with.loss) - naive_loss(with, x, a, s)) < 1e-12);
    };
    check(losses_of(with.loss, with.made(), with.ensemble.at_x, with.global.at_x));
    Values out(with.x.size() * with.x.front().size());
    const auto nothing = [&](const Logits&) { return Values(out.size()); };
    for (const Estimator estimator :
         {Estimator::scalar, Estimator::per_sample, Estimator::chain, Estimator::reference})
      check(generator_gradient(estimator, with.loss, with.made(), with.ensemble, with.global, with.queries,
                               nothing, out));
  });
}

TEST_CASE("a factor of 0: what its loss alone looks at does not matter") {
  random::Stream stream(seed, 7);
  const Case with = random_case(stream, zeroth_order::sphere(3), 0.5, 4, 6, 3);
  const Case other = random_case(stream, zeroth_order::sphere(3), 0.5, 4, 6, 3);
  const auto gradient = [](Estimator estimator, const Case& at) {
    Values out(24);
    const auto pullback = [](const Logits& ds) {  // 12 numbers twice
      Values both(ds.values().begin(), ds.values().end());
      both.insert(both.end(), ds.values().begin(), ds.values().end());
      return both;
    };
    generator_gradient(estimator, at.loss, at.made(), at.ensemble, at.global, at.queries, pullback, out);
    return out;
  };
  for (const Estimator estimator : {Estimator::scalar, Estimator::per_sample, Estimator::chain}) {
    Case strangers = with, noisy = with;
    strangers.global = other.global;
    noisy.z = other.z;
    CHECK(gradient(estimator, strangers) != gradient(estimator, with));
    CHECK(gradient(estimator, noisy) != gradient(estimator, with));
    Case without = with;
    strangers.loss.adversarial = without.loss.adversarial = 0;
    CHECK(gradient(estimator, strangers) == gradient(estimator, without));
    without = with;
    noisy.loss.diversity = without.loss.diversity = 0;
    CHECK(gradient(estimator, noisy) == gradient(estimator, without));
  }
}

TEST_CASE("the entropy of a moved batch is that of its own mean answer") {
  // Softmax (1/2, 1/2) at x, (3/4, 1/4) at the point, for class 1: the fidelity grows by log 2. A logarithm
  // of the mean at x would leave the information at -log 2.
  const std::vector<Values> x{{0.3}}, z{{1}};
  const Answers ensemble{Logits{{0, 0}}, {Logits{{std::log(3.0), 0}}}};
  const Classes classes{1};
  const Queries queries({.directions = zeroth_order::coordinates(1), .epsilon = 1}, 1, 1, seed);
  const double moved = 0.75 * std::log(0.75) + 0.25 * std::log(0.25);
  for (const Estimator estimator : {Estimator::scalar, Estimator::per_sample, Estimator::reference}) {
    Values out(1);
    generator_gradient(
        estimator, {.adversarial = 0, .diversity = 0}, {x, z, classes}, ensemble, ensemble, queries,
        [](const Logits&) { return Values(1); }, out);
    CHECK(out[0] == doctest::Approx(std::log(2.0) + moved + std::log(2.0)).epsilon(1e-14));
    CHECK(std::abs(out[0] - std::log(2.0)) > 0.1);
  }
}

TEST_CASE("samples and gradients in tensors of any kind") {
  random::Stream stream(seed, 8);
  Case with = random_case(stream, zeroth_order::orthogonal(3), 0.5, 4, 6, 3);
  std::vector<std::vector<float>> x;
  Eigen::MatrixXd columns(4, 6);
  for (std::size_t i = 0; i < 4; ++i) {
    x.emplace_back(with.x[i].begin(), with.x[i].end());
    with.x[i].assign(x[i].begin(), x[i].end());
    for (std::size_t e = 0; e < 6; ++e)
      columns(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(e)) = x[i][e];
  }
  const Eigen::MatrixXd pulled = columns / 8;
  const auto pullback = [&](const Logits&) -> const Eigen::MatrixXd& { return pulled; };
  for (const Estimator estimator : {Estimator::scalar, Estimator::per_sample, Estimator::chain}) {
    const auto gradient = [&](const TensorView& samples) {
      Eigen::MatrixXd out(4, 6);
      generator_gradient(estimator, with.loss, {samples, with.z, with.classes}, with.ensemble, with.global,
                         with.queries, pullback, out);
      return out;
    };
    const Eigen::MatrixXd expected = gradient(with.x);
    CHECK(gradient(x) == expected);
    CHECK(gradient(columns) == expected);
  }
}
