#include "fedval/shapley/cosine_gradient.hpp"

#include <doctest/doctest.h>

#include "fedval/tensor/std.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 91;

/// psi by the cosines of all pairs.
struct Pairs {
  static Values psi(std::span<const TensorView> updates, const Values& weights) {
    return shapley::cosine_gradient(gram(updates), weights);
  }
};

/// psi by the sum itself.
struct Sum {
  static Values psi(std::span<const TensorView> updates, const Values& weights) {
    return shapley::cosine_gradient(updates, norms(updates), weights);
  }
};

template <class Route>
Values psi_of(const std::vector<Values>& updates, const Values& weights) {
  return Route::psi(std::vector<TensorView>(updates.begin(), updates.end()), weights);
}

/// psi_i = cos(u_i, u_N) with u_N = sum r_i u_i / ||u_i||, from the updates themselves.
Values naive_psi(const std::vector<Values>& updates, const Values& weights) {
  std::vector<long double> aggregate(updates[0].size(), 0);
  for (std::size_t i = 0; i < updates.size(); ++i)
    if (const long double length = tests::naive_norm(updates[i]); length > 0)
      for (std::size_t k = 0; k < aggregate.size(); ++k) aggregate[k] += weights[i] * updates[i][k] / length;
  long double square = 0;
  for (const long double value : aggregate) square += value * value;
  Values psi;
  for (const Values& update : updates) {
    const long double length = tests::naive_norm(update);
    long double product = 0;
    for (std::size_t k = 0; k < update.size(); ++k) product += update[k] * aggregate[k];
    psi.push_back(length > 0 ? static_cast<double>(product / (length * std::sqrt(square))) : 0);
  }
  return psi;
}

double distance(const Values& a, const Values& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

}  // namespace

TEST_CASE_TEMPLATE("psi is the cosine with the aggregate, by its definition", Route, Pairs, Sum) {
  CAPTURE(seed);
  random::Stream stream(seed);
  for (const std::size_t n : std::initializer_list<std::size_t>{1, 2, 3, 5, 10, 40})
    for (const std::size_t size : std::initializer_list<std::size_t>{1, 3, 100, 3000}) {
      CAPTURE(n);
      CAPTURE(size);
      std::vector<Values> updates;
      Values weights;
      double total = 0;
      for (std::size_t i = 0; i < n; ++i) {
        updates.push_back(tests::normals(stream, size, std::exp(10 * stream.normal())));
        weights.push_back(stream.uniform());
        total += weights.back();
      }
      const Values found = psi_of<Route>(updates, weights), exact = naive_psi(updates, weights);
      // Cosines are within 2 D u; their weighted sums, over ||u_N||, are amplified where updates cancel.
      std::vector<TensorView> views(updates.begin(), updates.end());
      const Gram products = gram(views);
      double square = 0;
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j) square += weights[i] * weights[j] * products.cosine(i, j);
      if (square < 1e-6 * total * total) continue;  // nearly cancelled: psi is not well determined
      const double amplified = total * total / square;
      CHECK(distance(found, exact) <= 4 * (tests::sum_bound(size) + tests::sum_bound(n)) * amplified);
    }
}

TEST_CASE_TEMPLATE("closed forms", Route, Pairs, Sum) {
  CHECK(distance(psi_of<Route>({{1, 0}, {0, 1}}, {0.5, 0.5}), Values(2, std::sqrt(0.5))) < 1e-15);
  CHECK(distance(psi_of<Route>({{1, 0}, {0, 1}}, {0.6, 0.8}), {0.6, 0.8}) < 1e-15);
  CHECK(distance(psi_of<Route>({{3, 4}}, {1}), {1}) < 1e-15);
  CHECK(distance(psi_of<Route>({{3, 4}, {3, 4}, {-3, -4}}, {1, 1, 1}), {1, 1, -1}) < 1e-15);
  CHECK(psi_of<Route>({}, {}).empty());
}

TEST_CASE_TEMPLATE("neither the updates' scale nor that of the weights matters", Route, Pairs, Sum) {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  std::vector<Values> updates;
  for (int i = 0; i < 4; ++i) updates.push_back(tests::normals(stream, 300));
  const Values weights{0.1, 0.4, 0.3, 0.2}, expected = psi_of<Route>(updates, weights);
  const double scales[] = {1e300, 1e-300, 1e30, 1e-30};
  for (std::size_t i = 0; i < 4; ++i)
    for (double& value : updates[i]) value *= scales[i];
  CHECK(distance(psi_of<Route>(updates, weights), expected) <= 8 * tests::sum_bound(300));
  for (const double scale : {1e200, 1e-200, 1e30, 1e-30}) {
    CAPTURE(scale);
    Values scaled = weights;
    for (double& weight : scaled) weight *= scale;
    CHECK(distance(psi_of<Route>(updates, scaled), expected) <= 8 * tests::sum_bound(300));
  }
}

TEST_CASE_TEMPLATE("a zero update has psi 0 and changes nobody's", Route, Pairs, Sum) {
  const Values two = psi_of<Route>({{1, 2, 3}, {3, -1, 2}}, {0.5, 0.5});
  const Values three = psi_of<Route>({{1, 2, 3}, {0, 0, 0}, {3, -1, 2}}, {0.5, 0.5, 0.5});
  CHECK(three == Values{two[0], 0, two[1]});
  CHECK(psi_of<Route>({{0, 0}, {0, 0}}, {0.5, 0.5}) == Values{0, 0});
  CHECK(psi_of<Route>({{}, {}}, {0.5, 0.5}) == Values{0, 0});
  CHECK(psi_of<Route>({{1, 0}, {0, 1}}, {0, 0}) == Values{0, 0});
  // Nor does its weight, beside which the others' sum would seem to cancel.
  for (const double weight : {1e8, 1e300})
    CHECK(distance(psi_of<Route>({{0, 0}, {1, 0}, {0, 1}}, {weight, 1, 1}),
                   {0, std::sqrt(0.5), std::sqrt(0.5)}) < 1e-15);
}

TEST_CASE_TEMPLATE("updates that cancel give 0, not a direction made of rounding", Route, Pairs, Sum) {
  CHECK(psi_of<Route>({{1, 2, 3}, {-1, -2, -3}}, {0.5, 0.5}) == Values{0, 0});
  // Rounding leaves something of these: 0.1 is no multiple of a power of two.
  const Values plane[] = {{0.1, 0.3, 0.7}, {-0.3, 0.2, 0.9}};
  std::vector<Values> updates;
  for (const double scale : {1.0, 3.0, -1.0, -3.0})
    for (const Values& vector : plane) {
      updates.push_back(vector);
      for (double& value : updates.back()) value *= scale;
    }
  CHECK(psi_of<Route>(updates, Values(8, 0.125)) == Values(8, 0.0));
}

TEST_CASE_TEMPLATE("identical updates have identical psi", Route, Pairs, Sum) {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  const Values update = tests::normals(stream, 100);
  const Values psi = psi_of<Route>({update, update, update}, {0.2, 0.3, 0.5});
  CHECK(psi == Values(3, psi[0]));
  CHECK(std::abs(psi[0] - 1) <= 4 * tests::sum_bound(100));
}

TEST_CASE_TEMPLATE("misuse is an error", Route, Pairs, Sum) {
  const std::vector<Values> updates{{1, 0}, {0, 1}};
  CHECK(tests::complaint_of([&] { psi_of<Route>(updates, {1}); }) ==
        "cosine_gradient: 1 weights for 2 updates");
}
