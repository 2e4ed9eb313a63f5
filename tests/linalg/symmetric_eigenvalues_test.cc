#include "fedval/linalg/symmetric_eigenvalues.hpp"

#include <doctest/doctest.h>

#include <Eigen/Eigenvalues>
#include <Eigen/QR>

#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using fedval::linalg::symmetric_eigenvalues;
using fedval::tests::Values;

namespace {

constexpr std::uint64_t seed = 51;

Eigen::MatrixXd gaussian(fedval::random::Stream& stream, Eigen::Index rows, Eigen::Index columns) {
  Eigen::MatrixXd matrix(rows, columns);
  for (double& value : matrix.reshaped()) value = stream.normal();
  return matrix;
}

/// Q diag(values) Q^T with a random orthogonal Q.
Eigen::MatrixXd with_eigenvalues(fedval::random::Stream& stream, const Eigen::VectorXd& values) {
  const Eigen::MatrixXd q = gaussian(stream, values.size(), values.size()).householderQr().householderQ();
  const Eigen::MatrixXd a = q * values.asDiagonal() * q.transpose();
  return (a + a.transpose()) / 2;
}

Eigen::VectorXd ours(const Eigen::MatrixXd& a) {
  const Values values =
      symmetric_eigenvalues({a.data(), a.data() + a.size()}, static_cast<std::size_t>(a.rows()));
  return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Eigen::Index>(values.size()));
}

/// Both solvers are backward stable: each is within a small multiple of n u ||A|| of the exact values, so
/// within 8 n u ||A|| of each other with room for the constants of n = 1, 2, 3.
void check_against_eigen(const Eigen::MatrixXd& a) {
  const Eigen::VectorXd found = ours(a);
  const Eigen::VectorXd expected = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(a).eigenvalues();
  REQUIRE(found.size() == expected.size());
  const double bound = 8 * static_cast<double>(a.rows()) * 0x1p-53 * expected.cwiseAbs().maxCoeff();
  CHECK((found - expected).cwiseAbs().maxCoeff() <= bound);
  CHECK(std::is_sorted(found.begin(), found.end()));
}

}  // namespace

TEST_CASE("eigenvalues of random matrices are Eigen's") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed);
  for (const Eigen::Index n : {1, 2, 3, 4, 5, 10, 33, 100}) {
    CAPTURE(n);
    for (int i = 0; i < (n > 50 ? 2 : 10); ++i) {
      const Eigen::MatrixXd a = gaussian(stream, n, n);
      check_against_eigen(a + a.transpose());  // indefinite
      check_against_eigen(a * a.transpose());  // positive definite
      const Eigen::MatrixXd thin = gaussian(stream, n, (n + 1) / 2);
      check_against_eigen(thin * thin.transpose());  // half of the eigenvalues are zero
      Eigen::VectorXd grades(n), clusters(n);
      for (Eigen::Index k = 0; k < n; ++k) {
        grades[k] = std::pow(10.0, -15.0 * static_cast<double>(k) / static_cast<double>(n));
        clusters[k] = 1 + static_cast<double>(k % 3) + 1e-13 * static_cast<double>(k);
      }
      check_against_eigen(with_eigenvalues(stream, grades));
      check_against_eigen(with_eigenvalues(stream, clusters));
      // Graded by rows and columns, up and down: the off-diagonal entries shrink with the diagonal.
      check_against_eigen(grades.asDiagonal() * (a + a.transpose()) * grades.asDiagonal());
      const Eigen::VectorXd reversed = grades.reverse();
      check_against_eigen(reversed.asDiagonal() * (a + a.transpose()) * reversed.asDiagonal());
    }
  }
}

