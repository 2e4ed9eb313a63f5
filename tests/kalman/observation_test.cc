#include "fedval/kalman/observation.hpp"

#include <doctest/doctest.h>

#include <Eigen/LU>
#include <bitset>
#include <limits>

#include "tests/kalman/system.hpp"
#include "tests/support/complaint.hpp"

using namespace fedval::kalman;
using namespace fedval::kalman::detail;
using fedval::tests::complaint_of;
using fedval::tests::eighths;
using fedval::tests::largest;
using fedval::tests::narrow;
using fedval::tests::Wide;
using fedval::tests::wide;

namespace {

constexpr std::uint64_t seed = 83;
constexpr double absent = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

/// What an observation tells of the state: H^T R^-1 H, H^T R^-1 z, z^T R^-1 z and det R.
struct Told {
  Wide matrix, vector, square;
  long double determinant;
};

template <std::size_t M, std::size_t N>
Told told_by(const Observation<double, M, N>& part) {
  const Wide H = wide(part.H), z = wide(part.z), R = wide(part.R), inverse = R.inverse();
  return {H.transpose() * inverse * H, H.transpose() * inverse * z, z.transpose() * inverse * z,
          R.determinant()};
}

std::vector<std::size_t> places(const auto& kept) {
  std::vector<std::size_t> result;
  for (std::size_t k = 0; k < kept.count; ++k) result.push_back(kept.index[k]);
  return result;
}

}  // namespace

TEST_CASE("masks of any kind: what is there keeps its order") {
  using Places = std::vector<std::size_t>;
  const Vector<double, 5> fixed;
  const Vector<double> any(5, 1);
  CHECK(places(kept(any, std::vector<bool>{true, false, true, true, false})) == Places{0, 2, 3});
  CHECK(places(kept(fixed, std::bitset<5>(0b10010))) == Places{1, 4});
  const std::array<bool, 5> nothing{};
  CHECK(places(kept(fixed, std::span<const bool>(nothing))).empty());
  CHECK(places(all(any)) == Places{0, 1, 2, 3, 4});
  CHECK(places(all(fixed)) == Places{0, 1, 2, 3, 4});
  CHECK(complaint_of([&] { kept(any, std::vector<bool>(4)); }) ==
        "the mask has 4 entries for 5 observations");
}

TEST_CASE("what is selected tells what was observed, in fixed and in dynamic extents") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed);
  for (int i = 0; i < 50; ++i) {
    CAPTURE(i);
    constexpr std::size_t m = 4, n = 3;
    Wide noise = eighths(stream, m, m);
    noise = noise * noise.transpose() + Wide::Identity(m, m) / 4;
    Matrix<double, m, n> H = narrow<double, m, n>(eighths(stream, m, n));
    Matrix<double, m, m> R = narrow<double, m, m>(noise);
    Vector<double, m> z = narrow<double, m, 1>(eighths(stream, m, 1));
    std::vector<bool> there(m);
    std::vector<Eigen::Index> rows;
    for (std::size_t k = 0; k < m; ++k) {
      there[k] = stream.uniform() < 0.6;
      if (there[k]) {
        rows.push_back(static_cast<Eigen::Index>(k));
        continue;
      }
      z[k] = absent;
      for (std::size_t j = 0; j < n; ++j) H(k, j) = absent;
      for (std::size_t l = 0; l < m; ++l) R(k, l) = R(l, k) = absent;
    }
    const auto part = select(z, H, R, kept(z, there));
    const auto shorter = select<double, dynamic, dynamic>(z, H, R, kept<double, dynamic>(z, there));
    REQUIRE(shorter.z.rows() == rows.size());
    REQUIRE(shorter.H.rows() == rows.size());
    REQUIRE(shorter.R.columns() == rows.size());
    CHECK(wide(shorter.z) == Wide(wide(z)(rows, Eigen::all)));
    CHECK(wide(shorter.H) == Wide(wide(H)(rows, Eigen::all)));
    CHECK(wide(shorter.R) == Wide(wide(R)(rows, rows)));
    // Blocks of an inverse are exact up to the rounding of long double, which 2^-53 covers: R >= 1/4.
    const Told a = told_by(part), b = told_by(shorter);
    const long double bound = 0x1p-53L * (1 + largest(b.matrix) + largest(b.vector) + largest(b.square));
    CHECK(largest(a.matrix - b.matrix) <= bound);
    CHECK(largest(a.vector - b.vector) <= bound);
    CHECK(largest(a.square - b.square) <= bound);
    CHECK(std::abs(a.determinant - b.determinant) <= 0x1p-53L * b.determinant);
  }
}

