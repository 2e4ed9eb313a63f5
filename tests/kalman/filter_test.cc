#include "fedval/kalman/filter.hpp"

#include <doctest/doctest.h>

#include <Eigen/Eigenvalues>
#include <bitset>
#include <limits>

#include "tests/kalman/system.hpp"
#include "tests/support/complaint.hpp"

using fedval::kalman::dynamic;
using fedval::kalman::Filter;
using fedval::kalman::Matrix;
using fedval::kalman::Update;
using fedval::kalman::Vector;
using namespace fedval::tests;

namespace {

constexpr std::uint64_t seed = 81;

/// Half a unit in the last place of 1.
template <class Scalar>
constexpr long double unit = std::numeric_limits<Scalar>::epsilon() / Scalar(2);

struct Outcome {
  Wide x, P;
  long double log_likelihood = 0, condition = 1, size = 1;
};

/// Runs a filter over a system. The condition is a bound on that of every S: S >= R >= I / 4.
template <class Scalar, std::size_t N, std::size_t M>
Outcome run(const System& system) {
  Filter<Scalar, N> filter(narrow<Scalar, N, 1>(system.x), narrow<Scalar, N, N>(system.P));
  Outcome outcome;
  for (const Step& step : system.steps) {
    filter.predict(narrow<Scalar, N, N>(step.F), narrow<Scalar, N, N>(step.Q));
    const Update<Scalar, M, N> update =
        filter.update(narrow<Scalar, M, 1>(step.z), narrow<Scalar, M, N>(step.H),
                      narrow<Scalar, M, M>(step.R), step.observed);
    outcome.log_likelihood += static_cast<long double>(update.log_likelihood);
    outcome.condition = std::max(outcome.condition, 4 * wide(update.innovation_covariance).trace());
    outcome.size =
        std::max({outcome.size, largest(wide(update.innovation)), largest(wide(filter.covariance()))});
    for (std::size_t i = 0; i < step.observed.size(); ++i)
      if (!step.observed[i]) CHECK(largest(wide(update.gain).col(static_cast<Eigen::Index>(i))) == 0);
  }
  outcome.x = wide(filter.state());
  outcome.P = wide(filter.covariance());
  return outcome;
}

/// A step solves with S, at a relative error of some (n + m) u cond(S), and errors of earlier steps are not
/// amplified by much (all matrices have entries near 1); 8 covers the constants.
template <class Scalar, std::size_t N = dynamic, std::size_t M = dynamic>
void check_against_regression(const System& system) {
  const Outcome found = run<Scalar, N, M>(system);
  const Posterior expected = stacked_regression(system);
  const auto order = static_cast<long double>(system.steps.size()) *
                     static_cast<long double>(system.x.rows() + system.steps[0].z.rows());
  const long double bound = 8 * order * unit<Scalar> * found.condition * found.size;
  CAPTURE(static_cast<double>(bound));
  CHECK(largest(found.x - expected.x) <= bound);
  CHECK(largest(found.P - expected.P) <= bound);
  // nis is quadratic in y and has S^-1 <= 4 I.
  CHECK(std::abs(found.log_likelihood - expected.log_likelihood) <= 4 * bound * found.size);
}

/// A scalar of the user's: long double with a name of its own and neither conversions nor
/// std::numeric_limits.
struct Own {
  long double value = 0;
  Own() = default;
  explicit Own(int v) : value(v) {}
  explicit Own(double v) : value(v) {}
  explicit Own(long double v) : value(v) {}
  explicit operator long double() const { return value; }
  Own operator-() const { return Own(-value); }
  Own& operator+=(Own o) { return *this = Own(value + o.value); }
  Own& operator-=(Own o) { return *this = Own(value - o.value); }
  friend Own operator+(Own a, Own b) { return Own(a.value + b.value); }
  friend Own operator-(Own a, Own b) { return Own(a.value - b.value); }
  friend Own operator*(Own a, Own b) { return Own(a.value * b.value); }
  friend Own operator/(Own a, Own b) { return Own(a.value / b.value); }
  friend bool operator==(Own a, Own b) { return a.value == b.value; }
  friend bool operator<(Own a, Own b) { return a.value < b.value; }
  friend bool operator>(Own a, Own b) { return a.value > b.value; }
  friend Own sqrt(Own a) { return Own(std::sqrt(a.value)); }
  friend Own log(Own a) { return Own(std::log(a.value)); }
};

long double smallest_eigenvalue(const Wide& a) {
  return Eigen::SelfAdjointEigenSolver<Wide>(a, Eigen::EigenvaluesOnly).eigenvalues()[0];
}

}  // namespace

