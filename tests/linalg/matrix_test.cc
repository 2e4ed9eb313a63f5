#include "fedval/linalg/matrix.hpp"

#include <doctest/doctest.h>

#include <Eigen/Cholesky>
#include <numeric>

#include "fedval/linalg/solve.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using fedval::linalg::cholesky;
using fedval::linalg::dynamic;
using fedval::linalg::identity;
using fedval::linalg::Matrix;
using fedval::linalg::solve;
using fedval::linalg::symmetric;
using fedval::linalg::trace;
using fedval::linalg::transpose;
using fedval::linalg::Vector;
using fedval::tests::complaint_of;

namespace {

constexpr std::uint64_t seed = 71;
using Wide = Eigen::Matrix<long double, Eigen::Dynamic, Eigen::Dynamic>;

template <class A, class B>
concept Addable = requires(const A& a, const B& b) {
  a + b;
};
template <class A, class B>
concept Multipliable = requires(const A& a, const B& b) {
  a* b;
};
template <class A>
concept HasTrace = requires(const A& a) {
  trace(a);
};
template <class A, class B>
concept Solvable = requires(const A& a, const B& b) {
  solve(a, b);
};

// A mismatch of fixed extents does not compile.
static_assert(Addable<Matrix<double, 2, 3>, Matrix<double, 2, 3>>);
static_assert(Addable<Matrix<double, 2, 3>, Matrix<double>>);
static_assert(Addable<Matrix<double, 2, dynamic>, Matrix<double, dynamic, 3>>);
static_assert(!Addable<Matrix<double, 2, 3>, Matrix<double, 3, 2>>);
static_assert(!Addable<Matrix<double, 2, dynamic>, Matrix<double, 3, dynamic>>);
static_assert(!Addable<Matrix<double, 2, 2>, Matrix<float, 2, 2>>);
static_assert(Multipliable<Matrix<double, 2, 3>, Matrix<double, 3, 2>>);
static_assert(!Multipliable<Matrix<double, 2, 3>, Matrix<double, 2, 3>>);
static_assert(HasTrace<Matrix<double, 2, 2>> && !HasTrace<Matrix<double, 2, 3>>);
static_assert(Solvable<Matrix<double, 2, 2>, Vector<double, 2>>);
static_assert(!Solvable<Matrix<double, 2, 2>, Vector<double, 3>>);
static_assert(!std::is_constructible_v<Matrix<double, 2, 2>, Matrix<double, 3, 3>>);
// What is known of an extent is kept, and fixed matrices are their entries and nothing else.
static_assert(
    std::is_same_v<decltype(Matrix<double, 2, 3>() * Matrix<double>()), Matrix<double, 2, dynamic>>);
static_assert(std::is_same_v<decltype(Matrix<double, dynamic, 3>() + Matrix<double, 2, dynamic>()),
                             Matrix<double, 2, 3>>);
static_assert(sizeof(Matrix<float, 3, 5>) == 15 * sizeof(float));
static_assert(std::is_trivially_copyable_v<Matrix<double, 2, 2>>);

template <std::size_t R = dynamic, std::size_t C = dynamic>
Matrix<double, R, C> gaussian(fedval::random::Stream& stream, std::size_t rows, std::size_t columns) {
  Matrix<double, R, C> matrix(rows, columns);
  for (double& value : matrix.values()) value = stream.normal();
  return matrix;
}

template <std::size_t R, std::size_t C>
Wide wide(const Matrix<double, R, C>& a) {
  Wide result(static_cast<Eigen::Index>(a.rows()), static_cast<Eigen::Index>(a.columns()));
  for (std::size_t i = 0; i < a.rows(); ++i)
    for (std::size_t j = 0; j < a.columns(); ++j)
      result(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = a(i, j);
  return result;
}

/// Whether |found - expected| <= factor u |.| entry by entry.
bool within(const Wide& found, const Wide& expected, const Wide& size, double factor) {
  return ((found - expected).cwiseAbs() - static_cast<long double>(factor * 0x1p-53) * size).maxCoeff() <= 0;
}

/// An exact fraction: a scalar of the user's, without std::numeric_limits.
struct Fraction {
  long long top = 0, bottom = 1;
  Fraction() = default;
  Fraction(int value) : top(value) {}  // NOLINT(google-explicit-constructor)
  Fraction(long long t, long long b) {
    const long long divisor = std::gcd(t, b) * (b < 0 ? -1 : 1);
    top = t / divisor;
    bottom = b / divisor;
  }
  Fraction operator-() const { return {-top, bottom}; }
  Fraction& operator-=(const Fraction& o) {
    return *this = {top * o.bottom - o.top * bottom, bottom * o.bottom};
  }
  Fraction& operator+=(const Fraction& o) { return *this -= -o; }
  friend Fraction operator*(const Fraction& a, const Fraction& b) {
    return {a.top * b.top, a.bottom * b.bottom};
  }
  friend Fraction operator/(const Fraction& a, const Fraction& b) {
    return {a.top * b.bottom, a.bottom * b.top};
  }
  friend bool operator==(const Fraction&, const Fraction&) = default;
  friend bool operator<(const Fraction& a, const Fraction& b) { return a.top * b.bottom < b.top * a.bottom; }
  friend bool operator>(const Fraction& a, const Fraction& b) { return b < a; }
};

Matrix<Fraction> hilbert(int n) {
  Matrix<Fraction> result(static_cast<std::size_t>(n), static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j)
      result(static_cast<std::size_t>(i), static_cast<std::size_t>(j)) = Fraction(1, i + j + 1);
  return result;
}

}  // namespace

TEST_CASE("making and reading a matrix") {
  const Matrix<double> a{{1, 2, 3}, {4, 5, 6}};
  CHECK(a.rows() == 2);
  CHECK(a.columns() == 3);
  CHECK(a(1, 0) == 4);
  CHECK(a == Matrix<double>(2, 3, std::vector<double>{1, 2, 3, 4, 5, 6}));
  CHECK(a != Matrix<double>{{1, 2, 3}, {4, 5, 7}});
  CHECK(a.row(1)[2] == 6);
  const Vector<double, 3> v{1, 2, 3};
  CHECK(v[2] == 3);
  CHECK(transpose(v)[1] == 2);
  CHECK(Vector<double>{7}.rows() == 1);
  CHECK(Matrix<double, 2, 2>() == Matrix<double, 2, 2>{{0, 0}, {0, 0}});
  CHECK(Matrix<double>().rows() == 0);
  CHECK(Matrix<double, dynamic, 4>().columns() == 4);
  CHECK(Matrix<double>(0, 3).columns() == 3);
  const Matrix<double, 2, 3> fixed = a;
  CHECK(Matrix<double>(fixed) == a);
  CHECK(identity<double>(2) == Matrix<double>{{1, 0}, {0, 1}});
  CHECK(identity<double, 2>() == Matrix<double, 2, 2>{{1, 0}, {0, 1}});
  CHECK(trace(Matrix<double>{{1, 2}, {4, 8}}) == 9);
  CHECK(symmetric(Matrix<double>{{1, 2}, {4, 8}}) == Matrix<double>{{1, 3}, {3, 8}});
  const double huge = std::numeric_limits<double>::max();
  CHECK(symmetric(Matrix<double>{{huge, huge}, {huge, 1}}) == Matrix<double>{{huge, huge}, {huge, 1}});
}

TEST_CASE("arithmetic is Eigen's in long double, within the rounding of a sum of products") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed);
  for (const std::size_t n : {1, 2, 5, 17})
    for (const std::size_t m : {1, 3, 8}) {
      CAPTURE(n);
      CAPTURE(m);
      const auto a = gaussian(stream, n, m), b = gaussian(stream, m, n + 1), c = gaussian(stream, n, m);
      const Wide size = wide(a).cwiseAbs() * wide(b).cwiseAbs();
      CHECK(within(wide(a * b), wide(a) * wide(b), size, static_cast<double>(m)));
      CHECK(within(wide(a + c), wide(a) + wide(c), wide(a).cwiseAbs() + wide(c).cwiseAbs(), 1));
      CHECK(within(wide(a - c), wide(a) - wide(c), wide(a).cwiseAbs() + wide(c).cwiseAbs(), 1));
      CHECK(within(wide(3 * a), 3 * wide(a), 3 * wide(a).cwiseAbs(), 1));
      CHECK(wide(transpose(a)) == wide(a).transpose());
      CHECK((identity<double>(n) * a) == a);
    }
  const auto a = gaussian<2, 3>(stream, 2, 3);
  const auto b = gaussian<3, 2>(stream, 3, 2);
  CHECK(within(wide(a * b), wide(a) * wide(b), wide(a).cwiseAbs() * wide(b).cwiseAbs(), 3));
  CHECK(within(wide(Matrix<double>(a) * b), wide(a * b), wide(a).cwiseAbs() * wide(b).cwiseAbs(), 6));
}