TEST_CASE("closed forms") {
  CHECK(symmetric_eigenvalues({}, 0).empty());
  CHECK(symmetric_eigenvalues({-3}, 1) == Values{-3});
  CHECK(symmetric_eigenvalues(Values(25, 0.0), 5) == Values(5, 0.0));
  // A diagonal matrix needs no arithmetic.
  CHECK(symmetric_eigenvalues({3, 0, 0, 0, -1, 0, 0, 0, 2}, 3) == Values{-1, 2, 3});
  const Values pair = symmetric_eigenvalues({2, 1, 1, 2}, 2);
  CHECK(pair[0] == doctest::Approx(1).epsilon(1e-15));
  CHECK(pair[1] == doctest::Approx(3).epsilon(1e-15));
  // The second difference matrix: 2 - 2 cos(k pi / (n + 1)).
  constexpr std::size_t n = 20;
  Values a(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    a[i * n + i] = 2;
    if (i > 0) a[i * n + i - 1] = a[(i - 1) * n + i] = -1;
  }
  const Values found = symmetric_eigenvalues(a, n);
  for (std::size_t k = 0; k < n; ++k)
    CHECK(std::abs(found[k] - (2 - 2 * std::cos(static_cast<double>(k + 1) * M_PI / (n + 1)))) <
          4 * 8 * n * 0x1p-53);
}

TEST_CASE("only the lower triangle is read") {
  const Values whole = symmetric_eigenvalues({4, 1, 2, 1, 5, 3, 2, 3, 6}, 3);
  const double nan = std::nan("");
  CHECK(symmetric_eigenvalues({4, nan, nan, 1, 5, nan, 2, 3, 6}, 3) == whole);
}

TEST_CASE("scale does not matter, from the largest to the subnormal doubles") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 2);
  for (const Eigen::Index n : {2, 3, 10, 40}) {
    CAPTURE(n);
    const Eigen::MatrixXd a = gaussian(stream, n, n), symmetric = a + a.transpose();
    const Eigen::VectorXd expected = ours(symmetric);
    const double bound = 16 * static_cast<double>(n) * 0x1p-53 * expected.cwiseAbs().maxCoeff();
    for (const int exponent : {900, 300, -300, -900, -1000, -1040}) {
      CAPTURE(exponent);
      const auto scaled = [&](double value) { return std::ldexp(value, exponent); };
      Eigen::VectorXd found;
      CHECK_NOTHROW(found = ours(symmetric.unaryExpr(scaled)));
      if (found.size() == 0) continue;
      // A subnormal entry has an error of its own: n of them make a norm of n units.
      const double unit = static_cast<double>(16 * n) * std::ldexp(0x1p-1074, -exponent);
      for (Eigen::Index k = 0; k < n; ++k)
        CHECK(std::abs(std::ldexp(found[k], -exponent) - expected[k]) <= bound + unit);
    }
  }
}

TEST_CASE("rows and couplings so small that their squares vanish") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 3);
  for (const Eigen::Index n : {2, 3, 8, 9, 10, 17, 60}) {
    CAPTURE(n);
    for (int i = 0; i < 20; ++i) {
      CAPTURE(i);
      // A tridiagonal matrix, and a full one whose rows have any scale.
      Eigen::MatrixXd chain = Eigen::MatrixXd::Zero(n, n);
      Eigen::VectorXd scales(n);
      const auto power = [&] { return std::pow(10.0, -20.0 * static_cast<double>(stream.below(15))); };
      for (Eigen::Index k = 0; k < n; ++k) {
        chain(k, k) = static_cast<double>(stream.below(3)) - 1;
        if (k > 0) chain(k, k - 1) = chain(k - 1, k) = power() * stream.normal();
        scales[k] = power();
      }
      check_against_eigen(chain);
      const Eigen::MatrixXd a = gaussian(stream, n, n);
      check_against_eigen(scales.asDiagonal() * (a + a.transpose()) * scales.asDiagonal());
      // Far below one besides entries of one: the tiny block keeps its own digits.
      Eigen::MatrixXd blocks = Eigen::MatrixXd::Zero(n + 1, n + 1);
      blocks(n, n) = 1;
      blocks.topLeftCorner(n, n) = 1e-200 * (a * a.transpose());
      const Eigen::VectorXd found = ours(blocks).head(n) * 1e200;
      const Eigen::VectorXd expected = ours(a * a.transpose());
      CHECK((found - expected).cwiseAbs().maxCoeff() <=
            16 * static_cast<double>(n) * 0x1p-53 * expected.maxCoeff());
    }
  }
}

TEST_CASE("misuse is an error") {
  using fedval::tests::complaint_of;
  CHECK(complaint_of([] {
          symmetric_eigenvalues({1, 2, 3}, 2);
        }) == "symmetric_eigenvalues: 3 entries for a 2 x 2 matrix");
}
