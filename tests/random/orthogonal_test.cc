#include "fedval/random/orthogonal.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <tuple>

#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"
#include "tests/support/threads.hpp"

using namespace fedval::random;
using fedval::tests::complaint_of;
using fedval::tests::naive_dot;
using fedval::tests::Threads;
using fedval::tests::Values;
using Matrix = fedval::linalg::Matrix<double>;

namespace {

constexpr std::uint64_t seed = 1019;

/// Largest entry of |Q Q^T - I|.
double defect(const Matrix& q) {
  double most = 0;
  for (std::size_t i = 0; i < q.rows(); ++i)
    for (std::size_t j = 0; j <= i; ++j)
      most = std::max(most, static_cast<double>(std::abs(naive_dot(q.row(i), q.row(j)) - (i == j ? 1 : 0))));
  return most;
}

/// The second pass finds a row's part along another to (d + 2) u of the vector, u = 2^-53, and rounds the
/// vector once for each of m rows; a length and a division cost (d + 2) u at most. Twice, as a product of two
/// rows has the faults of both.
double defect_bound(std::size_t m, std::size_t d) { return 2 * static_cast<double>(2 * d + m + 5) * 0x1p-53; }

/// Mean of draws, in its standard errors (from the draws themselves) from what is expected.
struct Mean {
  double expected, sum = 0, squares = 0, count = 0;
  void add(double x) {
    sum += x;
    squares += x * x;
    ++count;
  }
  double off() const {
    const double mean = sum / count;
    return std::abs(mean - expected) / std::sqrt((squares / count - mean * mean) / count);
  }
};

double determinant(const Matrix& q) {
  if (q.rows() == 2) return q(0, 0) * q(1, 1) - q(0, 1) * q(1, 0);
  double sum = 0;
  for (std::size_t j = 0; j < 3; ++j)
    sum += q(0, j) * (q(1, (j + 1) % 3) * q(2, (j + 2) % 3) - q(1, (j + 2) % 3) * q(2, (j + 1) % 3));
  return sum;
}

}  // namespace

TEST_CASE("rows are orthonormal to rounding, also when they are as many as the dimensions") {
  CAPTURE(seed);
  for (const auto& shape : std::vector<std::pair<std::size_t, std::size_t>>{
           {0, 0}, {0, 5}, {1, 1}, {1, 7}, {2, 2}, {3, 1000}, {50, 50}, {129, 129}, {20, 3000}})
    for (std::uint64_t stream = 0; stream < 3; ++stream) {
      const std::size_t m = shape.first, d = shape.second;
      CAPTURE(m);
      CAPTURE(d);
      const Matrix q = orthogonal({seed, stream}, m, d);
      REQUIRE(q.rows() == m);
      REQUIRE(q.columns() == d);
      CHECK(defect(q) <= defect_bound(m, d));
    }
  // Small ones often, where a vector may happen to lie near those before it.
  for (std::uint64_t stream = 0; stream < 3000; ++stream)
    for (const std::size_t d : {2UL, 3UL, 5UL})
      REQUIRE(defect(orthogonal({seed, stream}, d, d)) <= defect_bound(d, d));
}

TEST_CASE("rows are the Gram-Schmidt rows of the key's Gaussian numbers") {
  // In long double. A row's error is magnified by how much of its vector the other rows take away.
  CAPTURE(seed);
  for (std::uint64_t stream = 0; stream < 50; ++stream) {
    constexpr std::size_t d = 6;
    Values g(d * d);
    fill(Sequence{Law::gaussian, {seed, stream}}, g);
    const Matrix q = orthogonal({seed, stream}, d, d), fewer = orthogonal({seed, stream}, 3, d);
    std::vector<std::vector<long double>> rows;
    long double magnified = 0;
    for (std::size_t i = 0; i < d; ++i) {
      std::vector<long double> v(g.begin() + static_cast<std::ptrdiff_t>(i * d),
                                 g.begin() + static_cast<std::ptrdiff_t>((i + 1) * d));
      const auto dot = [](const auto& a, const auto& b) {
        return std::inner_product(a.begin(), a.end(), b.begin(), 0.0L);
      };
      const long double before = std::sqrt(dot(v, v));
      for (const auto& row : rows) {
        const long double along = dot(v, row);
        for (std::size_t k = 0; k < d; ++k) v[k] -= along * row[k];
      }
      const long double left = std::sqrt(dot(v, v));
      for (long double& x : v) x /= left;
      magnified = (magnified + 1) * (1 + before / left);
      for (std::size_t k = 0; k < d; ++k) {
        REQUIRE(std::abs(q(i, k) - v[k]) <= 20 * 0x1p-53L * magnified);
        if (i < 3) REQUIRE(fewer(i, k) == q(i, k));
      }
      rows.push_back(v);
    }
  }
}

