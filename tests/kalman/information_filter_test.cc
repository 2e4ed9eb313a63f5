#include "fedval/kalman/information_filter.hpp"

#include <doctest/doctest.h>

#include <Eigen/LU>
#include <limits>

#include "tests/kalman/system.hpp"
#include "tests/support/complaint.hpp"

using fedval::kalman::dynamic;
using fedval::kalman::Filter;
using fedval::kalman::InformationFilter;
using fedval::kalman::Matrix;
using fedval::kalman::Vector;
using namespace fedval::tests;

namespace {

constexpr std::uint64_t seed = 91;

/// Half a unit in the last place of 1.
template <class Scalar>
constexpr long double unit = std::numeric_limits<Scalar>::epsilon() / Scalar(2);

/// |A^-1| in the largest entry, for the condition of what is inverted.
long double inverse_size(const Wide& a) {
  return largest(Eigen::LLT<Wide>(a).solve(Wide(Wide::Identity(a.rows(), a.cols()))));
}

/// The posterior by the covariance filter, which filter_test holds against a regression, and by this one.
template <class Scalar, std::size_t N = dynamic, std::size_t M = dynamic>
void check_against_filter(const System& system) {
  Filter<long double> filter(narrow<long double, dynamic, 1>(system.x), narrow<long double>(system.P));
  InformationFilter<Scalar, N> information(
      Filter<Scalar, N>(narrow<Scalar, N, 1>(system.x), narrow<Scalar, N, N>(system.P)));
  long double condition = 1, size = 1;
  const auto reach = [&](const Wide& P) {
    condition = std::max(condition, static_cast<long double>(P.rows()) * largest(P) * inverse_size(P));
    size = std::max({size, largest(P), largest(wide(filter.state()))});
  };
  reach(system.P);
  for (const Step& step : system.steps) {
    filter.predict(narrow<long double>(step.F), narrow<long double>(step.Q));
    reach(wide(filter.covariance()));
    filter.update(narrow<long double, dynamic, 1>(step.z), narrow<long double>(step.H),
                  narrow<long double>(step.R), step.observed);
    reach(wide(filter.covariance()));
    information.predict(narrow<Scalar, N, N>(step.F), narrow<Scalar, N, N>(step.Q));
    information.update(narrow<Scalar, M, 1>(step.z), narrow<Scalar, M, N>(step.H),
                       narrow<Scalar, M, M>(step.R), step.observed);
    CHECK(wide(information.information()) == wide(information.information()).transpose());
  }
  // Each step factors matrices of P's condition; 8 covers the constants.
  const auto order = static_cast<long double>(system.steps.size()) *
                     static_cast<long double>(system.x.rows() + system.steps[0].z.rows());
  const long double bound = 8 * order * unit<Scalar> * condition * size;
  CAPTURE(static_cast<double>(bound));
  CHECK(largest(wide(information.state()) - wide(filter.state())) <= bound);
  CHECK(largest(wide(information.covariance()) - wide(filter.covariance())) <= bound);
  const auto same = information.filter();
  CHECK(same.state() == information.state());
  CHECK(same.covariance() == information.covariance());
}

/// F with |det| = 1 and a modest condition: products of shears.
System invertible(System system, fedval::random::Stream& stream) {
  for (Step& step : system.steps) {
    const Eigen::Index n = step.F.rows();
    step.F.setIdentity();
    for (Eigen::Index i = 0; i < n; ++i) {
      Wide shear = Wide::Identity(n, n);
      shear(i, (i + 1) % n) = n == 1 ? 1 : std::round(4 * stream.uniform(-1, 1)) / 4;
      step.F = (step.F * shear).eval();
    }
  }
  return system;
}

}  // namespace

TEST_CASE_TEMPLATE("information and covariance form are one filter", Scalar, float, double, long double) {
  CAPTURE(seed);
  fedval::random::Stream stream(seed);
  for (const double missing : {0.0, 0.4})
    for (int i = 0; i < 10; ++i) {
      CAPTURE(i);
      const auto system = [&](Eigen::Index n, Eigen::Index m) {
        return invertible(random_system(stream, n, m, 6, missing), stream);
      };
      check_against_filter<Scalar>(system(1, 1));
      check_against_filter<Scalar>(system(4, 2));
      check_against_filter<Scalar>(system(2, 5));
      check_against_filter<Scalar, 2, 2>(system(2, 2));
      check_against_filter<Scalar, 3, dynamic>(system(3, 2));
    }
}

