#include "fedval/linalg/golub_welsch.hpp"

#include <doctest/doctest.h>

#include <Eigen/Eigenvalues>
#include <functional>
#include <numbers>
#include <numeric>

#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval::linalg;
using fedval::tests::complaint_of;
using fedval::tests::Values;
using std::numbers::pi;

namespace {

constexpr std::uint64_t seed = 76;
constexpr double unit = 0x1p-53;

struct Jacobi {
  Values diagonal, off;
};

/// Entry j of the diagonal, and of what is beside it, by their formulas.
Jacobi jacobi(std::size_t k, const std::function<double(double)>& diagonal,
              const std::function<double(double)>& off) {
  Jacobi result;
  for (std::size_t j = 0; j < k; ++j) {
    result.diagonal.push_back(diagonal(static_cast<double>(j)));
    result.off.push_back(off(static_cast<double>(j + 1)));
  }
  return result;
}

double zero(double) { return 0; }
Jacobi legendre(std::size_t k) {
  return jacobi(k, zero, [](double j) { return j / std::sqrt(4 * j * j - 1); });
}
Jacobi hermite(std::size_t k) {  // of the normal law
  return jacobi(k, zero, [](double j) { return std::sqrt(j); });
}
Jacobi laguerre(std::size_t k) {  // of exp(-x)
  return jacobi(
      k, [](double j) { return 2 * j + 1; }, [](double j) { return j; });
}
Jacobi chebyshev(std::size_t k) {  // of 1 / sqrt(1 - x^2)
  return jacobi(k, zero, [](double j) { return j == 1 ? std::sqrt(0.5) : 0.5; });
}

/// By ascending nodes.
std::vector<std::pair<double, double>> sorted(const QuadratureRule& rule) {
  REQUIRE(rule.nodes.size() == rule.weights.size());
  std::vector<std::pair<double, double>> result;
  for (std::size_t i = 0; i < rule.nodes.size(); ++i) result.emplace_back(rule.nodes[i], rule.weights[i]);
  std::sort(result.begin(), result.end());
  return result;
}

/// QL is backward stable: the nodes are those of J + E, ||E|| <= 8 k u ||J||, and an eigenvector turns by
/// that over the gap.
void check_rule(const QuadratureRule& rule, std::vector<std::pair<double, double>> expected) {
  const auto found = sorted(rule);
  REQUIRE(found.size() == expected.size());
  std::sort(expected.begin(), expected.end());
  const double norm = std::max({1.0, std::abs(expected.front().first), std::abs(expected.back().first)});
  const double rounding = 8 * static_cast<double>(found.size()) * unit * norm;
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    double gap = 2 * norm;
    if (i > 0) gap = std::min(gap, expected[i].first - expected[i - 1].first);
    if (i + 1 < found.size()) gap = std::min(gap, expected[i + 1].first - expected[i].first);
    CHECK(std::abs(found[i].first - expected[i].first) <= rounding);
    CHECK(std::abs(found[i].second - expected[i].second) <=
          2 * std::sqrt(expected[i].second) * rounding / gap + 4 * unit);
  }
}

QuadratureRule gauss(const Jacobi& j) { return gauss_rule(j.diagonal, j.off); }

/// Largest absolute node, the norm of J.
double norm_of(const QuadratureRule& rule) {
  double norm = 0;
  for (const double node : rule.nodes) norm = std::max(norm, std::abs(node));
  return norm;
}

/// How far sum w x^m may be from its value: m ||J||^(m-1) ||E||, and the sum's own rounding.
double moment_bound(const QuadratureRule& rule, int m) {
  return 8 * static_cast<double>(rule.nodes.size()) * (m + 1) * unit * std::pow(norm_of(rule), m);
}

double moment(const QuadratureRule& rule, int m) {
  return rule([&](double x) { return std::pow(x, m); });
}

}  // namespace

