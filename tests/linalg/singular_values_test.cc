#include "fedval/linalg/singular_values.hpp"

#include <doctest/doctest.h>

#include <Eigen/QR>
#include <Eigen/SVD>

#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using fedval::linalg::left_singular;
using fedval::linalg::singular_values;
using fedval::tests::Values;
using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

namespace {

constexpr std::uint64_t seed = 61;

Eigen::MatrixXd gaussian(fedval::random::Stream& stream, Eigen::Index rows, Eigen::Index columns) {
  Eigen::MatrixXd matrix(rows, columns);
  for (double& value : matrix.reshaped()) value = stream.normal();
  return matrix;
}

Eigen::VectorXd ours(const RowMajor& a) {
  const Values values = singular_values({a.data(), a.data() + a.size()}, static_cast<std::size_t>(a.rows()),
                                        static_cast<std::size_t>(a.cols()));
  return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Eigen::Index>(values.size()));
}

/// Both are backward stable: 8 max(rows, columns) u sigma_max covers the two errors.
void check_against_eigen(const Eigen::MatrixXd& a) {
  const Eigen::VectorXd found = ours(a), expected = Eigen::BDCSVD<Eigen::MatrixXd>(a).singularValues();
  REQUIRE(found.size() == expected.size());
  const double bound = 8 * static_cast<double>(a.cols()) * 0x1p-53 * expected.maxCoeff();
  CHECK((found - expected).cwiseAbs().maxCoeff() <= bound);
  CHECK(std::is_sorted(found.begin(), found.end(), std::greater<>()));
}

/// U is orthogonal and U^T A has orthogonal rows of norms sigma: U diag(sigma) V^T is a decomposition of A.
/// Every row goes through fewer than ten sweeps of rows - 1 rotations of 6 u each, so 64 columns u covers U's
/// error and, relative to sigma_max, the reflections' and rotations' in U^T A. The vectors are Eigen's within
/// the angle by which such errors of both turn them (Wedin): error / gap. Returns how many vectors had a gap
/// to compare by.
int check_left_singular(const RowMajor& a) {
  const auto rows = static_cast<std::size_t>(a.rows()), columns = static_cast<std::size_t>(a.cols());
  const auto found = left_singular({a.data(), a.data() + a.size()}, rows, columns);
  CHECK(found.sigma == singular_values({a.data(), a.data() + a.size()}, rows, columns));
  REQUIRE(found.u.size() == rows * rows);
  const Eigen::Map<const RowMajor> u(found.u.data(), a.rows(), a.rows());
  const Eigen::Map<const Eigen::VectorXd> sigma(found.sigma.data(), a.rows());
  const double bound = 64 * static_cast<double>(columns) * 0x1p-53, error = bound * sigma[0];
  CHECK((u.transpose() * u - RowMajor::Identity(a.rows(), a.rows())).cwiseAbs().maxCoeff() <= bound);
  const RowMajor turned = u.transpose() * a, gram = turned * turned.transpose();
  CHECK((turned.rowwise().norm() - sigma).cwiseAbs().maxCoeff() <= error);
  const Eigen::JacobiSVD<Eigen::MatrixXd> eigen(a, Eigen::ComputeThinU);
  int compared = 0;
  for (Eigen::Index j = 0; j < a.rows(); ++j) {
    double gap = sigma[j];
    for (Eigen::Index i = 0; i < a.rows(); ++i) {
      if (i == j) continue;
      CHECK(std::abs(gram(i, j)) <= error * (sigma[i] + sigma[j] + error));
      gap = std::min(gap, std::abs(sigma[i] - sigma[j]));
    }
    Eigen::Index peak = 0;
    const double largest = u.col(j).cwiseAbs().maxCoeff(&peak);
    CHECK(largest == u(peak, j));  // positive
    if (2 * std::sqrt(2.0) * error > 0.1 * gap) continue;
    ++compared;
    const Eigen::VectorXd theirs = eigen.matrixU().col(j) * (eigen.matrixU()(peak, j) < 0 ? -1 : 1);
    CHECK((u.col(j) - theirs).norm() <= 2 * std::sqrt(2.0) * error / gap + 2 * bound);
  }
  return compared;
}

}  // namespace

