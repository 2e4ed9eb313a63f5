#include "fedval/kalman/residual_noise.hpp"

#include <doctest/doctest.h>

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>

#include "fedval/archive.hpp"
#include "fedval/kalman/filter.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using namespace fedval::kalman;
using tests::complaint_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 213;
constexpr double unit = 0x1p-53;

template <std::size_t M>
using Residuals = std::vector<typename ResidualNoise<M>::Residual>;

template <std::size_t M>
Residuals<M> drawn(random::Stream& stream, std::size_t n) {
  Residuals<M> result(n);
  for (auto& residual : result)
    for (double& value : residual) value = stream.normal();
  return result;
}

template <std::size_t M>
Eigen::MatrixXd wide(const linalg::Matrix<double, M, M>& a) {
  Eigen::MatrixXd result(M, M);
  for (std::size_t m = 0; m < M; ++m)
    for (std::size_t l = 0; l < M; ++l)
      result(static_cast<Eigen::Index>(m), static_cast<Eigen::Index>(l)) = a(m, l);
  return result;
}

/// The mean of e e^T + P 1 1^T, in long double.
template <std::size_t M>
std::array<std::array<long double, M>, M> term(const Residuals<M>& residuals, const Values& variances) {
  std::array<std::array<long double, M>, M> mean{};
  for (std::size_t i = 0; i < residuals.size(); ++i)
    for (std::size_t m = 0; m < M; ++m)
      for (std::size_t l = 0; l < M; ++l)
        mean[m][l] += (static_cast<long double>(residuals[i][m]) * residuals[i][l] + variances[i]) /
                      static_cast<long double>(residuals.size());
  return mean;
}

/// What can be saved has a name.
struct Named : ResidualNoise<2> {
  static constexpr std::string_view name = "Named";
};

}  // namespace

TEST_CASE("the start is the sensors' disagreement, shared out evenly") {
  // Two sensors: half the mean square of their difference.
  ResidualNoise<2> two;
  CHECK_FALSE(two.started());
  CHECK(two.covariance() == linalg::Matrix<double, 2, 2>{{0, 0}, {0, 0}});
  two.start(Residuals<2>{{1, 3}, {5, 5}, {-2, -6}});
  CHECK(two.started());
  CHECK(std::abs(two.covariance()(0, 0) - (4 + 0 + 16) / 6.0) < 16 * unit);
  CHECK(two.covariance()(1, 1) == two.covariance()(0, 0));
  CHECK(two.covariance()(0, 1) == 0);
  CHECK(two.covariance()(1, 0) == 0);
  // Three: the unbiased variance of 1, 2, 6 is 7.
  ResidualNoise<3> three;
  three.start(Residuals<3>{{1, 2, 6}});
  for (std::size_t m = 0; m < 3; ++m) CHECK(std::abs(three.covariance()(m, m) - 7) < 32 * unit);
  // What a client's sensors share is no disagreement, and it starts anew each time.
  three.start(Residuals<3>{{1e3, 1e3, 1e3}, {-8, -8, -8}});
  CHECK(three.covariance() == linalg::Matrix<double, 3, 3>());
}

TEST_CASE("the start of independent sensors of one noise is that noise") {
  CAPTURE(seed);
  random::Stream stream(seed);
  constexpr std::size_t n = 20000;
  Residuals<4> readings = drawn<4>(stream, n);
  for (auto& z : readings) {
    const double common = 5 * stream.normal();
    for (double& value : z) value = common + 0.3 * value;
  }
  ResidualNoise<4> noise;
  noise.start(readings);
  // A variance of 3 n degrees: relative deviation sqrt(2 / 3n), five of them.
  CHECK(std::abs(noise.covariance()(2, 2) / 0.09 - 1) <= 5 * std::sqrt(2 / (3.0 * n)));
}

