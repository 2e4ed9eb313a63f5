#include "fedval/shapley/leave_one_out_cosine.hpp"

#include <doctest/doctest.h>

#include "fedval/shapley/cosine_gradient.hpp"
#include "fedval/tensor/std.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using namespace fedval::shapley;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 1013;

/// By the cosines of all pairs.
struct Pairs {
  static Values cosines(std::span<const TensorView> updates, const Values& weights) {
    return leave_one_out_cosine(gram(updates), weights);
  }
};

/// By the sum itself.
struct Sum {
  static Values cosines(std::span<const TensorView> updates, const Values& weights) {
    return leave_one_out_cosine(updates, norms(updates), weights);
  }
};

template <class Route>
Values cosines_of(const std::vector<Values>& updates, const Values& weights) {
  return Route::cosines(std::vector<TensorView>(updates.begin(), updates.end()), weights);
}

/// From the updates themselves; second: ||u_{N-i}||^2 relative to the square of the others' weights.
std::pair<Values, Values> naive(const std::vector<Values>& updates, const Values& weights) {
  const std::size_t n = updates.size(), size = updates[0].size();
  Values cosines, left;
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<long double> others(size, 0);
    long double sum = 0, square = 0, along = 0;
    for (std::size_t j = 0; j < n; ++j) {
      const long double length = tests::naive_norm(updates[j]);
      if (j == i || length == 0) continue;
      for (std::size_t k = 0; k < size; ++k) others[k] += weights[j] * updates[j][k] / length;
      sum += std::abs(weights[j]);
    }
    for (std::size_t k = 0; k < size; ++k) {
      square += others[k] * others[k];
      along += others[k] * updates[i][k];
    }
    const long double lengths = std::sqrt(square) * tests::naive_norm(updates[i]);
    cosines.push_back(lengths > 0 ? static_cast<double>(along / lengths) : 0);
    left.push_back(sum > 0 ? static_cast<double>(square / (sum * sum)) : 0);
  }
  return {cosines, left};
}

double distance(const Values& a, const Values& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

}  // namespace

TEST_CASE_TEMPLATE("the cosine with the others' sum, by its definition", Route, Pairs, Sum) {
  CAPTURE(seed);
  random::Stream stream(seed);
  for (const std::size_t n : {2UL, 3UL, 5UL, 10UL, 40UL})
    for (const std::size_t size : {1UL, 3UL, 100UL, 3000UL}) {
      CAPTURE(n);
      CAPTURE(size);
      std::vector<Values> updates;
      Values weights;
      for (std::size_t i = 0; i < n; ++i) {
        updates.push_back(tests::normals(stream, size, std::exp(10 * stream.normal())));
        weights.push_back(stream.uniform(-0.2, 1));
      }
      const Values found = cosines_of<Route>(updates, weights);
      const auto [expected, left] = naive(updates, weights);
      for (std::size_t i = 0; i < n; ++i)
        if (left[i] > 1e-6)  // else nearly cancelled, and not well determined
          CHECK(std::abs(found[i] - expected[i]) <=
                16 * (tests::sum_bound(size) + tests::sum_bound(n)) / left[i]);
    }
}