TEST_CASE("rows are the same for any number of threads") {
  const Threads one(1);
  const Matrix expected = orthogonal({seed, 1}, 6, 100003);
  for (const int threads : {2, 3, 7}) {
    const Threads scope(threads);
    CHECK(orthogonal({seed, 1}, 6, 100003) == expected);
  }
  CHECK(defect(expected) <= defect_bound(6, 100003));
}

TEST_CASE("Haar's measure on the orthogonal matrices: traces, determinants and entries") {
  // Traces as powers of a character: E tr^2 = 1 and E tr^4 = 3 for d >= 2. Entries (Weingarten):
  //   E q11^2 q22^2 = (d + 1) / (d (d - 1) (d + 2)),     E q11 q12 q21 q22 = -1 / (d (d - 1) (d + 2)).
  // The measure is the same after any fixed rotation, so the rotated matrix has the same moments.
  CAPTURE(seed);
  const double c = 0.8, s = 0.6;
  for (const std::size_t d : {2UL, 3UL}) {
    const auto n = static_cast<double>(d);
    for (const int rotated : {0, 1, 2}) {  // not, from the left, from the right
      CAPTURE(d);
      CAPTURE(rotated);
      std::vector<Mean> traces{{0}, {1}, {0}, {3}};
      Mean sign{0}, squares{(n + 1) / (n * (n - 1) * (n + 2))}, mixed{-1 / (n * (n - 1) * (n + 2))};
      std::vector<Mean> seconds(d * d, {1 / n}), fourths(d * d, {3 / (n * (n + 2))}), firsts(d * d, {0});
      for (std::uint64_t stream = 0; stream < 40000; ++stream) {
        Matrix q = orthogonal({seed, stream}, d, d);
        for (std::size_t k = 0; k < d; ++k) {
          double& a = rotated == 1 ? q(0, k) : q(k, 0);
          double& b = rotated == 1 ? q(d - 1, k) : q(k, d - 1);
          if (rotated != 0) std::tie(a, b) = std::pair(c * a - s * b, s * a + c * b);
        }
        double trace = 0;
        for (std::size_t k = 0; k < d; ++k) trace += q(k, k);
        for (std::size_t k = 0; k < 4; ++k) traces[k].add(std::pow(trace, k + 1));
        const double det = determinant(q);
        REQUIRE(std::abs(std::abs(det) - 1) < 1e-13);
        sign.add(det);
        const std::size_t last = d - 1;
        squares.add(q(0, 0) * q(0, 0) * q(last, last) * q(last, last));
        mixed.add(q(0, 0) * q(0, last) * q(last, 0) * q(last, last));
        for (std::size_t i = 0; i < d * d; ++i) {
          const double x = q(i / d, i % d);
          firsts[i].add(x);
          seconds[i].add(x * x);
          fourths[i].add(x * x * x * x);
        }
      }
      for (const Mean& mean : traces) CHECK(mean.off() < 5);
      for (const auto* means : {&firsts, &seconds, &fourths})
        for (const Mean& mean : *means) CHECK(mean.off() < 5);
      CHECK(sign.off() < 5);
      CHECK(squares.off() < 5);
      CHECK(mixed.off() < 5);
    }
  }
}