TEST_CASE("R is the mean over rounds, the start one of them, each b times the next's weight") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  for (const double b : {0.1, 0.5, 0.98, 0.999}) {
    CAPTURE(b);
    ResidualNoise<3> noise;
    noise.start(drawn<3>(stream, 5));
    std::array<std::array<long double, 3>, 3> sum{};
    for (std::size_t m = 0; m < 3; ++m) sum[m][m] = noise.covariance()(m, m);
    long double weights = 1;
    for (int round = 1; round <= 40; ++round) {
      CAPTURE(round);
      const Residuals<3> residuals = drawn<3>(stream, 1 + stream.below(9));
      Values variances(residuals.size());
      for (double& p : variances) p = stream.uniform();
      noise.observe(residuals, variances, b);
      const auto fresh = term<3>(residuals, variances);
      weights = b * weights + 1;
      for (std::size_t m = 0; m < 3; ++m)
        for (std::size_t l = 0; l < 3; ++l) {
          sum[m][l] = b * sum[m][l] + fresh[m][l];
          // A convex combination of terms below 20; each round adds some n = 10 roundings, and 1 - b^k has
          // an error of u / (1 - b), which old rounds forget.
          CHECK(std::abs(noise.covariance()(m, l) - static_cast<double>(sum[m][l] / weights)) <=
                20 * (10 * round + 4 / (1 - b)) * unit);
        }
    }
  }
}

TEST_CASE("R is a covariance after any rounds") {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  for (int world = 0; world < 20; ++world) {
    CAPTURE(world);
    ResidualNoise<3> noise;
    noise.start(Residuals<3>{{1, 1, 1}});  // nothing: all that there is comes from the rounds
    for (int round = 0; round < 10; ++round) {
      noise.observe(drawn<3>(stream, 1), Values{stream.uniform()}, 0.9);
      const Eigen::MatrixXd R = wide(noise.covariance());
      CHECK(R == R.transpose());
      const auto eigenvalues = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(R).eigenvalues();
      CHECK(eigenvalues[0] >= -16 * unit * eigenvalues[2]);
      if (round == 0) CHECK(eigenvalues[1] > 1e-6 * eigenvalues[2]);  // e e^T and P 1 1^T: of rank two
    }
  }
}

TEST_CASE("what optimal updates leave tells the noise they were made for") {
  // E[e e^T] = R - P+ 1 1^T =: C, and var(e_m e_l) = C_mm C_ll + C_ml^2 for Gaussian ones.
  CAPTURE(seed);
  random::Stream stream(seed, 3);
  constexpr std::size_t n = 50000;
  const linalg::Matrix<double, 2, 2> R{{0.5, 0.2}, {0.2, 1.25}};
  const Eigen::MatrixXd root = Eigen::LLT<Eigen::MatrixXd>(wide(R)).matrixL();
  Residuals<2> residuals(n);
  Values variances(n);
  constexpr double prior = 0.75;
  for (std::size_t i = 0; i < n; ++i) {
    const double truth = std::sqrt(prior) * stream.normal();
    const Eigen::Vector2d v = root * Eigen::Vector2d(stream.normal(), stream.normal());
    Filter<double, 1> filter({0.0}, {prior});
    filter.update<2>({truth + v[0], truth + v[1]}, {1, 1}, R);
    residuals[i] = {truth + v[0] - filter.state()[0], truth + v[1] - filter.state()[0]};
    variances[i] = filter.covariance()(0, 0);
  }
  ResidualNoise<2> noise;
  noise.start(Residuals<2>{{0, 0}});
  for (int round = 0; round < 60; ++round) noise.observe(residuals, variances, 0.5);  // until 0 is forgotten
  const auto C = [&](std::size_t m, std::size_t l) { return R(m, l) - variances[0]; };
  for (std::size_t m = 0; m < 2; ++m)
    for (std::size_t l = 0; l < 2; ++l) {
      const double deviation = std::sqrt((C(m, m) * C(l, l) + C(m, l) * C(m, l)) / n);
      CHECK(std::abs(noise.covariance()(m, l) - R(m, l)) <= 5 * deviation);
    }
}