TEST_CASE("few nodes: the textbook's Legendre, Hermite and Laguerre rules") {
  const auto root = [](double x) { return std::sqrt(x); };
  check_rule(gauss(legendre(1)), {{0, 1}});
  check_rule(gauss(legendre(2)), {{-root(1 / 3.), .5}, {root(1 / 3.), .5}});
  check_rule(gauss(legendre(3)), {{-root(.6), 5 / 18.}, {0, 8 / 18.}, {root(.6), 5 / 18.}});
  const double near4 = root(3 / 7. - 2 / 7. * root(1.2)), far4 = root(3 / 7. + 2 / 7. * root(1.2));
  check_rule(gauss(legendre(4)), {{-near4, (18 + root(30)) / 72},
                                  {near4, (18 + root(30)) / 72},
                                  {-far4, (18 - root(30)) / 72},
                                  {far4, (18 - root(30)) / 72}});
  const double near5 = root(5 - 2 * root(10 / 7.)) / 3, far5 = root(5 + 2 * root(10 / 7.)) / 3;
  check_rule(gauss(legendre(5)), {{0, 64 / 225.},
                                  {-near5, (322 + 13 * root(70)) / 1800},
                                  {near5, (322 + 13 * root(70)) / 1800},
                                  {-far5, (322 - 13 * root(70)) / 1800},
                                  {far5, (322 - 13 * root(70)) / 1800}});
  check_rule(gauss(hermite(2)), {{-1, .5}, {1, .5}});
  check_rule(gauss(hermite(3)), {{-root(3), 1 / 6.}, {0, 2 / 3.}, {root(3), 1 / 6.}});
  check_rule(gauss(hermite(4)), {{-root(3 - root(6)), (3 + root(6)) / 12},
                                 {root(3 - root(6)), (3 + root(6)) / 12},
                                 {-root(3 + root(6)), (3 - root(6)) / 12},
                                 {root(3 + root(6)), (3 - root(6)) / 12}});
  check_rule(gauss(laguerre(1)), {{1, 1}});
  check_rule(gauss(laguerre(2)), {{2 - root(2), (2 + root(2)) / 4}, {2 + root(2), (2 - root(2)) / 4}});
}

TEST_CASE("any number of nodes: Chebyshev's rules of both kinds, and Radau's") {
  for (const std::size_t k : {1, 2, 3, 7, 30, 100}) {
    CAPTURE(k);
    const auto n = static_cast<double>(k);
    std::vector<std::pair<double, double>> first, second, radau{{-1, 1 / (2 * n + 1)}};
    for (double i = 1; i <= n; ++i) {
      first.emplace_back(std::cos((2 * i - 1) * pi / (2 * n)), 1 / n);
      const double angle = i * pi / (n + 1);
      second.emplace_back(std::cos(angle), 2 / (n + 1) * std::sin(angle) * std::sin(angle));
      radau.emplace_back(-std::cos(2 * i * pi / (2 * n + 1)), 2 / (2 * n + 1));
    }
    check_rule(gauss(chebyshev(k)), first);
    check_rule(gauss_rule(Values(k, 0.0), Values(k, 0.5)), second);
    const auto found = radau_rule(chebyshev(k).diagonal, chebyshev(k).off, -1);
    REQUIRE(found.has_value());
    check_rule(*found, radau);
  }
}

TEST_CASE("few nodes: the textbook's Legendre-Radau rules") {
  const double root = std::sqrt(6);
  check_rule(radau_rule(legendre(1).diagonal, legendre(1).off, -1).value(), {{-1, 1 / 4.}, {1 / 3., 3 / 4.}});
  check_rule(radau_rule(legendre(2).diagonal, legendre(2).off, -1).value(),
             {{-1, 1 / 9.}, {(1 - root) / 5, (16 + root) / 36}, {(1 + root) / 5, (16 - root) / 36}});
}

