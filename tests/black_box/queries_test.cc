// Points around a batch of samples, and gradients of what is answered about them.
#include "fedval/black_box/queries.hpp"

#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "fedval/tensor/eigen.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/threads.hpp"
#include "tests/zeroth_order/estimates.hpp"

using namespace fedval;
using namespace fedval::black_box;
using namespace fedval::zeroth_order;
using tests::bits;
using tests::complaint_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 3023;
constexpr double epsilon = 0.125;

/// x_k of every k, one after the other.
Values points_of(const Queries& queries, const Values& x) {
  Values all;
  for (std::size_t k = 0; k < queries.count(); ++k) {
    Values point(x.size());
    queries.point(x, k, point);
    all.insert(all.end(), point.begin(), point.end());
  }
  return all;
}

/// How far point k moves sample i, from 0, where nothing is rounded away.
Values displacement(const Queries& queries, std::size_t i, std::size_t k) {
  Values point(queries.batch() * queries.dimension());
  queries.point(Values(point.size()), k, point);
  const auto begin = point.begin() + static_cast<std::ptrdiff_t>(i * queries.dimension());
  return {begin, begin + static_cast<std::ptrdiff_t>(queries.dimension())};
}

/// F_i(x) = <slope_i, x_i>, of all samples and points.
linalg::Matrix<double> linear_differences(const Queries& queries, const Values& x, const Values& slopes) {
  const std::size_t d = queries.dimension();
  const Values there = points_of(queries, x);
  linalg::Matrix<double> differences(queries.batch(), queries.count());
  for (std::size_t k = 0; k < queries.count(); ++k)
    for (std::size_t i = 0; i < queries.batch(); ++i)
      for (std::size_t e = i * d; e < (i + 1) * d; ++e)
        differences(i, k) += slopes[e] * (there[k * x.size() + e] - x[e]);
  return differences;
}

std::vector<Directions> laws(std::size_t q) {
  return {orthogonal(q), orthogonal(q, Norms::chi),
          hadamard(q),   rademacher(q),
          sphere(q),     gaussian(q),
          l1_sphere(q),  coordinates(q)};
}

}  // namespace

TEST_CASE("the same seed gives the same bits, another one others") {
  random::Stream stream(seed);
  const Values x = tests::normals(stream, 3 * 6);
  for (const Directions& directions : laws(4)) {
    CAPTURE(directions.name);
    const QueryOptions options{.directions = directions};
    const Queries once(options, 3, 6, 17), again(options, 3, 6, 17), other(options, 3, 6, 18);
    CHECK(once.batch() == 3);
    CHECK(once.count() == 4);
    CHECK(once.dimension() == 6);
    CHECK(bits(points_of(once, x)) == bits(points_of(again, x)));
    CHECK(points_of(once, x) != points_of(other, x));
  }
}

TEST_CASE("a sample's points depend on no other sample, and samples have directions of their own") {
  random::Stream stream(seed, 1);
  const Values x = tests::normals(stream, 5 * 6);
  Values others = tests::normals(stream, 5 * 6);
  std::copy(x.begin() + 12, x.begin() + 18, others.begin() + 12);
  const Values first(x.begin(), x.begin() + 18);
  for (const Directions& directions : laws(4)) {
    CAPTURE(directions.name);
    const QueryOptions options{.directions = directions};
    const Queries five(options, 5, 6, seed), three(options, 3, 6, seed);
    const Values all = points_of(five, x), among_others = points_of(five, others),
                 few = points_of(three, first);
    for (std::size_t k = 0; k < 4; ++k)
      for (std::size_t e = 12; e < 18; ++e) {
        CHECK(bits(all[k * 30 + e]) == bits(among_others[k * 30 + e]));
        CHECK(bits(all[k * 30 + e]) == bits(few[k * 18 + e]));
      }
    const auto moves = [&](std::size_t i) {
      Values result;
      for (std::size_t k = 0; k < 4; ++k)
        for (const double entry : displacement(five, i, k)) result.push_back(entry);
      return result;
    };
    for (std::size_t i = 0; i < 5; ++i)
      for (std::size_t j = 0; j < i; ++j) CHECK(moves(i) != moves(j));
  }
}

TEST_CASE("every sample is moved by epsilon, and distance() along a direction is that over its length") {
  for (const Directions& directions : laws(4)) {
    CAPTURE(directions.name);
    for (const double step : {1e-3, 0.5, 3.0})
      for (const std::size_t d : {4UL, 7UL, 100UL}) {
        const Queries queries({.directions = directions, .epsilon = step}, 3, d, seed + d);
        CHECK(queries.squared_step() == step * step);
        for (std::size_t k = 0; k < 4; ++k)
          for (std::size_t i = 0; i < 3; ++i) {
            // An entry is rounded three times at most, the length that is divided by like a sum of d squares.
            const double length = static_cast<double>(tests::naive_norm(displacement(queries, i, k)));
            CHECK(std::abs(length - step) <= (4 + tests::sum_bound(d) * 0x1p53) * 0x1p-53 * step);
            if (directions.name == "rademacher" || directions.name == "hadamard")
              CHECK(queries.distance(i, k) == step / std::sqrt(static_cast<double>(d)));
            if (directions.name == "coordinates") CHECK(queries.distance(i, k) == step);
          }
      }
  }
}