TEST_CASE_TEMPLATE("one scalar state: the closed forms", Scalar, float, double, long double) {
  const Scalar x = Scalar(0.5), p = Scalar(2), q = Scalar(0.25), r = Scalar(0.75), z = Scalar(3),
               h = Scalar(2);
  Filter<Scalar, 1> filter({x}, {p});
  filter.predict({q});
  CHECK(filter.covariance()(0, 0) == Scalar(2.25));
  const auto update = filter.template update<1>({z}, {h}, {r});
  const Scalar s = Scalar(9.75), k = Scalar(4.5) / s,
               y = Scalar(2);  // 2.25 * 4 + 0.75, 2.25 * 2 / s, 3 - 2 * 0.5
  const long double tolerance = 8 * unit<Scalar>;
  const auto near = [&](Scalar found, Scalar expected) {
    return std::abs(static_cast<long double>(found / expected) - 1) <= tolerance;
  };
  CHECK(update.innovation[0] == y);
  CHECK(update.innovation_covariance(0, 0) == s);
  CHECK(near(update.gain(0, 0), k));
  CHECK(near(update.nis, y * y / s));
  CHECK(near(update.log_likelihood, -(std::log(2 * std::numbers::pi_v<Scalar> * s) + y * y / s) / Scalar(2)));
  CHECK(update.observed == 1);
  CHECK(near(filter.state()[0], x + k * y));
  CHECK(near(filter.covariance()(0, 0), Scalar(2.25) * r / s));  // P R / S
}

TEST_CASE("two sensors of one state: precisions add up") {
  // P+ = 1 / (1/P + 1/R_a + 1/R_b), x+ = P+ (x/P + a/R_a + b/R_b).
  Filter<double, 1> filter({0.3}, {1.0});
  const auto update = filter.update<2>({0.4, 0.7}, {1, 1}, {{0.9, 0}, {0, 0.95}});
  const double p = 1 / (1 + 1 / 0.9 + 1 / 0.95);
  CHECK(filter.covariance()(0, 0) == doctest::Approx(p).epsilon(1e-15));
  CHECK(filter.state()[0] == doctest::Approx(p * (0.3 + 0.4 / 0.9 + 0.7 / 0.95)).epsilon(1e-15));
  CHECK(update.gain(0, 0) == doctest::Approx(p / 0.9).epsilon(1e-15));
  CHECK(update.gain(0, 1) == doctest::Approx(p / 0.95).epsilon(1e-15));
}

TEST_CASE_TEMPLATE("the filter is the regression on everything seen", Scalar, float, double, long double,
                   Own) {
  using Known = std::conditional_t<std::is_same_v<Scalar, Own>, long double, Scalar>;
  CAPTURE(seed);
  fedval::random::Stream stream(seed);
  for (const double missing : {0.0, 0.3})
    for (int i = 0; i < 10; ++i) {
      CAPTURE(i);
      if constexpr (std::is_same_v<Scalar, Own>) {
        const System system = random_system(stream, 3, 2, 6, missing);
        const Outcome found = run<Own, 3, 2>(system), same = run<Known, 3, 2>(system);
        CHECK(found.x == same.x);
        CHECK(found.P == same.P);
        CHECK(found.log_likelihood == same.log_likelihood);
      } else {
        check_against_regression<Scalar>(random_system(stream, 1, 1, 8, missing));
        check_against_regression<Scalar>(random_system(stream, 2, 5, 8, missing));
        check_against_regression<Scalar>(random_system(stream, 5, 2, 8, missing));
        check_against_regression<Scalar, 1, 2>(random_system(stream, 1, 2, 8, missing));
        check_against_regression<Scalar, 3, 2>(random_system(stream, 3, 2, 8, missing));
        check_against_regression<Scalar, 3, dynamic>(random_system(stream, 3, 4, 8, missing));
        check_against_regression<Scalar, dynamic, 2>(random_system(stream, 4, 2, 8, missing));
      }
    }
}