TEST_CASE("Cholesky: factor, solution and log-determinant") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 1);
  for (const std::size_t n : {1, 2, 3, 10, 40})
    for (const double grade : {0.0, 1.0, 20.0}) {
      CAPTURE(n);
      CAPTURE(grade);
      auto g = gaussian(stream, n, 2 * n);
      for (std::size_t i = 0; i < n; ++i)  // the scale of a variable does not matter
        for (double& value : g.row(i)) value *= std::pow(10.0, grade * static_cast<double>(i % 5));
      const auto a = symmetric(g * transpose(g));
      const auto factor = cholesky(a);
      REQUIRE(factor);
      // Higham, theorem 10.3: |A - L L^T| <= (n + 1) u |L| |L^T|, twice for its higher orders and the oracle.
      const Wide lower = wide(factor->lower()), size = lower.cwiseAbs() * lower.cwiseAbs().transpose();
      const double order = static_cast<double>(2 * (n + 1));
      CHECK(within(lower * lower.transpose(), wide(a), size, order));
      CHECK(wide(factor->lower()).isLowerTriangular());
      // Theorem 10.4: |b - A x| <= (3 n + 1) u |L| |L^T| |x|.
      const auto b = gaussian(stream, n, 3);
      const Wide x = wide(factor->solve(b));
      CHECK(within(wide(a) * x, wide(b), size * x.cwiseAbs(), 3 * order));
      const Wide y = wide(factor->solve_lower(b));
      CHECK(within(lower * y, wide(b), lower.cwiseAbs() * y.cwiseAbs(), order));
      const Wide z = wide(factor->solve_upper(b));
      CHECK(within(lower.transpose() * z, wide(b), lower.cwiseAbs().transpose() * z.cwiseAbs(), order));
      // A relative change of the entries by (n + 1) u moves ln det by n (n + 1) u cond at most, with the
      // condition number once the variables have one scale: near 34 for many variables and 2 n draws, below
      // 100 here.
      const long double expected = Eigen::LDLT<Wide>(wide(a)).vectorD().array().log().sum();
      const double bound =
          static_cast<double>(n) * order * 0x1p-53 * (100 + std::abs(static_cast<double>(expected)));
      CHECK(std::abs(static_cast<double>(factor->log_determinant() - expected)) <= bound);
    }
  const auto large = cholesky(Matrix<double, 2, 2>{{1e300, 0}, {0, 1e300}});
  CHECK(large->log_determinant() == doctest::Approx(600 * std::log(10.0)).epsilon(1e-15));
  CHECK(cholesky(Matrix<double>())->log_determinant() == 0);
}