TEST_CASE("orthogonal directions of a sample are orthogonal") {
  for (const Directions& directions : {orthogonal(5), hadamard(5), coordinates(5)}) {
    CAPTURE(directions.name);
    const Queries queries({.directions = directions, .epsilon = 1}, 3, 8, seed);
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t k = 0; k < 5; ++k)
        for (std::size_t j = 0; j < k; ++j)
          CHECK(std::abs(tests::dot_of(displacement(queries, i, j), displacement(queries, i, k))) < 1e-14);
  }
}

TEST_CASE("as many orthogonal points as entries: exact gradients of linear functions") {
  random::Stream stream(seed, 2);
  const Values x = tests::normals(stream, 3 * 8), slopes = tests::normals(stream, 3 * 8);
  for (const Directions& directions : {orthogonal(8), hadamard(8), coordinates(8)})
    for (const double step : {0.01, 2.0}) {
      CAPTURE(directions.name);
      const Queries queries({.directions = directions, .epsilon = step}, 3, 8, seed);
      Eigen::Matrix<double, 3, 8> g;
      queries.gradient(linear_differences(queries, x, slopes), g);
      // Points are within 4, so each difference is of 8 terms rounded by 4 u, and over the step.
      for (std::size_t e = 0; e < 24; ++e)
        CHECK(std::abs(g(static_cast<Eigen::Index>(e / 8), static_cast<Eigen::Index>(e % 8)) - slopes[e]) <
              8 * 8 * 4 * 4 * 0x1p-53 / step);
    }
}

TEST_CASE("on the mean the gradient of a linear function, whatever the law") {
  CAPTURE(seed);
  constexpr std::size_t batch = 2, d = 6;
  random::Stream stream(seed, 3);
  const Values x = tests::normals(stream, batch * d), slopes = tests::normals(stream, batch * d);
  for (const Directions& directions : laws(3)) {
    CAPTURE(directions.name);
    // Of all entries, and of the part along the gradient, which tells a scale from another one 5 % larger.
    std::vector<tests::Mean> entries(batch * d);
    tests::Mean along;
    for (std::uint64_t trial = 0; trial < 20000; ++trial) {
      const Queries queries({.directions = directions, .epsilon = epsilon}, batch, d, trial);
      Values g(batch * d);
      queries.gradient(linear_differences(queries, x, slopes), g);
      for (std::size_t e = 0; e < g.size(); ++e) entries[e].add(g[e]);
      along.add(tests::dot_of(g, slopes) / tests::square_of(slopes));
    }
    for (std::size_t e = 0; e < entries.size(); ++e) tests::check_unbiased(entries[e], slopes[e]);
    tests::check_mean(along, 1);
  }
}

TEST_CASE("products with the directions") {
  random::Stream stream(seed, 4);
  const Values rows = tests::normals(stream, 3 * 7);
  for (const Directions& directions : laws(4)) {
    CAPTURE(directions.name);
    const Queries queries({.directions = directions, .epsilon = epsilon}, 3, 7, seed);
    const linalg::Matrix<double> products = queries.along(rows);
    REQUIRE(products.rows() == 3);
    REQUIRE(products.columns() == 4);
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t k = 0; k < 4; ++k) {
        const Values row(rows.begin() + static_cast<std::ptrdiff_t>(7 * i),
                         rows.begin() + static_cast<std::ptrdiff_t>(7 * (i + 1)));
        const double expected = tests::dot_of(row, displacement(queries, i, k)) / queries.distance(i, k);
        CHECK(std::abs(products(i, k) - expected) < 1e-13);  // of 7 terms of up to 20
      }
  }
}

TEST_CASE("points of random signs are x + or - epsilon / sqrt(d), to the bit, and all signs come") {
  random::Stream stream(seed, 5);
  constexpr std::size_t batch = 4, d = 48;
  const Values drawn = tests::normals(stream, batch * d);
  const std::vector<float> x(drawn.begin(), drawn.end());
  for (const Directions& directions : {rademacher(5), hadamard(5)}) {
    CAPTURE(directions.name);
    const Queries queries({.directions = directions}, batch, d, seed);
    const double move = 1e-3 / std::sqrt(48.0);
    for (std::size_t k = 0; k < 5; ++k) {
      std::vector<float> point(x.size());
      queries.point(x, k, point);
      std::size_t up = 0;
      for (std::size_t e = 0; e < x.size(); ++e) {
        const auto above = static_cast<float>(x[e] + move), below = static_cast<float>(x[e] - move);
        CHECK((point[e] == above || point[e] == below));
        up += point[e] == above ? 1 : 0;
      }
      // Of 192 signs 96 are up, 5 standard deviations are 35.
      CHECK(up > 61);
      CHECK(up < 131);
    }
  }
}

