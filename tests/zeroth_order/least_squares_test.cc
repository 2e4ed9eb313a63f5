// Least squares against Eigen's singular value decomposition, and where it is exact.
#include <Eigen/Dense>

#include "tests/zeroth_order/estimates.hpp"

using namespace fedval;
using namespace fedval::zeroth_order;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 2069;
constexpr double u = 0x1p-53;

Eigen::MatrixXd matrix_of(const Draw& draw, std::size_t d) {
  Eigen::MatrixXd result(static_cast<Eigen::Index>(draw.probes.size()), static_cast<Eigen::Index>(d));
  Values row(d);
  for (std::size_t i = 0; i < draw.probes.size(); ++i) {
    read(draw.probes[i], 0, row);
    for (std::size_t j = 0; j < d; ++j)
      result(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = row[j];
  }
  return result;
}

Draw rows_of(const std::vector<Values>& rows) {
  linalg::Matrix<double> matrix(rows.size(), rows.front().size());
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::copy(rows[i].begin(), rows[i].end(), matrix.row(i).begin());
  const auto shared = std::make_shared<const linalg::Matrix<double>>(matrix);
  Draw draw;
  for (std::size_t i = 0; i < rows.size(); ++i) draw.probes.emplace_back(Row{shared, i});
  return draw;
}

/// combine() against pinv(U) D. A backward stable solution is off by a multiple of (m + d) u of its own
/// condition: cond ||g|| + cond^2 ||residual|| / ||U||; ten times that for either side.
void check_against_svd(const Draw& draw, const Values& slopes, std::size_t d) {
  const Eigen::MatrixXd matrix = matrix_of(draw, d);
  Eigen::JacobiSVD<Eigen::MatrixXd> svd(matrix, Eigen::ComputeThinU | Eigen::ComputeThinV);
  svd.setThreshold(1e-10);
  const Eigen::VectorXd right = Eigen::Map<const Eigen::VectorXd>(slopes.data(), matrix.rows());
  const Eigen::VectorXd expected = svd.solve(right);
  const WeightedSum sum = combine(Combination::least_squares, draw, slopes, d);
  Values found(d);
  accumulate(sum.weights, sum.directions, 0, found);
  const double largest = svd.singularValues()(0), least = svd.singularValues()(svd.rank() - 1),
               condition = largest / least, residual = (right - matrix * expected).norm();
  const double bound = 10 * static_cast<double>(matrix.rows() + matrix.cols() + 10) * u * condition *
                       (expected.norm() + (condition * residual + right.norm()) / largest);
  for (std::size_t i = 0; i < d; ++i)
    CHECK(std::abs(found[i] - expected(static_cast<Eigen::Index>(i))) <= bound);
}

}  // namespace

TEST_CASE("least squares is the pseudo-inverse: fewer directions than dimensions, as many, and more") {
  CAPTURE(seed);
  random::Stream stream(seed);
  for (std::uint64_t t = 0; t < 20; ++t)
    for (const std::size_t d : {1UL, 2UL, 5UL, 12UL})
      for (const std::size_t m : {1UL, 2UL, 5UL, 12UL, 30UL}) {
        CAPTURE(t);
        CAPTURE(d);
        CAPTURE(m);
        const Values slopes = tests::normals(stream, m);
        const random::Key key{seed, t};
        for (const Directions& law : {gaussian(m), sphere(m), rademacher(m), l1_sphere(m)}) {
          CAPTURE(law.name);
          check_against_svd(law.draw(d, key), slopes, d);
        }
        if (m <= d) check_against_svd(orthogonal(m).draw(d, key), slopes, d);
      }
}

TEST_CASE("least squares with directions that come again or depend on others") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  for (std::uint64_t t = 0; t < 30; ++t) {
    CAPTURE(t);
    const std::size_t d = 4, m = 6;
    check_against_svd(coordinates(m, Replacement::with).draw(d, {seed, t}), tests::normals(stream, m), d);
    const Values a = tests::normals(stream, d), b = tests::normals(stream, d, 1e-3);
    Values sum(d), twice(d);
    for (std::size_t i = 0; i < d; ++i) {
      sum[i] = a[i] + b[i];
      twice[i] = -2 * a[i];
    }
    check_against_svd(rows_of({a, twice, b, sum, b}), tests::normals(stream, 5), d);
    check_against_svd(rows_of({a, Values(d, 0.0)}), tests::normals(stream, 2), d);
  }
  // A coordinate asked three times: the mean of its slopes; one that was not: zero.
  const Draw draw{{Coordinate{2}, Coordinate{0}, Coordinate{2}, Coordinate{2}}, {}, 4, 1};
  const Values slopes{1, 5, 2, 6};
  const WeightedSum sum = combine(Combination::least_squares, draw, slopes, 4);
  Values found(4, 77.0);
  accumulate(sum.weights, sum.directions, 0, found);
  CHECK(found[0] == 5);
  CHECK(found[1] == 0);
  CHECK(found[2] == doctest::Approx(3));
  CHECK(found[3] == 0);
}

TEST_CASE("least squares is exact on affine functions for m >= d, whatever the lengths of the directions") {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  for (const std::size_t d : {1UL, 3UL, 7UL})
    for (const std::size_t m : {d, d + 1, 3 * d}) {
      const Values x = tests::normals(stream, d), slope = tests::normals(stream, d);
      const double mu = 0.25;
      for (const Directions& directions : {gaussian(m), sphere(m), l1_sphere(m), orthogonal(d, Norms::chi),
                                           guided(m, std::vector<TensorView>{x})})
        for (const Difference& difference : {forward, central}) {
          const GradientOptions options{.directions = directions,
                                        .difference = difference,
                                        .combination = Combination::least_squares,
                                        .smoothing = mu,
                                        .seed = seed};
          const std::string label = tests::label_of(options, d);
          CAPTURE(label);
          const Eigen::MatrixXd matrix = matrix_of(directions.draw(d, {seed, 0}), d);
          const Eigen::VectorXd values = Eigen::JacobiSVD<Eigen::MatrixXd>(matrix).singularValues();
          const double condition = values(0) / values(values.size() - 1);
          // Slopes are off by sum_bound(d + 2) of f's terms over mu; all of them by sqrt(m) times that, and
          // 1 / sigma_min takes them to g.
          double largest = 0;
          for (std::size_t i = 0; i < d; ++i)
            largest += std::abs(slope[i]) * (std::abs(x[i]) + mu * matrix.cwiseAbs().maxCoeff());
          const double rounding =
              tests::sum_bound(d + 2) * largest / mu * 2 * std::sqrt(static_cast<double>(m)) /
                  values(values.size() - 1) +
              100 * static_cast<double>(m) * u * condition * std::sqrt(tests::square_of(slope));
          const Values g = gradient(tests::Affine{slope}, x, options).gradient;
          for (std::size_t i = 0; i < d; ++i) CHECK(std::abs(g[i] - slope[i]) <= rounding);
        }
    }
}