TEST_CASE("the order of the clients moves no more than rounding, and one client's weight falls as 1 / N") {
  CAPTURE(seed);
  random::Stream stream(seed, 4);
  const Residuals<2> residuals = drawn<2>(stream, 30), readings = drawn<2>(stream, 6);
  const Values variances(30, 0.25);
  ResidualNoise<2> one, other, twice;
  for (ResidualNoise<2>* noise : {&one, &other, &twice}) noise->start(readings);
  one.observe(residuals, variances, 0.9);
  other.observe(Residuals<2>(residuals.rbegin(), residuals.rend()), variances, 0.9);
  Residuals<2> doubled = residuals;
  doubled.insert(doubled.end(), residuals.begin(), residuals.end());
  twice.observe(doubled, Values(60, 0.25), 0.9);
  for (std::size_t m = 0; m < 2; ++m)
    for (std::size_t l = 0; l < 2; ++l) {
      CHECK(std::abs(one.covariance()(m, l) - other.covariance()(m, l)) <= 2 * 64 * unit * 2);
      CHECK(std::abs(one.covariance()(m, l) - twice.covariance()(m, l)) <= 2 * 64 * unit * 2);
    }
}

TEST_CASE("a saved R goes on with the same bits, and what is no covariance is refused") {
  CAPTURE(seed);
  random::Stream stream(seed, 5);
  Named noise, read;
  noise.start(drawn<2>(stream, 4));
  for (int round = 0; round < 3; ++round) noise.observe(drawn<2>(stream, 4), Values(4, 0.5), 0.9);
  restore(save(noise), read);
  CHECK(read.covariance() == noise.covariance());
  const Residuals<2> next = drawn<2>(stream, 4);
  noise.observe(next, Values(4, 0.5), 0.9);
  read.observe(next, Values(4, 0.5), 0.9);
  CHECK(read.covariance() == noise.covariance());

  const auto refusal = [&](std::string_view entries) {
    return complaint_of(
        [&] { restore("fedval-state-1 Named\nR " + std::string(entries) + "\nrounds 3\n", read); });
  };
  const auto before = read.covariance();
  const std::string no_covariance = "state of Named: R: no covariance";
  CHECK(refusal("-1p+0 0p+0 0p+0 1p+0") == no_covariance);  // a negative variance
  CHECK(refusal("1p+0 0p+0 0p+0 -1p+0") == no_covariance);  // the other
  CHECK(refusal("1p+0 1p-1 1p-2 1p+0") == no_covariance);   // not symmetric
  CHECK(refusal("1p+0 1p+1 1p+1 1p+0") == no_covariance);   // a correlation of two
  CHECK(refusal("0p+0 1p-9 1p-9 1p+0") == no_covariance);   // nothing correlates with a constant
  CHECK(read.covariance() == before);
  CHECK(refusal("1p+0 -1p+1 -1p+1 1p+2") == "no error");  // a correlation of minus one
  CHECK(read.covariance() == linalg::Matrix<double, 2, 2>{{1, -2}, {-2, 4}});
}

TEST_CASE("readings that are not finite are refused by client and sensor, and R stays") {
  Named noise;
  CHECK(complaint_of([&] {
          noise.start(Residuals<2>{{1, 2}, {3, std::nan("")}});
        }) == "residual noise: client 1's reading 1 is nan");
  CHECK(complaint_of([&] { noise.start(Residuals<2>{}); }) == "residual noise: of no client");
  CHECK_FALSE(noise.started());
  noise.start(Residuals<2>{{1, 2}, {3, 5}});
  const auto before = noise.covariance();
  CHECK(complaint_of([&] {
          noise.observe(Residuals<2>{{1, INFINITY}}, Values{1}, 0.9);
        }) == "residual noise: client 0's reading 1 is inf");
  CHECK(complaint_of([&] {
          noise.observe(Residuals<2>{{1, 2}}, Values{1, 1}, 0.9);
        }) == "residual noise: 2 variances for 1 residuals");
  CHECK(complaint_of([&] {
          noise.observe(Residuals<2>{{1, 2}}, Values{std::nan("")}, 0.9);
        }) == "residual noise: variance 0 is nan");
  CHECK(noise.covariance() == before);
}