TEST_CASE("points and gradients have the same bits on any number of threads") {
  constexpr std::size_t batch = 160, d = 1024;
  random::Stream stream(seed, 6);
  const Values drawn = tests::normals(stream, batch * d);
  const std::vector<float> x(drawn.begin(), drawn.end());
  const linalg::Matrix<double> differences(batch, 3, tests::normals(stream, batch * 3));
  for (const Directions& directions : {rademacher(3), hadamard(3), orthogonal(3), sphere(3)}) {
    CAPTURE(directions.name);
    const auto made = [&](int threads) {
      const tests::Threads team(threads);
      const Queries queries({.directions = directions}, batch, d, seed);
      std::vector<std::vector<float>> all(4, std::vector<float>(x.size()));
      for (std::size_t k = 0; k < 3; ++k) queries.point(x, k, all[k]);
      queries.gradient(differences, all[3]);
      return std::pair(all, queries.along(x));
    };
    const auto one = made(1), again = made(1), two = made(2), three = made(3);
    CHECK((one == again));
    CHECK((one == two));
    CHECK((one == three));
  }
}

TEST_CASE("points of tensors of any kind") {
  constexpr std::size_t batch = 2, d = 3;
  const Values x{0.5, -1, 2, 0.25, 3, -4};
  Eigen::MatrixXd columns(2, 3), moved(2, 3);
  columns << 0.5, -1, 2, 0.25, 3, -4;
  const Queries queries({.directions = orthogonal(2)}, batch, d, seed);
  for (std::size_t k = 0; k < 2; ++k) {
    Values expected(6);
    queries.point(x, k, expected);
    queries.point(columns, k, moved);
    for (std::size_t e = 0; e < 6; ++e)
      CHECK(moved(static_cast<Eigen::Index>(e / 3), static_cast<Eigen::Index>(e % 3)) == expected[e]);
  }
}

TEST_CASE("queries that are none") {
  const auto of = [](const QueryOptions& options, std::size_t batch, std::size_t d) {
    return complaint_of([&] { Queries(options, batch, d, seed); });
  };
  CHECK(of({.epsilon = 0}, 2, 8) == "black_box: epsilon 0 is not positive");
  CHECK(of({.epsilon = -1}, 2, 8) == "black_box: epsilon -1 is not positive");
  CHECK(of({.epsilon = std::nan("")}, 2, 8) == "black_box: epsilon nan is not positive");
  CHECK(of({.epsilon = std::numeric_limits<double>::infinity()}, 2, 8) ==
        "black_box: epsilon inf is not positive");
  CHECK(of({}, 2, 4) == "random: 5 orthogonal vectors in 4 dimensions");
  CHECK(of({}, 2, 0) == "zeroth_order: x has no entries");
  // Of sample 1, and of one direction alone.
  const auto empty = std::make_shared<const linalg::Matrix<double>>(linalg::Matrix<double>{{0, 3}, {0, 0}});
  const Directions stuck{"stuck", 2, [&](std::size_t, const random::Key& key) {
                           return Draw{{Row{empty, 0}, Row{empty, key.stream == 1 ? 1UL : 0UL}}, {}, 1, 1};
                         }};
  CHECK(of({.directions = stuck}, 3, 2) == "black_box: direction 1 of sample 1 is zero");
  CHECK(complaint_of([] { SampleProbes(sphere(1), 1, 4, seed, std::uint64_t{1} << 32); }) ==
        "zeroth_order: a step or a batch beyond 2^32");

  const Queries queries({.directions = sphere(3)}, 2, 4, seed);
  const Values x(8, 1.0), few(7, 1.0);
  Values out(8, 7.0), short_out(7, 7.0);
  const std::string sizes = "zeroth_order: 7 entries for 2 samples of 4";
  CHECK(complaint_of([&] { queries.point(few, 0, out); }) == sizes);
  CHECK(complaint_of([&] { queries.point(x, 0, short_out); }) == sizes);
  CHECK(complaint_of([&] { queries.gradient(linalg::Matrix<double>(2, 3), short_out); }) == sizes);
  CHECK(complaint_of([&] { queries.gradient(linalg::Matrix<double>(3, 2), out); }) ==
        "black_box: 3 x 2 differences for 2 samples of 3 points");
  CHECK(complaint_of([&] { queries.gradient(linalg::Matrix<double>(2, 2), out); }) ==
        "black_box: 2 x 2 differences for 2 samples of 3 points");
  CHECK(complaint_of([&] { queries.point(x, 3, out); }) == "black_box: point 3 of 3");
  CHECK(complaint_of([&] { queries.along(few); }) == "black_box: 7 entries for 2 samples of 4");
  CHECK(out == Values(8, 7.0));
  CHECK(short_out == Values(7, 7.0));
}