TEST_CASE("a missing observation is a row that is not there, whatever stands in its place") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 1);
  const double nan = std::nan("");
  for (int i = 0; i < 10; ++i) {
    const System system = random_system(stream, 3, 3, 1, 0);
    const Step& step = system.steps[0];
    const Filter<double> before(narrow<double, dynamic, 1>(system.x), narrow<double>(system.P));
    auto z = narrow<double, dynamic, 1>(step.z);
    auto H = narrow<double>(step.H), R = narrow<double>(step.R);
    const Vector<double> z2{z[0], z[2]};
    const Matrix<double> H2{{H(0, 0), H(0, 1), H(0, 2)}, {H(2, 0), H(2, 1), H(2, 2)}};
    const Matrix<double> R2{{R(0, 0), R(0, 2)}, {R(2, 0), R(2, 2)}};
    z[1] = H(1, 0) = H(1, 1) = H(1, 2) = nan;
    for (std::size_t j = 0; j < 3; ++j) R(1, j) = R(j, 1) = nan;
    Filter<double> masked = before, dropped = before;
    const auto with = masked.update(z, H, R, {true, false, true});
    const auto without = dropped.update(z2, H2, R2);
    CHECK(masked.state() == dropped.state());
    CHECK(masked.covariance() == dropped.covariance());
    CHECK(with.log_likelihood == without.log_likelihood);
    CHECK(with.nis == without.nis);
    CHECK(with.observed == 2);
    CHECK(with.innovation == Vector<double>{without.innovation[0], 0, without.innovation[1]});
    CHECK(with.innovation_covariance(2, 0) == without.innovation_covariance(1, 0));
    CHECK(largest(wide(with.innovation_covariance).row(1)) == 0);
    for (std::size_t j = 0; j < 3; ++j) {
      CHECK(with.gain(j, 0) == without.gain(j, 0));
      CHECK(with.gain(j, 1) == 0);
      CHECK(with.gain(j, 2) == without.gain(j, 1));
    }
    CHECK(before.gain(H, R, {true, false, true}) == with.gain);
    CHECK(before.gain(H2, R2) == without.gain);

    Filter<double> other = before;  // other masks
    other.update(z, H, R, std::bitset<3>(0b101));
    CHECK(other.state() == masked.state());
    const std::array<bool, 3> there{true, false, true};
    other = before;
    other.update(z, H, R, std::span<const bool>(there));
    CHECK(other.state() == masked.state());

    Filter<double> none = before;
    const auto nothing = none.update(z, H, R, {false, false, false});
    CHECK(none.state() == before.state());
    CHECK(none.covariance() == before.covariance());
    CHECK(nothing.observed == 0);
    CHECK(nothing.log_likelihood == 0);
    CHECK(nothing.nis == 0);
    CHECK(nothing.gain == Matrix<double>(3, 3));
    CHECK(nothing.innovation == Vector<double>{0, 0, 0});
    CHECK(before.gain(H, R, {false, false, false}) == Matrix<double>(3, 3));
  }
}

TEST_CASE("observations with independent noise may come together or one by one") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 2);
  for (int i = 0; i < 20; ++i) {
    System together = random_system(stream, 3, 4, 1, 0);
    Step& step = together.steps[0];
    step.R = Wide(step.R.diagonal().asDiagonal());
    System single{together.x, together.P, {}};
    for (Eigen::Index k = 0; k < 4; ++k) {
      const bool first = k == 0;
      single.steps.push_back({first ? step.F : Wide::Identity(3, 3),
                              first ? step.Q : Wide::Zero(3, 3),
                              step.z.row(k),
                              step.H.row(k),
                              step.R.block(k, k, 1, 1),
                              {true}});
    }
    const Outcome a = run<double, 3, 4>(together), b = run<double, 3, 1>(single);
    const long double bound = 8 * 4 * 7 * unit<double> * a.condition * a.size;
    CHECK(largest(a.x - b.x) <= bound);
    CHECK(largest(a.P - b.P) <= bound);
    CHECK(std::abs(a.log_likelihood - b.log_likelihood) <= 4 * bound * a.size);
  }
}