TEST_CASE("Cholesky reads the lower triangle and refuses what is not positive definite beyond rounding") {
  const double nan = std::nan("");
  CHECK(cholesky(Matrix<double>{{4, nan}, {2, 5}})->lower() == Matrix<double>{{2, 0}, {1, 2}});
  CHECK(!cholesky(Matrix<double>{{0}}));
  CHECK(!cholesky(Matrix<double>{{-1}}));
  CHECK(!cholesky(Matrix<double>{{nan}}));
  CHECK(!cholesky(Matrix<double>{{INFINITY}}));
  CHECK(!cholesky(Matrix<double>{{1, 2}, {2, 1}}));
  CHECK(!cholesky(Matrix<double>{{1, 1}, {1, 1 + 0x1p-52}}));  // a unit in the last place from singular
  CHECK(cholesky(Matrix<double>{{1, 1}, {1, 1 + 0x1p-50}}));
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 2);
  for (const std::size_t n : {2, 5, 20})
    for (int i = 0; i < 20; ++i) {
      auto g = gaussian(stream, n, 4 * n);
      for (std::size_t j = 0; j < 4 * n; ++j) g(n - 1, j) = -2 * g(0, j);
      CHECK(!cholesky(symmetric(g * transpose(g))));  // singular, but for the rounding of g g^T
    }
}

