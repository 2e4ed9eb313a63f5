#include "fedval/tensor/norms.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "fedval/tensor/direction_sum.hpp"
#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/std.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"
#include "tests/support/threads.hpp"

using namespace fedval;
using tests::bits;
using tests::complaint_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 2203;

using Vectors = std::vector<Values>;

std::vector<TensorView> views_of(const Vectors& vectors) { return {vectors.begin(), vectors.end()}; }

/// Vectors of every scale that a double has, one of them zero.
Vectors draw(random::Stream& stream, std::size_t size) {
  Vectors vectors;
  for (const double scale : {1.0, 1e300, 1e-300, 1e160, 1e-170, 0.0, 3.0})
    vectors.push_back(tests::normals(stream, size, scale));
  return vectors;
}

}  // namespace

TEST_CASE("norms are right at every size and scale") {
  CAPTURE(seed);
  random::Stream stream(seed);
  for (const std::size_t size : {0UL, 1UL, 7UL, 511UL, 512UL, 513UL, 70001UL}) {
    CAPTURE(size);
    const Vectors vectors = draw(stream, size);
    const VectorNorms found = norms(views_of(vectors));
    REQUIRE(found.size() == vectors.size());
    for (std::size_t i = 0; i < vectors.size(); ++i) {
      CAPTURE(i);
      const long double length = tests::naive_norm(vectors[i]);
      CHECK(std::abs(found.norm(i) - length) <= tests::sum_bound(size) * length);
    }
  }
  CHECK(norms({}).size() == 0);
}

TEST_CASE("a sum of directions and its products are the definition's, whatever the vectors' scale") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  for (const std::size_t size : {1UL, 8UL, 513UL, 70001UL}) {
    CAPTURE(size);
    const Vectors vectors = draw(stream, size);
    Values weights;
    for (std::size_t i = 0; i < vectors.size(); ++i) weights.push_back(stream.uniform(-1, 1));
    std::vector<long double> sum(size, 0), lengths;
    long double square = 0, scale = 0;
    for (std::size_t i = 0; i < vectors.size(); ++i) {
      lengths.push_back(tests::naive_norm(vectors[i]));
      scale += std::abs(weights[i]);
      for (std::size_t k = 0; k < size && lengths[i] > 0; ++k)
        sum[k] += weights[i] * vectors[i][k] / lengths[i];
    }
    for (const long double value : sum) square += value * value;
    const DirectionSum found = direction_sum(views_of(vectors), norms(views_of(vectors)), weights);
    // An entry of s is within n roundings of what was added, a norm within D, a product within D more.
    const auto bound = static_cast<double>(scale) * (2 * tests::sum_bound(size) + tests::sum_bound(16));
    CHECK(std::abs(found.square - square) <= 2 * static_cast<double>(scale) * bound);
    for (std::size_t i = 0; i < vectors.size(); ++i) {
      long double along = 0;
      for (std::size_t k = 0; k < size && lengths[i] > 0; ++k) along += sum[k] * (vectors[i][k] / lengths[i]);
      CHECK(std::abs(found.along[i] - along) <= bound);
    }
  }
}

TEST_CASE("the bits are those of one thread") {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  const Vectors vectors = draw(stream, 200001);
  const Values weights(vectors.size(), 0.3);
  const auto found = [&](int threads) {
    const tests::Threads scope(threads);
    const VectorNorms lengths = norms(views_of(vectors));
    DirectionSum sum = direction_sum(views_of(vectors), lengths, weights);
    sum.along.push_back(sum.square);
    for (std::size_t i = 0; i < lengths.size(); ++i) sum.along.push_back(lengths.norm(i));
    return bits(sum.along);
  };
  const auto expected = found(1);
  CHECK(found(2) == expected);
  CHECK(found(5) == expected);
}

TEST_CASE("misuse is an error that names the vector and the entry") {
  const Values x{1, 2}, longer{1, 2, 3}, nan{1, std::nan("")},
      infinite{1, -std::numeric_limits<double>::infinity()};
  const std::vector<std::string> names{"client 3: update", "client 10: update"};
  const auto complaint = [&](const Values& second) {
    return complaint_of([&] { norms(std::vector<TensorView>{x, second}, names); });
  };
  CHECK(complaint(nan) == "client 10: update[1] is NaN");
  CHECK(complaint(infinite) == "client 10: update[1] is -infinite");
  CHECK(complaint(longer) ==
        "client 10: update has 3 entries (shape [3]), client 3: update has 2 (shape [2])");
  const std::vector<TensorView> two{x, x};
  CHECK(complaint_of([&] { direction_sum(two, norms(two), Values{1}); }) ==
        "direction_sum: 2 norms and 1 weights for 2 tensors");
}

TEST_CASE("more threads than slices") {
  CAPTURE(seed);
  random::Stream stream(seed, 3);
  const Values values = tests::normals(stream, 65536);
  const std::vector<TensorView> views(70, TensorView(values));  // the work of seventy threads
  const tests::Threads scope(70);
  const VectorNorms found = norms(views);
  const long double length = tests::naive_norm(values);
  for (std::size_t i = 0; i < views.size(); ++i)
    CHECK(std::abs(found.norm(i) - length) <= tests::sum_bound(values.size()) * length);
}

TEST_CASE("directions are right where a weight's quotient by a norm is beyond a double") {
  const double cases[][2] = {
      {1e-200, 5e130}, {1e200, 5e-130}, {-1e-300, 5e300}, {1e300, 5e-300}, {1e-5, 5e307}};
  for (const auto& [weight, norm] : cases) {
    CAPTURE(weight);
    const Vectors vectors{{0.6 * norm, -0.8 * norm}, {0, 0}};
    const std::vector<TensorView> views = views_of(vectors);
    const VectorNorms norms = fedval::norms(views);
    Values sum(2);
    combine_normalised(Values{weight, 1}, views, norms, sum);
    CHECK(sum[0] == doctest::Approx(0.6 * weight).epsilon(1e-14));
    CHECK(sum[1] == doctest::Approx(-0.8 * weight).epsilon(1e-14));
    const DirectionSum found = direction_sum(views, norms, Values{weight, 1});
    CHECK(found.along[0] == doctest::Approx(weight).epsilon(1e-14));
  }
}