TEST_CASE("correct: the covariance is that of the error, whatever the gain") {
  // The error after is a linear map of the error before and the noise. Its columns are read off x+ by putting
  // the columns of roots of P and R in their place one at a time; the covariance is the sum of their squares.
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 3);
  for (int i = 0; i < 20; ++i) {
    const System system = random_system(stream, 3, 2, 1, 0);
    const Step& step = system.steps[0];
    using Exact = Filter<long double, 3>;
    const Exact before(narrow<long double, 3, 1>(system.x), narrow<long double, 3, 3>(system.P));
    const auto H = narrow<long double, 2, 3>(step.H);
    const auto R = narrow<long double, 2, 2>(step.R);
    const auto K = narrow<long double, 3, 2>(eighths(stream, 3, 2));
    const auto error = [&](const Wide& state, const Wide& noise) {
      const Wide truth = system.x - state;
      Exact filter = before;
      filter.correct(K, narrow<long double, 2, 1>(step.H * truth + noise), H, R);
      return Wide(wide(filter.state()) - truth);
    };
    Wide expected = Wide::Zero(3, 3);
    const Wide P_root = Eigen::LLT<Wide>(system.P).matrixL(), R_root = Eigen::LLT<Wide>(step.R).matrixL();
    for (Eigen::Index k = 0; k < 3; ++k) {
      const Wide e = error(P_root.col(k), Wide::Zero(2, 1));
      expected += e * e.transpose();
    }
    for (Eigen::Index k = 0; k < 2; ++k) {
      const Wide e = error(Wide::Zero(3, 1), R_root.col(k));
      expected += e * e.transpose();
    }
    Exact filter = before;
    filter.correct(K, narrow<long double, 2, 1>(step.z), H, R);
    const long double bound = 200 * unit<long double> * (1 + largest(expected) + largest(system.P));
    CHECK(largest(wide(filter.covariance()) - expected) <= bound);

    // No gain does better than the optimal one, and that one is update's.
    Exact best = before, updated = before;
    const auto optimal = before.gain(H, R);
    best.correct(optimal, narrow<long double, 2, 1>(step.z), H, R);
    const auto update = updated.update(narrow<long double, 2, 1>(step.z), H, R);
    CHECK(update.gain == optimal);
    CHECK(largest(wide(best.state()) - wide(updated.state())) <= bound);
    CHECK(largest(wide(best.covariance()) - wide(updated.covariance())) <= bound);
    CHECK(smallest_eigenvalue(wide(filter.covariance()) - wide(best.covariance())) >= -bound);
    CHECK(largest(wide(filter.covariance()) - wide(best.covariance())) > 1e-3L);

    // A zero column ignores its observation.
    auto half = K;
    for (std::size_t j = 0; j < 3; ++j) half(j, 1) = 0;
    Exact a = before, b = before;
    a.correct(half, {1, 2}, H, R);
    b.correct(half, {1, -7}, H, R);
    CHECK(a.state() == b.state());
    CHECK(a.covariance() == b.covariance());
  }
}