TEST_CASE("the squared cosine of a fixed vector with the rows' span is Beta(m/2, (d-m)/2)") {
  // Mean m/d, second moment m (m + 2) / (d (d + 2)).
  CAPTURE(seed);
  for (const auto& shape :
       std::vector<std::pair<std::size_t, std::size_t>>{{1, 5}, {2, 5}, {4, 5}, {3, 12}}) {
    const std::size_t rows = shape.first, columns = shape.second;
    CAPTURE(rows);
    CAPTURE(columns);
    const auto m = static_cast<double>(rows), d = static_cast<double>(columns);
    Values fixed(columns, 0.0);
    fixed[0] = 0.6;
    fixed[columns - 1] = -0.8;
    Mean mean{m / d}, second{m * (m + 2) / (d * (d + 2))};
    for (std::uint64_t stream = 0; stream < 30000; ++stream) {
      const Matrix q = orthogonal({seed, stream}, rows, columns);
      double cosine = 0;
      for (std::size_t i = 0; i < rows; ++i) {
        const auto along = static_cast<double>(naive_dot(q.row(i), fixed));
        cosine += along * along;
      }
      mean.add(cosine);
      second.add(cosine * cosine);
    }
    CHECK(mean.off() < 5);
    CHECK(second.off() < 5);
  }
}

TEST_CASE("a single row is a point of the sphere, and a single entry a fair sign") {
  double sum = 0;
  for (std::uint64_t stream = 0; stream < 10000; ++stream) {
    const Matrix q = orthogonal({seed, stream}, 1, 1);
    REQUIRE(std::abs(q(0, 0)) == 1);
    sum += q(0, 0);
  }
  CHECK(std::abs(sum) < 5 * std::sqrt(10000.0));
  Values x(1000);
  sphere({seed, 4}, x);
  const Matrix q = orthogonal({seed, 4}, 1, x.size());
  for (std::size_t i = 0; i < x.size(); ++i)
    CHECK(std::abs(q(0, i) - x[i]) <= fedval::tests::sum_bound(x.size()) * std::abs(x[i]));
}

TEST_CASE("what lies in the span of the rows so far is no new row") {
  OrthonormalRows rows(3, 4);
  const auto add = [&](Values v) { return rows.add(v); };
  CHECK_FALSE(add({0, 0, 0, 0}));
  CHECK(add({3, 0, 4, 0}));
  CHECK_FALSE(add({-6, 0, -8, 0}));
  CHECK(rows.count() == 1);
  CHECK(rows.rows()(0, 0) == 0.6);
  CHECK(rows.rows()(0, 2) == 0.8);
  CHECK(add({0, -1e-100, 0, 0}));
  CHECK(rows.rows()(1, 1) == -1);
  CHECK_FALSE(add({3, 1, 4, 0}));
  CHECK(add({3e8, 1, 4e8, 1}));  // nearly there: the first pass leaves what the second removes
  CHECK(rows.count() == 3);
  CHECK(defect(rows.rows()) <= defect_bound(3, 4));
}

TEST_CASE("more vectors than dimensions are refused") {
  CHECK(complaint_of([] { orthogonal({}, 3, 2); }) == "random: 3 orthogonal vectors in 2 dimensions");
  CHECK(complaint_of([] { orthogonal({}, 1, 0); }) == "random: 1 orthogonal vectors in 0 dimensions");
}

TEST_CASE("rows of any scale are taken, and what is no row is refused") {
  OrthonormalRows rows(2, 3);
  std::vector<double> tiny{3e-200, 0, 4e-200}, huge{0, 1e200, 1e300};
  CHECK(rows.add(tiny));
  CHECK(rows.rows()(0, 0) == doctest::Approx(0.6).epsilon(1e-15));
  std::vector<double> zero(3), bad{1, NAN, 2}, longer(4, 1.0);
  CHECK(!rows.add(zero));
  CHECK(complaint_of([&] { rows.add(bad); }) == "random: a row is not finite");
  CHECK(complaint_of([&] { rows.add(longer); }) == "random: a row of 4 entries among rows of 3");
  CHECK(rows.count() == 1);
  CHECK(rows.add(huge));
  CHECK(complaint_of([&] { rows.add(tiny); }) == "random: all 2 rows are there");
}