TEST_CASE("the first moment that Gauss misses lacks the square of the orthogonal polynomial") {
  const auto factorial = [](int m) { return std::tgamma(m + 1.0); };
  const auto odd = [](int m) { return m % 2 != 0; };
  const auto of_legendre = [&](int m) { return odd(m) ? 0 : 1 / (m + 1.0); };
  const auto of_hermite = [&](int m) {
    return odd(m) ? 0 : factorial(m) / std::ldexp(factorial(m / 2), m / 2);
  };
  const auto check = [](const Jacobi& j, const std::function<double(int)>& moments) {
    const QuadratureRule rule = gauss(j);
    const int k = static_cast<int>(j.diagonal.size());
    for (int m = 0; m < 2 * k; ++m) {
      CAPTURE(m);
      CHECK(std::abs(moment(rule, m) - moments(m)) <= moment_bound(rule, m));
    }
    double square = 1;  // of x^k + ..., the product of what is beside the diagonal
    for (const double beta : j.off) square *= beta * beta;
    CHECK(std::abs(moments(2 * k) - moment(rule, 2 * k) - square) <=
          moment_bound(rule, 2 * k) + 4 * k * unit * square);
    CHECK(square > 20 * moment_bound(rule, 2 * k));  // or nothing was shown
  };
  for (const std::size_t k : {1, 2, 3, 5}) {
    CAPTURE(k);
    check(legendre(k), of_legendre);
    check(hermite(k), of_hermite);
    check(laguerre(k), factorial);
    // Radau's at 0 lacks that of x exp(-x): k! (k + 1)!.
    const int n = static_cast<int>(k);
    const QuadratureRule radau = radau_rule(laguerre(k).diagonal, laguerre(k).off, 0).value();
    for (int m = 0; m <= 2 * n; ++m)
      CHECK(std::abs(moment(radau, m) - factorial(m)) <= moment_bound(radau, m));
    const double square = factorial(n) * factorial(n + 1);
    CHECK(std::abs(factorial(2 * n + 1) - moment(radau, 2 * n + 1) - square) <=
          moment_bound(radau, 2 * n + 1));
    CHECK(square > 20 * moment_bound(radau, 2 * n + 1));
  }
}

TEST_CASE("where derivatives alternate in sign, Gauss is below and Radau above, ever closer") {
  // Of exp(-x) on exp(-x): 1/2. Of 1 / (2 + x) on Legendre's [-1, 1] / 2: ln 3 / 2.
  const auto check = [](const auto& family, double node, double expected, auto&& f) {
    double below = -1, above = 2;
    for (std::size_t k = 1; k <= 8; ++k) {
      CAPTURE(k);
      const Jacobi j = family(k);
      const double low = gauss(j)(f), high = radau_rule(j.diagonal, j.off, node).value()(f);
      CHECK(low > below);
      CHECK(low < expected);
      CHECK(high > expected);
      CHECK(high < above);
      below = low;
      above = high;
    }
    CHECK(above - below < 0.01);
  };
  for (const double node : {0.0, -0.5}) check(laguerre, node, 0.5, [](double x) { return std::exp(-x); });
  for (const double node : {-1.0, -1.5})
    check(legendre, node, std::log(3) / 2, [](double x) { return 1 / (2 + x); });
}

TEST_CASE("moments are the first entry of J^m, whatever J couples") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed);
  for (const std::size_t k : {1, 2, 3, 6, 15, 21})
    for (int i = 0; i < 20; ++i) {
      CAPTURE(k);
      CAPTURE(i);
      Jacobi j{fedval::tests::normals(stream, k), fedval::tests::normals(stream, k)};  // of either sign
      if (i % 4 == 1) j.off[stream.below(k)] = 0;
      if (i % 4 == 2)
        for (double& beta : j.off) beta *= std::pow(10, -100.0 * static_cast<double>(stream.below(4)));
      if (i % 4 == 3)  // Wilkinson's, whose eigenvalues come in pairs that double cannot tell apart
        for (std::size_t l = 0; l < k; ++l) {
          j.diagonal[l] = std::abs(static_cast<double>(l) - static_cast<double>(k - 1) / 2);
          j.off[l] = 1;
        }
      const QuadratureRule rule = gauss(j);
      REQUIRE(rule.nodes.size() == k);
      REQUIRE(rule.weights.size() == k);
      for (const double weight : rule.weights) CHECK(weight >= 0);
      std::vector<long double> power(k, 0);
      power[0] = 1;
      for (int m = 0; m < 2 * static_cast<int>(k) + 4; ++m) {
        CAPTURE(m);
        CHECK(std::abs(moment(rule, m) - static_cast<double>(power[0])) <= moment_bound(rule, m));
        std::vector<long double> next(k);
        for (std::size_t l = 0; l < k; ++l) {
          next[l] = j.diagonal[l] * power[l];
          if (l > 0) next[l] += j.off[l - 1] * power[l - 1];
          if (l + 1 < k) next[l] += j.off[l] * power[l + 1];
        }
        power = next;
      }
      CHECK(std::abs(std::accumulate(rule.nodes.begin(), rule.nodes.end(), 0.0) -
                     std::accumulate(j.diagonal.begin(), j.diagonal.end(), 0.0)) <=
            static_cast<double>(k) * moment_bound(rule, 1));  // the trace
    }
}