TEST_CASE("from no knowledge: weighted least squares") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 1);
  for (int i = 0; i < 10; ++i) {
    const Wide H = eighths(stream, 12, 3), z = eighths(stream, 12, 1),
               r = eighths(stream, 12, 1).cwiseAbs2() + Wide::Ones(12, 1) / 4;
    InformationFilter<double, 3> filter;
    for (Eigen::Index k = 0; k < 12; ++k) {
      if (k < 3) CHECK_THROWS_AS(filter.state(), fedval::Error);
      filter.update<1>(narrow<double, 1, 1>(z.row(k)), narrow<double, 1, 3>(H.row(k)),
                       narrow<double, 1, 1>(r.row(k)));
    }
    const Wide weighted = H.transpose() * r.col(0).cwiseInverse().asDiagonal();
    const Wide normal = weighted * H;
    const Eigen::LLT<Wide> factor(normal);
    const Wide P = factor.solve(Wide(Wide::Identity(3, 3))), x = factor.solve(Wide(weighted * z));
    const long double condition = 3 * largest(P) * largest(normal);
    const long double bound = 16 * 12 * unit<double> * condition;
    CHECK(largest(wide(filter.state()) - x) <= bound * (1 + largest(x)));
    CHECK(largest(wide(filter.covariance()) - P) <= bound * largest(P));
    CHECK(largest(wide(filter.information()) - normal) <= 16 * 12 * unit<double> * largest(normal));
  }
}

TEST_CASE("prediction where Y and Q are singular: (I + A Q)^-1 A, A = F^-T Y F^-1") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 2);
  for (const Eigen::Index n : {2, 3, 5})
    for (Eigen::Index known = 0; known <= n; ++known)
      for (Eigen::Index moving = 0; moving <= n; ++moving) {
        CAPTURE(n);
        CAPTURE(known);
        CAPTURE(moving);
        const Wide H = eighths(stream, known, n), z = eighths(stream, known, 1),
                   g = eighths(stream, n, moving);
        const Wide Y = H.transpose() * H, y = H.transpose() * z, Q = g * g.transpose();
        System one{Wide::Zero(n, 1), Wide::Identity(n, n), {{Wide::Identity(n, n), Q, z, H, {}, {}}}};
        const Wide F = invertible(one, stream).steps[0].F;
        const Wide inverse = Eigen::PartialPivLU<Wide>(F).inverse();
        const Wide A = inverse.transpose() * Y * inverse;
        const Eigen::PartialPivLU<Wide> mix(Wide::Identity(n, n) + A * Q);
        const Wide expected = mix.solve(A), vector = mix.solve(Wide(inverse.transpose() * y));
        InformationFilter<double> filter(narrow<double>(Y), narrow<double, dynamic, 1>(y));
        filter.predict(narrow<double>(F), narrow<double>(Q));
        const long double size = (1 + largest(A)) * (1 + largest(Q)), bound = 64 * unit<double> * size * size;
        CHECK(largest(wide(filter.information()) - expected) <= bound * (1 + largest(A)));
        CHECK(largest(wide(filter.information_vector()) - vector) <= bound * (1 + largest(y)));
        // Where Y knew a number of directions, so does Y-: no more, no fewer.
        if (known < n) CHECK_THROWS_AS(filter.state(), fedval::Error);
        if (known == 0) CHECK(filter.information() == Matrix<double>(filter.states(), filter.states()));
      }
}

TEST_CASE("a random walk forgets: 1 / (P + t Q)") {
  InformationFilter<double, 1> filter(Filter<double, 1>({3.0}, {0.5}));
  for (int t = 1; t <= 100; ++t) {
    filter.predict({0.25});
    CHECK(filter.covariance()(0, 0) == doctest::Approx(0.5 + 0.25 * t).epsilon(1e-13));
    CHECK(filter.state()[0] == doctest::Approx(3).epsilon(1e-13));
  }
}

TEST_CASE("Q may be far above what is left of P") {
  // Float has seven digits; Q Y = 1e9 here. P+ = P + Q = [[1, 1], [1, 1]] + 1e-9 I.
  InformationFilter<float, 2> filter({{1e9F, 0}, {0, 1e9F}}, {2e9F, 3e9F});
  filter.predict({{1, 1}, {1, 1}});
  // Y+ = [[a, -b], [-b, a]] with a + b = 1e9 along (1, -1) and a - b = 1 / (2 + 1e-9) along (1, 1).
  CHECK(filter.information()(0, 0) == doctest::Approx(5e8).epsilon(1e-6));
  CHECK(filter.information()(0, 1) == doctest::Approx(-5e8).epsilon(1e-6));
  // y+ = Y+ x: 5e8 (2 - 3) = -5e8.
  CHECK(filter.information_vector()[0] == doctest::Approx(-5e8).epsilon(1e-5));
  CHECK(filter.information_vector()[1] == doctest::Approx(5e8).epsilon(1e-5));
}

