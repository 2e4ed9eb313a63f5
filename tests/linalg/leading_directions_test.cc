#include "fedval/linalg/leading_directions.hpp"

#include <doctest/doctest.h>

#include <Eigen/Eigenvalues>
#include <Eigen/QR>
#include <Eigen/SVD>

#include "tests/support/oracle.hpp"

using namespace fedval::linalg;
using namespace fedval::linalg::detail;
using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using fedval::tests::Values;
using EigenBlock = Eigen::Matrix<double, Eigen::Dynamic, block_width, Eigen::RowMajor>;

namespace {

constexpr std::uint64_t seed = 77;
constexpr double unit = 0x1p-53;

struct Dense {
  MatrixXd matrix;
  std::size_t* products = nullptr;
  std::size_t size() const { return static_cast<std::size_t>(matrix.rows()); }
  void apply(std::span<const double> in, std::span<double> out) const {
    if (products != nullptr) ++*products;
    Eigen::Map<EigenBlock>(out.data(), matrix.rows(), block_width) =
        matrix * Eigen::Map<const EigenBlock>(in.data(), matrix.rows(), block_width);
  }
};

MatrixXd gaussian(fedval::random::Stream& stream, Index rows, Index columns) {
  MatrixXd g(rows, columns);
  for (double& value : g.reshaped()) value = stream.normal();
  return g;
}

/// V diag(eigenvalues) V^T with V anywhere.
struct Spectral {
  MatrixXd vectors, matrix;
  Spectral(fedval::random::Stream& stream, const VectorXd& eigenvalues)
      : vectors(Eigen::HouseholderQR<MatrixXd>(gaussian(stream, eigenvalues.size(), eigenvalues.size()))
                    .householderQ()),
        matrix(vectors * eigenvalues.asDiagonal() * vectors.transpose()) {}
};

MatrixXd wide(const Orthonormal& q, Index n) {
  MatrixXd result(n, static_cast<Index>(q.size()));
  for (std::size_t i = 0; i < q.size(); ++i)
    result.col(static_cast<Index>(i)) = Eigen::Map<const VectorXd>(q[i].data(), n);
  return result;
}

/// Twice is enough: each product is off by n u, and k of them come together.
void check_orthonormal(const MatrixXd& q) {
  const MatrixXd identity = MatrixXd::Identity(q.cols(), q.cols());
  const auto n = static_cast<double>(q.rows()), k = static_cast<double>(q.cols());
  CHECK((q.transpose() * q - identity).cwiseAbs().maxCoeff() <= 2 * (n + k) * unit);
}

double norm(const MatrixXd& a) { return Eigen::JacobiSVD<MatrixXd>(a).singularValues()[0]; }

Values values_of(const VectorXd& v) { return {v.begin(), v.end()}; }

}  // namespace

TEST_CASE("signs are one or minus one, fair, of their stream alone, and in their column alone") {
  CAPTURE(seed);
  constexpr std::size_t n = 20000;
  Block block(n * block_width, 7);
  fill_signs(block, 2, seed, 0);
  fill_signs(block, 5, seed, 1);
  fill_signs(block, 6, seed, 0);
  // Sums of n fair signs, of products too: five standard deviations.
  double mean = 0, streams = 0, neighbours = 0, words = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const auto at = [&](std::size_t row, std::size_t column) { return block[row * block_width + column]; };
    for (const std::size_t column : {0UL, 1UL, 3UL, 4UL, 7UL}) REQUIRE(at(i, column) == 7);
    REQUIRE(std::abs(at(i, 2)) == 1);
    REQUIRE(at(i, 2) == at(i, 6));
    mean += at(i, 2);
    streams += at(i, 2) * at(i, 5);
    if (i >= 1) neighbours += at(i, 2) * at(i - 1, 2);
    if (i >= 64) words += at(i, 2) * at(i - 64, 2);
  }
  for (const double sum : {mean, streams, neighbours, words}) CHECK(std::abs(sum) <= 5 * std::sqrt(n));
}

TEST_CASE("inner products of any length, whole lanes and what is left") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 1);
  for (std::size_t n = 0; n <= 40; ++n) {
    CAPTURE(n);
    const Values a = fedval::tests::normals(stream, n), b = fedval::tests::normals(stream, n);
    CHECK(std::abs(inner_product(a, b) - static_cast<double>(fedval::tests::naive_dot(a, b))) <=
          fedval::tests::dot_bound(a, b));
  }
}