TEST_CASE("Joseph's form stays positive definite where (I - K H) P does not") {
  // Bierman, Factorization Methods for Discrete Sequential Estimation, 1977, chapter V: 1 + e^2 rounds
  // to 1.
  const double e = 0x1p-30;
  const Matrix<double, 2, 2> P{{1 / (e * e), 0}, {0, 1 / (e * e)}};
  Filter<double, 2> filter({0.0, 0.0}, P);
  Matrix<double, 2, 2> plain = P;
  for (const auto& H : {Matrix<double, 1, 2>{{1, e}}, Matrix<double, 1, 2>{{1, 1}}}) {
    const auto S = H * plain * transpose(H) + fedval::linalg::identity<double, 1>();
    const Matrix<double, 2, 1> K = 1 / S(0, 0) * (plain * transpose(H));
    plain = (fedval::linalg::identity<double, 2>() - K * H) * plain;
    filter.update<1>({1}, H, {1});
    CHECK(filter.covariance()(0, 1) == filter.covariance()(1, 0));
    CHECK(smallest_eigenvalue(wide(filter.covariance())) > 0);
  }
  CHECK(smallest_eigenvalue(wide(symmetric(plain))) < 0);
  // Exactly: [[1 + 2 e^2, -1 - e], [-1 - e, 2 + e^2]] / (1 - 2 e + ...).
  const Wide exact = (Wide(2, 2) << 1, -1, -1, 2).finished();
  CHECK(largest(wide(plain) - exact) > 1);
  CHECK(largest(wide(filter.covariance()) - exact) < 1);

  // Many precise observations of vague states: P / R = 1e12 costs P twelve digits and not its sign.
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 4);
  for (int i = 0; i < 20; ++i) {
    const Wide start = Wide::Identity(4, 4) * 1e6L;
    Filter<double> filter4(Vector<double>(4, 1), narrow<double>(start));
    Filter<long double> exact4(Vector<long double>(4, 1), narrow<long double>(start));
    for (int k = 0; k < 50; ++k) {
      const Wide H4 = eighths(stream, 1, 4);
      filter4.update({1}, narrow<double>(H4), {{1e-6}});
      exact4.update({1}, narrow<long double>(H4), {{1e-6L}});
      const Wide found = wide(filter4.covariance());
      CHECK(found == found.transpose());
      CHECK(smallest_eigenvalue(found) > 0);
    }
    const Wide expected = wide(exact4.covariance());
    CHECK(largest(wide(filter4.covariance()) - expected) <= 64 * unit<double> * 1e12L * largest(expected));
  }
}

TEST_CASE("random walk: the variance settles where Riccati's equation says") {
  for (const double q : {1e-4, 1.0})
    for (const double r : {0.5e-3, 0.05, 1.0}) {
      CAPTURE(q);
      CAPTURE(r);
      Filter<double, 1> filter({0.0}, {1.0});
      for (int i = 0; i < 3000; ++i) {
        filter.predict({q});
        if (i < 2999) filter.update<1>({0.1}, {1}, {r});
      }
      const double expected = (q + std::sqrt(q * q + 4 * q * r)) / 2;
      CHECK(filter.covariance()(0, 0) == doctest::Approx(expected).epsilon(1e-13));
      CHECK(filter.gain<1>({1}, {r})(0, 0) == doctest::Approx(expected / (expected + r)).epsilon(1e-13));
    }
}

TEST_CASE("NIS is chi-square on data from the model, and the state's error is what P says") {
  // Over independent steps the sum of NIS is chi-square with as many degrees as observations: mean d,
  // variance 2 d. The 95 % quantile of chi-square(2) is -2 ln 0.05. Five standard deviations each.
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 5);
  const Matrix<double, 2, 2> F{{0.9, 0.4}, {-0.2, 0.8}}, Q{{0.3, 0.1}, {0.1, 0.2}}, H{{1, 0}, {1, 2}},
      R{{0.5, 0.2}, {0.2, 0.4}};
  const auto Q_root = fedval::linalg::cholesky(Q)->lower(), R_root = fedval::linalg::cholesky(R)->lower();
  const auto white = [&] { return Vector<double, 2>{stream.normal(), stream.normal()}; };
  Filter<double, 2> filter({0.0, 0.0}, {{1, 0}, {0, 1}});
  Vector<double, 2> truth = white();
  double nis = 0, degrees = 0, above = 0, pairs = 0, nees = 0;
  constexpr int steps = 20000;
  for (int t = 0; t < steps; ++t) {
    truth = F * truth + Q_root * white();
    filter.predict(F, Q);
    const std::array<bool, 2> there{stream.uniform() < 0.8, stream.uniform() < 0.8};
    const auto update = filter.update<2>(H * truth + R_root * white(), H, R, there);
    nis += update.nis;
    degrees += static_cast<double>(update.observed);
    if (update.observed == 2) {
      ++pairs;
      above += update.nis > -2 * std::log(0.05);
    }
    const auto error = fedval::linalg::cholesky(filter.covariance())->solve_lower(filter.state() - truth);
    nees += (transpose(error) * error)(0, 0);
  }
  CHECK(std::abs(nis - degrees) <= 5 * std::sqrt(2 * degrees));
  CHECK(std::abs(above - 0.05 * pairs) <= 5 * std::sqrt(0.05 * 0.95 * pairs));
  // The state's errors follow each other (F - K H F < 0.9): up to (1 + .9) / (1 - .9) = 19 times the
  // variance.
  CHECK(std::abs(nees - 2.0 * steps) <= 5 * std::sqrt(19 * 4.0 * steps));
}