TEST_CASE("singular values of random matrices are Eigen's") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed);
  for (const Eigen::Index rows : {1, 2, 3, 10, 60, 150})
    for (const Eigen::Index more : {0, 1, 37}) {
      const Eigen::Index columns = rows + more;
      CAPTURE(rows);
      CAPTURE(columns);
      const Eigen::MatrixXd a = gaussian(stream, rows, columns);
      REQUIRE_NOTHROW(check_against_eigen(a));
      const Eigen::MatrixXd deficient =
          gaussian(stream, rows, (rows + 1) / 2) * gaussian(stream, (rows + 1) / 2, columns);
      REQUIRE_NOTHROW(check_against_eigen(deficient));
      Eigen::MatrixXd repeated = a;  // identical rows, and rows of zeros
      for (Eigen::Index i = 0; i < rows; ++i) {
        if (i % 3 == 1) repeated.row(i) = repeated.row(0);
        if (i % 3 == 2) repeated.row(i).setZero();
      }
      REQUIRE_NOTHROW(check_against_eigen(repeated));
    }
}

TEST_CASE("small singular values beside large ones are kept, down to 1e-15") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 1);
  for (const Eigen::Index rows : {3, 10, 40}) {
    CAPTURE(rows);
    const Eigen::Index columns = rows + 25;
    Eigen::VectorXd grades(rows);
    for (Eigen::Index k = 0; k < rows; ++k)
      grades[k] = std::pow(10.0, -15.0 * static_cast<double>(k) / static_cast<double>(rows - 1));
    const Eigen::MatrixXd u = gaussian(stream, rows, rows).householderQr().householderQ();
    const Eigen::MatrixXd v = gaussian(stream, columns, columns).householderQr().householderQ();
    check_against_eigen(u * grades.asDiagonal() * v.topRows(rows));
    // Rows that are orthogonal and graded: the small ones are known to full relative accuracy.
    const Eigen::VectorXd found = ours(grades.asDiagonal() * v.topRows(rows));
    for (Eigen::Index k = 0; k < rows; ++k)
      CHECK(std::abs(found[k] / grades[k] - 1) <= 16 * static_cast<double>(columns) * 0x1p-53);
  }
}

TEST_CASE("left singular vectors: random, graded and rank-deficient matrices") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 2);
  for (const Eigen::Index rows : {1, 2, 3, 10, 40})
    for (const Eigen::Index more : {0, 1, 25}) {
      const Eigen::Index columns = rows + more, half = (rows + 1) / 2;
      CAPTURE(rows);
      CAPTURE(columns);
      const Eigen::MatrixXd a = gaussian(stream, rows, columns);
      CHECK(check_left_singular(a) == rows);
      CHECK(check_left_singular(gaussian(stream, rows, half) * gaussian(stream, half, columns)) == half);
      Eigen::VectorXd grades(rows);
      for (Eigen::Index k = 0; k < rows; ++k)
        grades[k] = std::pow(10.0, -15.0 * static_cast<double>(k) / static_cast<double>(rows));
      const Eigen::MatrixXd q = gaussian(stream, rows, rows).householderQr().householderQ();
      CHECK(check_left_singular(q * grades.asDiagonal() * a) > 0);
      CHECK(check_left_singular(grades.asDiagonal() * a) > 0);
      Eigen::MatrixXd repeated = a;  // identical rows, and rows of zeros
      for (Eigen::Index i = 0; i < rows; ++i) {
        if (i % 3 == 1) repeated.row(i) = repeated.row(0);
        if (i % 3 == 2) repeated.row(i).setZero();
      }
      CHECK(check_left_singular(repeated) > 0);
    }
}