TEST_CASE("a block of tiny entries beside large ones keeps its own digits") {
  for (const double tiny : {1e-10, 1e-20, 1e-28}) {
    CAPTURE(tiny);
    const auto found = sorted(gauss_rule(Values{0, 0, 1}, Values{tiny, 0}));
    CHECK(std::abs(found[0].first / tiny + 1) <= 8 * 3 * unit);
    CHECK(std::abs(found[1].first / tiny - 1) <= 8 * 3 * unit);
    CHECK(std::abs(found[0].second - 0.5) <= 8 * 3 * unit);
    CHECK(std::abs(found[1].second - 0.5) <= 8 * 3 * unit);
  }
}

TEST_CASE("Radau's node is where it was asked for, and nowhere right of the smallest of Gauss's") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 1);
  int left = 0, right = 0;
  for (const std::size_t k : {1, 2, 4, 9, 20})
    for (int i = 0; i < 40; ++i) {
      CAPTURE(k);
      CAPTURE(i);
      const Jacobi j{fedval::tests::normals(stream, k), fedval::tests::normals(stream, k)};
      const auto n = static_cast<Eigen::Index>(k);
      Eigen::MatrixXd matrix = Eigen::MatrixXd::Zero(n, n);
      for (Eigen::Index l = 0; l < n; ++l) {
        matrix(l, l) = j.diagonal[static_cast<std::size_t>(l)];
        if (l + 1 < n) matrix(l, l + 1) = matrix(l + 1, l) = j.off[static_cast<std::size_t>(l)];
      }
      const Eigen::VectorXd eigenvalues =
          Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(matrix, Eigen::EigenvaluesOnly).eigenvalues();
      const double node = eigenvalues[0] + stream.uniform(-1, 1);  // never so near that rounding decides
      REQUIRE(std::abs(node - eigenvalues[0]) > 1e-8);
      const auto rule = radau_rule(j.diagonal, j.off, node);
      REQUIRE(rule.has_value() == (node < eigenvalues[0]));
      if (!rule) {
        ++right;
        continue;
      }
      ++left;
      const auto found = sorted(*rule);
      REQUIRE(found.size() == k + 1);
      // The pivot that makes it an eigenvalue is formed with an error of k u over its distance.
      const double near = eigenvalues[0] - node, bound = moment_bound(*rule, 1) * (1 + norm_of(*rule) / near);
      CHECK(std::abs(found[0].first - node) <= bound);
      // Exact up to degree 2 k, as J's own moments are: of degree 2 already with a single row.
      CHECK(std::abs(moment(*rule, 1) - j.diagonal[0]) <= moment_bound(*rule, 1));
      CHECK(std::abs(moment(*rule, 2) - j.diagonal[0] * j.diagonal[0] - j.off[0] * j.off[0]) <=
            moment_bound(*rule, 2));
    }
  CHECK(left > 50);
  CHECK(right > 50);
}

TEST_CASE("entries that are not finite are named, those that do not count are not read") {
  const double nan = std::nan(""), infinity = INFINITY;
  CHECK(complaint_of([&] {
          gauss_rule(Values{1, nan}, Values{1});
        }) == "gauss_rule: diagonal entry 1 is nan");
  CHECK(complaint_of([&] {
          gauss_rule(Values{1, 2, 3}, Values{1, infinity});
        }) == "gauss_rule: off-diagonal entry 1 is inf");
  CHECK(complaint_of([&] { radau_rule(Values{-infinity}, Values{1}, 0); }) ==
        "radau_rule: diagonal entry 0 is -inf");
  CHECK(complaint_of([&] {
          radau_rule(Values{1, 2}, Values{0.5, nan}, 0);
        }) == "radau_rule: off-diagonal entry 1 is nan");
  check_rule(gauss_rule(Values{0, 0}, Values{1, nan, infinity}), {{-1, .5}, {1, .5}});
  check_rule(radau_rule(Values{1}, Values{1, nan}, 0).value(), {{0, .5}, {2, .5}});
}

TEST_CASE("no Radau rule where its last entry is beyond a double") {
  CHECK_FALSE(radau_rule(Values{1}, Values{1e200}, 1 - 0x1p-53).has_value());
  CHECK(radau_rule(Values{1}, Values{1e100}, 1 - 0x1p-53).has_value());
}