TEST_CASE("a basis takes in what is new, however little, and refuses what is rounding") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 2);
  constexpr Index n = 37, k = 6;
  for (int i = 0; i < 20; ++i) {
    CAPTURE(i);
    const MatrixXd g = gaussian(stream, n, k);
    Orthonormal q;
    for (Index c = 0; c < k; ++c) q.add(values_of(g.col(c)));
    REQUIRE(q.size() == k);
    check_orthonormal(wide(q, n));
    CHECK((wide(q, n).transpose() * g).isUpperTriangular(4 * n * unit * norm(g)));

    const VectorXd inside = g * gaussian(stream, k, 1), fresh = gaussian(stream, n, 1);
    q.add(values_of(inside));
    q.add(Values(n, 0.0));
    CHECK(q.size() == k);
    // A part in 10^10 is a direction of its own, at a right angle to rounding; one in 10^14 is none.
    q.add(values_of(inside.normalized() + 1e-14 * fresh.normalized()));
    CHECK(q.size() == k);
    q.add(values_of(1e100 * (inside.normalized() + 1e-10 * fresh.normalized())));
    REQUIRE(q.size() == k + 1);
    check_orthonormal(wide(q, n));
    // It is that of `fresh`, up to rounding magnified by 10^10, of a length the size of one.
    const MatrixXd before = wide(q, n).leftCols(k);
    const VectorXd rest = (fresh - before * (before.transpose() * fresh)).normalized();
    CHECK(std::abs(wide(q, n).col(k).dot(rest) - 1) < 1e-4);
  }
}

TEST_CASE("what is taken out of a vector is its part in the space") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 3);
  constexpr Index n = 29, k = 5;
  Orthonormal q;
  for (Index c = 0; c < k; ++c) q.add(values_of(gaussian(stream, n, 1)));
  const MatrixXd basis = wide(q, n);
  const VectorXd v = gaussian(stream, n, 1);
  Values rest = values_of(v);
  q.remove_from(rest);
  const VectorXd found = Eigen::Map<const VectorXd>(rest.data(), n);
  CHECK((basis.transpose() * found).norm() <= 4 * n * unit * v.norm());
  CHECK((found - (v - basis * (basis.transpose() * v))).norm() <= 4 * n * unit * v.norm());
  CHECK(found.norm() > 0.1 * v.norm());
}

TEST_CASE("columns come out of a block as they went in, beside each other") {
  Block block(3 * block_width, 0.0);
  for (std::size_t c = 0; c < block_width; ++c) {
    const auto x = static_cast<double>(c);
    set_column(block, c, Values{x, 10 + x, 20 + x});
  }
  for (std::size_t c = 0; c < block_width; ++c) {
    const auto x = static_cast<double>(c);
    CHECK(column_of(block, c) == Values{x, 10 + x, 20 + x});
  }
}

TEST_CASE("a matrix of low rank: its range, and no more directions than it has") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 4);
  for (const Index rank : {0, 1, 3, 8, 11})
    for (const std::size_t count : {1UL, 3UL, 8UL, 9UL, 20UL}) {
      CAPTURE(rank);
      CAPTURE(count);
      constexpr Index n = 45;
      const MatrixXd g = gaussian(stream, n, rank);
      const MatrixXd a = g * g.transpose();
      const Orthonormal q = leading_directions(Dense{a}, count, seed);
      CHECK(q.size() == std::min(count, static_cast<std::size_t>(rank)));
      if (rank == 0) continue;
      const MatrixXd basis = wide(q, n);
      check_orthonormal(basis);
      // Inside the range: n u for each product, times the condition of A in its range.
      const Eigen::JacobiSVD<MatrixXd> svd(g, Eigen::ComputeThinU);
      const double condition = svd.singularValues()[0] / svd.singularValues()[rank - 1];
      const MatrixXd outside = basis - svd.matrixU() * (svd.matrixU().transpose() * basis);
      CHECK(outside.norm() <= 8 * n * static_cast<double>(rank) * unit * condition * condition);
      if (q.size() == static_cast<std::size_t>(rank))
        CHECK(norm(a - basis * (basis.transpose() * a)) <=
              8 * n * static_cast<double>(rank) * unit * condition * condition * norm(a));
    }
  CHECK(leading_directions(Dense{MatrixXd(0, 0)}, 5, seed).size() == 0);
  CHECK(leading_directions(Dense{MatrixXd::Identity(4, 4)}, 0, seed).size() == 0);
  CHECK(leading_directions(Dense{MatrixXd::Identity(4, 4)}, 4, seed).size() == 4);
}