TEST_CASE("a known input moves the state and nothing else") {
  Filter<double, 2> with({1.0, 2.0}, {{1, 0}, {0, 1}}), without = with;
  const Matrix<double, 2, 2> F{{1, 0.5}, {0, 1}}, Q{{0.5, 0}, {0, 0.25}};
  with.predict<1>(F, Q, {0.125, 0.5}, {2});
  without.predict(F, Q);
  CHECK(with.covariance() == without.covariance());
  CHECK(with.state() == without.state() + Vector<double, 2>{0.25, 1});
}

TEST_CASE("a filter made from another's state goes on exactly as that one") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 6);
  const System system = random_system(stream, 3, 2, 10, 0.2);
  Filter<double> one(narrow<double, dynamic, 1>(system.x), narrow<double>(system.P));
  for (const Step& step : system.steps) {
    Filter<double> other(one.state(), one.covariance());
    for (Filter<double>* filter : {&one, &other}) {
      filter->predict(narrow<double>(step.F), narrow<double>(step.Q));
      filter->predict(narrow<double>(step.Q));
      filter->update(narrow<double, dynamic, 1>(step.z), narrow<double>(step.H), narrow<double>(step.R),
                     step.observed);
    }
    CHECK(one.state() == other.state());
    CHECK(one.covariance() == other.covariance());
  }
}

TEST_CASE("a state known exactly stays known: variances do not fall below zero") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 7);
  for (int i = 0; i < 50; ++i) {
    Filter<double> filter(Vector<double>(3, 1), narrow<double>(random_system(stream, 3, 1, 0, 0).P));
    for (int k = 0; k < 3; ++k)
      filter.update(Vector<double>(1, 1), narrow<double>(eighths(stream, 1, 3) + Wide::Ones(1, 3) / 16),
                    {{0}});
    for (std::size_t j = 0; j < 3; ++j) {
      CHECK(filter.covariance()(j, j) >= 0);
      CHECK(filter.covariance()(j, j) <= 1e-9);
    }
    CHECK_NOTHROW(Filter<double>(filter.state(), filter.covariance()));
  }
}