TEST_CASE("a missing observation is not read, and none changes nothing") {
  const double nan = std::nan("");
  InformationFilter<double> filter({{2, 1}, {1, 3}}, {1, 2}), other = filter;
  filter.update({nan, 5}, {{nan, nan}, {1, 2}}, {{nan, nan}, {nan, 0.25}}, {false, true});
  other.update({5}, {{1, 2}}, {{0.25}});
  CHECK(filter.information() == other.information());
  CHECK(filter.information_vector() == other.information_vector());
  CHECK(filter.information() == Matrix<double>{{6, 9}, {9, 19}});
  CHECK(filter.information_vector() == Vector<double>{21, 42});
  filter.update({nan}, {{nan, nan}}, {{nan}}, {false});
  CHECK(filter.information() == other.information());
  CHECK(filter.information_vector() == other.information_vector());
}

TEST_CASE("an error names what is wrong and leaves the belief as it was") {
  const double nan = std::nan(""), huge = std::numeric_limits<double>::max();
  const Vector<double> y{1, 2};
  const Matrix<double> Y{{2, 1}, {1, 3}}, I{{1, 0}, {0, 1}};
  InformationFilter<double> filter(Y, y);
  const auto complaint = [&](auto&& action) {
    const std::string message = complaint_of(action);
    CHECK(filter.information() == Y);
    CHECK(filter.information_vector() == y);
    return message;
  };
  CHECK(complaint([&] {
          filter.predict({{1, 1}, {2, 2}}, I);
        }) == "F is singular: what the state was cannot be told from what it becomes");
  CHECK(complaint([&] { filter.predict({{1, 2}, {2, 1}}); }) == "Q is not positive semidefinite");
  CHECK(complaint([&] { filter.predict({{1, 0}, {0, nan}}); }) == "Q[1, 1] is NaN");
  CHECK(complaint([&] { filter.predict({{nan, 0}, {0, 1}}, I); }) == "F[0, 0] is NaN");
  CHECK(complaint([&] { filter.predict({{1}}); }) == "Q is 1 x 1, expected 2 x 2");
  CHECK(complaint([&] { filter.predict(1e-200 * I, I); }) == "Y+[0, 0] is NaN");
  CHECK(complaint([&] { filter.update({nan}, {{1, 0}}, {{1}}); }) == "z[0] is NaN");
  CHECK(complaint([&] { filter.update({1}, {{1, nan}}, {{1}}); }) == "H[0, 1] is NaN");
  CHECK(complaint([&] { filter.update({1}, {{1, 1}}, {{nan}}); }) == "R[0, 0] is NaN");
  CHECK(complaint([&] { filter.update({1}, {{1, 1}}, {{0}}); }) == "R is not positive definite");
  CHECK(complaint([&] { filter.update({1}, {{huge, 1}}, {{1}}); }) == "Y+[0, 0] is infinite");
  CHECK(complaint([&] { filter.update({1, 2}, {{1, 1}}, {{1}}); }) == "H is 1 x 2, expected 2 x 2");
  CHECK(complaint([&] {
          filter.update({1}, {{1, 1}}, {{1}}, {true, true});
        }) == "the mask has 2 entries for 1 observations");
  const std::string unknown = "the information Y is singular: some direction of the state is still unknown";
  const InformationFilter<double> partly({{1, 1}, {1, 1}}, {1, 1});
  CHECK(complaint_of([&] { (void)partly.state(); }) == unknown);
  CHECK(complaint_of([&] { (void)partly.covariance(); }) == unknown);
  CHECK(complaint_of([&] { (void)partly.filter(); }) == unknown);
  CHECK(complaint_of([&] { (void)InformationFilter<float, 2>().state(); }) == unknown);
  CHECK(InformationFilter<double>(3).states() == 3);
  CHECK(complaint_of([&] {
          InformationFilter<double>(Filter<double>({1, 2}, {{1, 1}, {1, 1}}));
        }) == "P is singular: a state known exactly has no finite information");
  CHECK(complaint_of([&] {
          InformationFilter<double>({{1, 0}, {0, 0}}, {1, 1});
        }) == "y[1] is not zero where Y[1, 1], its information, is");
  CHECK(complaint_of([&] {
          InformationFilter<double>({{1, 0}, {2, 1}}, {1, 1});
        }) == "Y is not symmetric: Y[0, 1] and Y[1, 0] differ");
}