TEST_CASE("solve: residuals, scale, and singular matrices") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 3);
  for (const std::size_t n : {1, 2, 3, 10, 40})
    for (int i = 0; i < 5; ++i) {
      CAPTURE(n);
      const auto a = gaussian(stream, n, n), b = gaussian(stream, n, 2);
      const auto found = solve(a, b);
      REQUIRE(found);
      // Higham, theorem 9.4: |b - A x| <= 3 n u |L| |U| |x|, |L_ij| <= 1, |U_ij| <= growth max |A|, where the
      // growth of a Gaussian matrix is below n.
      const Wide x = wide(*found),
                 size = Wide::Constant(wide(a).rows(), wide(a).cols(), wide(a).cwiseAbs().maxCoeff());
      CHECK(within(wide(a) * x, wide(b), size * x.cwiseAbs(), static_cast<double>(3 * n * n * n)));
      if (n == 1) continue;
      auto twins = a;  // twice another row: the same numbers at every step
      for (std::size_t j = 0; j < n; ++j) twins(1, j) = 2 * twins(0, j);
      CHECK(!solve(twins, b));
      CHECK(!solve(transpose(twins), b));
    }
  // Far from singular, whatever a condition number says.
  const double t = 1e9;
  const Matrix<double, 3, 3> motion{{1, t, t * t / 2}, {0, 1, t}, {0, 0, 1}};
  CHECK(*solve(motion, identity<double, 3>()) ==
        Matrix<double, 3, 3>{{1, -t, t * t / 2}, {0, 1, -t}, {0, 0, 1}});
  CHECK(*solve(Matrix<double>{{0, 1e-200}, {1e200, 0}}, Vector<double>{1, 1}) ==
        Vector<double>{1e-200, 1e200});
  CHECK(!solve(Matrix<double>{{0.1, 0.3}, {0.2, 0.6}}, Vector<double>{1, 1}));
  CHECK(!solve(Matrix<double>{{0.1, 0.2, 0.3}, {0.4, 0.5, 0.6}, {0.7, 0.8, 0.9}}, Vector<double>{1, 1, 1}));
  CHECK(!solve(Matrix<double>{{0}}, Vector<double>{1}));
  CHECK(!solve(Matrix<double>{{std::nan("")}}, Vector<double>{1}));
}

TEST_CASE("a scalar of the user's: exact fractions invert Hilbert's matrix") {
  const auto inverse = solve(hilbert(5), identity<Fraction>(5));
  REQUIRE(inverse);
  CHECK(*inverse == Matrix<Fraction>{{25, -300, 1050, -1400, 630},
                                     {-300, 4800, -18900, 26880, -12600},
                                     {1050, -18900, 79380, -117600, 56700},
                                     {-1400, 26880, -117600, 179200, -88200},
                                     {630, -12600, 56700, -88200, 44100}});
  CHECK(hilbert(5) * *inverse == identity<Fraction>(5));
  CHECK(!solve(Matrix<Fraction>{{1, 2}, {2, 4}}, identity<Fraction>(2)));
}

TEST_CASE("misuse is an error") {
  const Matrix<double> a(2, 3), b(3, 3);
  CHECK(complaint_of([&] { a + b; }) == "cannot add 2 x 3 and 3 x 3");
  CHECK(complaint_of([&] { a - b; }) == "cannot subtract 2 x 3 and 3 x 3");
  CHECK(complaint_of([&] { a* a; }) == "cannot multiply 2 x 3 and 2 x 3");
  CHECK(complaint_of([&] { trace(a); }) == "trace of a 2 x 3 matrix");
  CHECK(complaint_of([&] { symmetric(a); }) == "the symmetric part of a 2 x 3 matrix");
  CHECK(complaint_of([&] { (void)cholesky(a); }) == "Cholesky factor of a 2 x 3 matrix");
  CHECK(complaint_of([&] { (void)solve(a, b); }) == "solution of a 2 x 3 matrix");
  CHECK(complaint_of([&] { (void)solve(b, a); }) == "a right-hand side of 2 rows for a system of 3");
  CHECK(complaint_of([&] { (void)cholesky(identity<double>(2))->solve(b); }) ==
        "a right-hand side of 3 rows for a system of 2");
  CHECK(complaint_of([&] { Matrix<double, 2, 2>{a}; }) == "a 2 x 2 matrix cannot be 2 x 3");
  CHECK(complaint_of([&] { Matrix<double, 3, dynamic>{a}; }) == "a matrix of 3 rows cannot have 2");
  CHECK(complaint_of([&] { Matrix<double, dynamic, 2>{a}; }) == "a matrix of 2 columns cannot have 3");
  CHECK(complaint_of([&] { Vector<double, 2>{1, 2, 3}; }) == "a 2 x 1 matrix cannot be 3 x 1");
  CHECK(complaint_of([&] { Matrix<double>{{1, 2}, {3}}; }) == "row 1 has 1 entries, row 0 has 2");
  CHECK(complaint_of([&] { Matrix<double>(2, 2, std::vector<double>(3)); }) ==
        "3 entries for a 2 x 2 matrix");
}