TEST_CASE("an error names what is wrong and leaves the belief as it was") {
  const double nan = std::nan(""), infinity = INFINITY, huge = std::numeric_limits<double>::max();
  const Vector<double> x{1, 2};
  const Matrix<double> P{{2, 1}, {1, 3}}, I{{1, 0}, {0, 1}}, F{{1, 1}, {0, 1}}, H{{1, 0}, {1, 1}},
      K{{1, 0}, {0, 1}};
  Filter<double> filter(x, P);
  const auto complaint = [&](auto&& action) {
    const std::string message = complaint_of(action);
    CHECK(filter.state() == x);
    CHECK(filter.covariance() == P);
    return message;
  };
  CHECK(complaint([&] { filter.predict(F, {{1, 0}, {0, nan}}); }) == "Q[1, 1] is NaN");
  CHECK(complaint([&] { filter.predict({{1, infinity}, {0, 1}}, I); }) == "F[0, 1] is infinite");
  CHECK(complaint([&] {
          filter.predict({{1, 2}, {0, 1}});
        }) == "Q is not symmetric: Q[0, 1] and Q[1, 0] differ");
  CHECK(complaint([&] { filter.predict({{1, 0}, {0, -1}}); }) == "Q[1, 1], a variance, is negative");
  CHECK(complaint([&] { filter.predict(F, {{1}}); }) == "Q is 1 x 1, expected 2 x 2");
  CHECK(complaint([&] { filter.predict({{1, 1}}, I); }) == "F is 1 x 2, expected 2 x 2");
  CHECK(complaint([&] { filter.predict(F, I, {{1}, {nan}}, {1}); }) == "B[1, 0] is NaN");
  CHECK(complaint([&] { filter.predict(F, I, {{1}, {1}}, {nan}); }) == "u[0] is NaN");
  CHECK(complaint([&] { filter.predict(F, I, {{1}, {1}}, {1, 2}); }) == "B is 2 x 1, expected 2 x 2");
  CHECK(complaint([&] { filter.predict(huge * I, I); }) == "x+[1] is infinite");
  CHECK(complaint([&] { filter.predict(1e160 * I, I); }) == "P+[0, 0] is infinite");
  CHECK(complaint([&] { filter.update({1, nan}, H, I); }) == "z[1] is NaN");
  CHECK(complaint([&] { filter.update({1, 1}, {{1, 0}, {-infinity, 1}}, I); }) == "H[1, 0] is -infinite");
  CHECK(complaint([&] { filter.update({1, 1}, H, {{1, 0}, {nan, 1}}); }) == "R[1, 0] is NaN");
  CHECK(complaint([&] { filter.update({1, 1}, H, {{1, nan}, {0, 1}}); }) == "R[0, 1] is NaN");
  CHECK(complaint([&] {
          filter.update({1, 1}, H, {{1, 1}, {0, 1}});
        }) == "R is not symmetric: R[0, 1] and R[1, 0] differ");
  CHECK(complaint([&] {
          filter.update({1, 1}, {{1, 0}, {1, 0}}, {{0, 0}, {0, 0}});
        }) == "the innovation covariance S = H P H^T + R is not positive definite");
  CHECK(complaint([&] { filter.update({1, 1}, 1e160 * H, I); }) == "S[0, 0] is infinite");
  CHECK(complaint([&] { filter.update({1}, H, I); }) == "H is 2 x 2, expected 1 x 2");
  CHECK(complaint([&] { filter.update({1}, {{1, 0}}, I); }) == "R is 2 x 2, expected 1 x 1");
  CHECK(complaint([&] { filter.update({1, 1}, {{1}, {1}}, I); }) == "H is 2 x 1, expected 2 x 2");
  CHECK(complaint([&] {
          filter.update({1, 1}, H, I, {true});
        }) == "the mask has 1 entries for 2 observations");
  CHECK(complaint([&] { filter.update({nan, nan}, H, I, {false, true}); }) == "z[1] is NaN");
  CHECK(complaint([&] { (void)filter.gain({{nan, 1}}, {{1}}); }) == "H[0, 0] is NaN");
  CHECK(complaint([&] {
          (void)filter.gain({{0, 0}}, {{0}});
        }) == "the innovation covariance S = H P H^T + R is not positive definite");
  CHECK(complaint([&] { filter.correct({{1, nan}, {0, 1}}, {1, 1}, H, I); }) == "K[0, 1] is NaN");
  CHECK(complaint([&] { filter.correct({{1}, {0}}, {1, 1}, H, I); }) == "K is 2 x 1, expected 2 x 2");
  CHECK(complaint([&] { filter.correct(1e160 * K, {1, 1}, H, I); }) == "P+[0, 0] is infinite");
  CHECK(complaint([&] { Filter<double>({nan, 1}, I); }) == "x[0] is NaN");
  CHECK(complaint([&] { Filter<double>({1, 1, 1}, I); }) == "P is 2 x 2, expected 3 x 3");
  CHECK(complaint([&] {
          Filter<double>({1, 1}, {{1, 0.5}, {0, 1}});
        }) == "P is not symmetric: P[0, 1] and P[1, 0] differ");
  CHECK(complaint([&] { Filter<double>({1, 1}, {{-1, 0}, {0, 1}}); }) == "P[0, 0], a variance, is negative");
  // Rounding is no misuse.
  const Filter<double> rounded({1, 1}, {{1, 0.1}, {0.1 + 0x1p-55, 1}});
  CHECK(rounded.covariance()(0, 1) == rounded.covariance()(1, 0));
}