TEST_CASE("left singular vectors: closed forms, and scale does not matter") {
  CHECK(left_singular({}, 0, 5).u.empty());
  CHECK(left_singular({-2}, 1, 1).u == Values{1});
  CHECK(left_singular(Values(6, 0.0), 2, 3).u == Values{1, 0, 0, 1});
  CHECK(left_singular({1, 0, 0, 0, -2, 0}, 2, 3).u == Values{0, 1, 1, 0});
  const auto one = left_singular({3, 6, -4, -8}, 2, 2);  // (3, -4) (1, 2)^T
  CHECK(one.sigma[0] == doctest::Approx(5 * std::sqrt(5.0)).epsilon(1e-15));
  CHECK(one.u[0] == doctest::Approx(-0.6).epsilon(1e-15));
  CHECK(one.u[2] == doctest::Approx(0.8).epsilon(1e-15));
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 3);
  const Values a = fedval::tests::normals(stream, 60);
  fedval::linalg::LeftSingular unit;
  for (const int exponent : {0, -900, -300, 300, 900}) {  // one call, compiled once: the same bits
    Values scaled = a;
    for (double& value : scaled) value = std::ldexp(value, exponent);
    const auto found = left_singular(scaled, 5, 12);
    if (exponent == 0) unit = found;
    Values sigma = unit.sigma;
    for (double& value : sigma) value = std::ldexp(value, exponent);
    CHECK(found.u == unit.u);
    CHECK(found.sigma == sigma);
  }
}

TEST_CASE("the sweeps end, also where rounding could keep them going") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 4);
  for (const std::size_t n : {2, 3, 5, 10}) {
    CAPTURE(n);
    const std::size_t rank = (n + 1) / 2;
    for (int i = 0; i < 3000; ++i) {
      const Values left = fedval::tests::normals(stream, n * rank),
                   right = fedval::tests::normals(stream, rank * n);
      Values a(n * n, 0.0);
      for (std::size_t k = 0; k < n * n * rank; ++k)
        a[k / rank] += left[k / (rank * n) * rank + k % rank] * right[k % rank * n + k / rank % n];
      REQUIRE_NOTHROW(singular_values(a, n, n));
    }
  }
}

TEST_CASE("closed forms") {
  CHECK(singular_values({}, 0, 0).empty());
  CHECK(singular_values({}, 0, 5).empty());
  CHECK(singular_values({-2}, 1, 1) == Values{2});
  CHECK(singular_values(Values(12, 0.0), 3, 4) == Values(3, 0.0));
  CHECK(singular_values({3, 4}, 1, 2)[0] == doctest::Approx(5).epsilon(1e-15));
  CHECK(singular_values({0, 2, 0, 1, 0, 0}, 2, 3) == Values{2, 1});
  // [[1, 1], [0, 1]]: the golden ratio and its inverse.
  const Values shear = singular_values({1, 1, 0, 1}, 2, 2);
  const double golden = (1 + std::sqrt(5.0)) / 2;
  CHECK(shear[0] == doctest::Approx(golden).epsilon(1e-15));
  CHECK(shear[1] == doctest::Approx(1 / golden).epsilon(1e-15));
}

TEST_CASE("rows far below the largest, subnormal ones included, do not stop it") {
  for (const double tiny : {1e-100, 1e-155, 1e-165, 1e-200, 1e-305, 1e-310, 5e-324}) {
    CAPTURE(tiny);
    Values found;
    CHECK_NOTHROW(found = singular_values({1, 1, tiny, 0}, 2, 2));
    if (found.empty()) continue;
    CHECK(found[0] == doctest::Approx(std::sqrt(2.0)).epsilon(1e-15));
    // The determinant is tiny; what is below sigma_max u is only known to be small.
    CHECK(found[1] <= 0x1p-52);
  }
}

TEST_CASE("misuse is an error") {
  using fedval::tests::complaint_of;
  CHECK(complaint_of([] {
          singular_values({1, 2, 3}, 2, 2);
        }) == "singular_values: 3 entries for a 2 x 2 matrix; needs rows <= columns");
  CHECK(complaint_of([] {
          singular_values({1, 2}, 2, 1);
        }) == "singular_values: 2 entries for a 2 x 1 matrix; needs rows <= columns");
  CHECK(complaint_of([] {
          left_singular({1, 2}, 2, 1);
        }) == "left_singular: 2 entries for a 2 x 1 matrix; needs rows <= columns");
}