TEST_CASE("behind a gap the leading eigenvectors, with the third power of the gap") {
  // tan of the angle <= gap^3 ||B A^-1|| for Gaussian A (k x k) and B (Halko et al., theorem 9.1). Of A^-1
  // P(norm > sqrt(k) / e) <= e (Edelman); with e = 0.1 % in each of 40 trials and ||B|| < sqrt(n) + 3
  // sqrt(k).
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 5);
  constexpr double gap = 1e-4;
  double second = 0;
  for (const Index k : {1, 3, 8, 13})
    for (int i = 0; i < 10; ++i) {
      CAPTURE(k);
      CAPTURE(i);
      constexpr Index n = 60;
      VectorXd eigenvalues(n);
      for (Index j = 0; j < n; ++j) eigenvalues[j] = stream.uniform(0.5, 1) * (j < k ? 2 : gap);
      const Spectral a(stream, eigenvalues);
      const std::uint64_t start = stream();
      const Orthonormal q = leading_directions(Dense{a.matrix}, static_cast<std::size_t>(k), start);
      REQUIRE(q.size() == static_cast<std::size_t>(k));
      const MatrixXd basis = wide(q, n), leading = a.vectors.leftCols(k);
      check_orthonormal(basis);
      const auto root_k = std::sqrt(static_cast<double>(k));
      const double sine = norm(leading - basis * (basis.transpose() * leading));
      CHECK(sine <= gap * gap * gap * (std::sqrt(n) + 3 * root_k) * root_k / 1e-3 + 16 * n * unit);
      second = std::max(second, sine);
      // Any start that is no chance event leads there, and one start always to the same bits.
      const Orthonormal same = leading_directions(Dense{a.matrix}, static_cast<std::size_t>(k), start);
      const Orthonormal other = leading_directions(Dense{a.matrix}, static_cast<std::size_t>(k), start + 1);
      for (std::size_t j = 0; j < q.size(); ++j) CHECK(same[j] == q[j]);
      CHECK(norm(basis - wide(other, n) * (wide(other, n).transpose() * basis)) <= 1e-6);
      if (k > 1) CHECK(other[0] != q[0]);
    }
  CHECK(second < gap * gap);  // two steps would leave ||B A^-1|| times this
}

TEST_CASE("without a gap nearly the best approximation, as Halko's mean says") {
  // E ||A - Q Q^T A|| <= (1 + sqrt(k / (p - 1)) + e sqrt(k + p) / p sqrt(n - k))^(1/3) s_(k+1) after three
  // products, of k + p directions for every p >= 2; no Q does better than s_(k+p+1).
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 6);
  constexpr Index n = 50;
  for (const double decay : {0.0, 0.5, 1.0, 2.0})
    for (const Index count : {4, 12, 25}) {
      CAPTURE(decay);
      CAPTURE(count);
      VectorXd eigenvalues(n);
      for (Index j = 0; j < n; ++j) eigenvalues[j] = std::pow(1.0 + static_cast<double>(j), -decay);
      const Spectral a(stream, eigenvalues);
      double mean = 0;
      constexpr int starts = 20;
      for (int i = 0; i < starts; ++i) {
        const MatrixXd q =
            wide(leading_directions(Dense{a.matrix}, static_cast<std::size_t>(count), stream()), n);
        REQUIRE(q.cols() == count);
        const double left = norm(a.matrix - q * (q.transpose() * a.matrix));
        CHECK(left >= eigenvalues[count] - 16 * n * unit);
        mean += left / starts;
      }
      double bound = eigenvalues[0];
      for (Index k = 1; k + 2 <= count; ++k) {
        const auto rank = static_cast<double>(k), more = static_cast<double>(count - k);
        const double factor = 1 + std::sqrt(rank / (more - 1)) +
                              std::exp(1) * std::sqrt(rank + more) / more * std::sqrt(n - rank);
        bound = std::min(bound, std::cbrt(factor) * eigenvalues[k]);
      }
      CHECK(mean <= bound + 16 * n * unit);
    }
}

TEST_CASE("three products with A for every eight directions") {
  fedval::random::Stream stream(seed, 7);
  const MatrixXd g = gaussian(stream, 40, 40);
  for (const auto& [count, blocks] : {std::pair{1UL, 1UL}, {8UL, 1UL}, {9UL, 2UL}, {24UL, 3UL}}) {
    CAPTURE(count);
    std::size_t products = 0;
    leading_directions(Dense{g * g.transpose(), &products}, count, seed);
    CHECK(products == 3 * blocks);
  }
}