TEST_CASE("what is kept is checked and what is not is not read") {
  const Vector<double> z{1, absent, 3};
  const Matrix<double> H{{1, 0}, {absent, infinity}, {0, 1}},
      R{{1, absent, 0.5}, {absent, -1, absent}, {0.5, absent, 1}};
  const auto some = kept(z, std::vector<bool>{true, false, true});
  check_observation(z, H, R, some, 2);
  CHECK(complaint_of([&] { check_observation(z, H, R, all(z), 2); }) == "z[1] is NaN");
  CHECK(complaint_of([&] { check_observation(z, H, R, some, 3); }) == "H is 3 x 2, expected 3 x 3");
  CHECK(complaint_of([&] { check_observation(z, H, Matrix<double>(2, 3), some, 2); }) ==
        "R is 2 x 3, expected 3 x 3");
  const auto complaint = [&](const Vector<double>& z_, const Matrix<double>& H_, const Matrix<double>& R_) {
    return complaint_of([&] { check_observation(z_, H_, R_, some, 2); });
  };
  CHECK(complaint({1, 0, -infinity}, H, R) == "z[2] is -infinite");
  CHECK(complaint(z, {{1, 0}, {0, 0}, {0, infinity}}, R) == "H[2, 1] is infinite");
  CHECK(complaint(z, H, {{1, 0, 0}, {0, 1, 0}, {0, 0, -1}}) == "R[2, 2], a variance, is negative");
  CHECK(complaint(z, H, {{1, 0, .5}, {0, 1, 0}, {.25, 0, 1}}) ==
        "R is not symmetric: R[0, 2] and R[2, 0] differ");
  CHECK(complaint(z, H, {{1, 0, absent}, {0, 1, 0}, {.25, 0, 1}}) == "R[0, 2] is NaN");
  // Variances first, that what they bound can be trusted.
  CHECK(complaint(z, H, {{1, 0, absent}, {0, 1, 0}, {.25, 0, absent}}) == "R[2, 2] is NaN");
}

TEST_CASE_TEMPLATE("a covariance may be unsymmetric by rounding and no more, whatever its scale", Scalar,
                   float, double, long double) {
  // 8 n roundings of sqrt(a_ii a_jj), which bounds both entries.
  constexpr Scalar rounding = 8 * 3 * std::numeric_limits<Scalar>::epsilon();
  for (const Scalar scale : {Scalar(1), Scalar(0x1p-30), Scalar(0x1p40)}) {
    Matrix<Scalar, 3, 3> a{{4 * scale, 0, scale}, {0, 0, 0}, {scale, 0, scale}};
    check_covariance(a, 3, "A");
    a(0, 2) = scale * (1 + rounding);  // half of what sqrt(4 1) allows
    check_covariance(a, 3, "A");
    a(0, 2) = scale * (1 + 4 * rounding);
    CHECK(complaint_of([&] { check_covariance(a, 3, "A"); }) ==
          "A is not symmetric: A[0, 2] and A[2, 0] differ");
    a(0, 2) = scale;
    a(1, 0) = std::numeric_limits<Scalar>::denorm_min();  // nothing is correlated with a constant
    CHECK(complaint_of([&] { check_covariance(a, 3, "A"); }) ==
          "A is not symmetric: A[0, 1] and A[1, 0] differ");
  }
  const Matrix<Scalar> b(2, 3);
  CHECK(complaint_of([&] { check_covariance(b, 2, "B"); }) == "B is 2 x 3, expected 2 x 2");
}

TEST_CASE("a motion is checked whole: shapes, F, then Q") {
  const Matrix<double> I{{1, 0}, {0, 1}}, bad{{1, 0}, {0, absent}};
  check_motion(I, I, 2);
  CHECK(complaint_of([&] { check_motion(I, I, 3); }) == "F is 2 x 2, expected 3 x 3");
  CHECK(complaint_of([&] { check_motion(bad, bad, 2); }) == "F[1, 1] is NaN");
  CHECK(complaint_of([&] { check_motion(I, bad, 2); }) == "Q[1, 1] is NaN");
  CHECK(complaint_of([&] { check_motion(I, Matrix<double>(3, 3), 2); }) == "Q is 3 x 3, expected 2 x 2");
}