TEST_CASE_TEMPLATE("closed forms", Route, Pairs, Sum) {
  // Orthonormal: the others never point where a client does.
  CHECK(cosines_of<Route>({{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, {1, 1, 1}) == Values{0, 0, 0});
  CHECK(distance(cosines_of<Route>({{3, 4}, {6, 8}, {-3, -4}}, {1, 1, 1}), {0, 0, -1}) == 0);
  CHECK(distance(cosines_of<Route>({{1, 0}, {0, 1}, {1, 1}}, {1, 1, 0}), {0, 0, 1}) <
        1e-15);  // a weight of 0 is judged, and does not judge
  CHECK(distance(cosines_of<Route>({{2, 0}, {0, 5}, {1, 0}}, {1, 3, 4}), {4.0 / 5, 0, 1 / std::sqrt(10.0)}) <
        1e-15);
  CHECK(distance(cosines_of<Route>({{1, 2}, {1, 2}}, {1, 1}), {1, 1}) < 1e-15);
  CHECK(distance(cosines_of<Route>({{1, 2}, {2, -1}}, {1, -1}), {0, 0}) < 1e-15);
}

TEST_CASE("noise that nobody agrees with is near 0, though its psi is near 1 / sqrt(N)") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  std::vector<Values> updates;
  for (int i = 0; i < 10; ++i) updates.push_back(tests::normals(stream, 10000));
  const Gram products = gram(std::vector<TensorView>(updates.begin(), updates.end()));
  const Values ones(10, 1.0), loo = leave_one_out_cosine(products, ones),
                              psi = cosine_gradient(products, ones);
  for (std::size_t i = 0; i < 10; ++i) {
    CHECK(std::abs(loo[i]) < 5 / std::sqrt(10000.0));
    CHECK(std::abs(psi[i] - std::sqrt(0.1)) < 0.05);
  }
}

TEST_CASE_TEMPLATE("a weight that outweighs all others leaves them their digits", Route, Pairs, Sum) {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  std::vector<Values> updates;
  for (int i = 0; i < 5; ++i) updates.push_back(tests::normals(stream, 50));
  for (const double heavy : {1.0, 1e3, 1e8, 1e16, 1e160, 1e300}) {
    CAPTURE(heavy);
    const Values weights{0.1, 0.4, heavy, 0.3, 0.2};
    const Values found = cosines_of<Route>(updates, weights);
    CHECK(distance(found, naive(updates, weights).first) < 1e-13);
  }
}

TEST_CASE_TEMPLATE("neither the updates' scale nor that of the weights matters, nor the order", Route, Pairs,
                   Sum) {
  CAPTURE(seed);
  random::Stream stream(seed, 3);
  std::vector<Values> updates;
  for (int i = 0; i < 4; ++i) updates.push_back(tests::normals(stream, 300));
  const Values weights{0.1, 0.4, 0.3, 0.2}, expected = cosines_of<Route>(updates, weights);
  const Values reversed = cosines_of<Route>({updates.rbegin(), updates.rend()}, {0.2, 0.3, 0.4, 0.1});
  CHECK(distance({reversed.rbegin(), reversed.rend()}, expected) < 1e-14);
  for (const double scale : {1e300, 1e-300}) {
    Values scaled = weights;
    for (double& weight : scaled) weight *= scale;
    CHECK(distance(cosines_of<Route>(updates, scaled), expected) < 1e-14);
    std::vector<Values> longer = updates;
    for (double& value : longer[1]) value *= scale;
    CHECK(distance(cosines_of<Route>(longer, weights), expected) < 1e-14);
  }
}

TEST_CASE_TEMPLATE("one client, none, zero updates, others that cancel", Route, Pairs, Sum) {
  CHECK(cosines_of<Route>({}, {}).empty());
  CHECK(cosines_of<Route>({{3, 4}}, {1}) == Values{0});
  CHECK(cosines_of<Route>({{0, 0}, {0, 0}}, {1, 1}) == Values{0, 0});
  CHECK(cosines_of<Route>({{0, 0}, {3, 4}}, {1, 1}) == Values{0, 0});
  CHECK(distance(cosines_of<Route>({{0, 0}, {3, 4}, {3, 4}}, {5, 1, 1}), {0, 1, 1}) < 1e-15);
  CHECK(cosines_of<Route>({{3, 4}, {4, -3}}, {0, 0}) == Values{0, 0});
  // 0.1 is no multiple of a power of two: rounding leaves something of others that cancel.
  const Values x{0.1, 0.3, 0.7}, y{-0.3, 0.2, 0.9}, minus_x{-0.3, -0.9, -2.1};
  const Values found = cosines_of<Route>({y, x, minus_x}, {0.7, 0.3, 0.3});
  CHECK(found[0] == 0);
  CHECK(found[1] != 0);
  // An update against the mean of all that it outweighs itself.
  CHECK(cosines_of<Route>({x, minus_x, minus_x, y}, {2, 0.5, 0.5, 0})[0] ==
        doctest::Approx(-1).epsilon(1e-15));
}

TEST_CASE_TEMPLATE("misuse is an error", Route, Pairs, Sum) {
  CHECK(tests::complaint_of([] {
          cosines_of<Route>({{1, 0}, {0, 1}}, {1});
        }) == "leave_one_out_cosine: 1 weights for 2 updates");
  CHECK(tests::complaint_of([] {
          cosines_of<Route>({{1, 0}, {0, 1}}, {1, std::nan("")});
        }) == "leave_one_out_cosine: weight 1 is nan");
}
