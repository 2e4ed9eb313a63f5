#include "fedval/linalg/lanczos_quadrature.hpp"

#include <doctest/doctest.h>

#include <Eigen/Eigenvalues>
#include <Eigen/QR>

#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"
#include "tests/support/threads.hpp"

using namespace fedval::linalg;
using fedval::tests::complaint_of;
using fedval::tests::Values;
using Block = Eigen::Matrix<double, Eigen::Dynamic, block_width, Eigen::RowMajor>;

namespace {

constexpr std::uint64_t seed = 71;

/// An Eigen matrix as an operator.
struct Dense {
  Eigen::MatrixXd matrix;
  std::size_t size() const { return static_cast<std::size_t>(matrix.rows()); }
  void apply(std::span<const double> in, std::span<double> out) const {
    Eigen::Map<Block>(out.data(), matrix.rows(), block_width) =
        matrix * Eigen::Map<const Block>(in.data(), matrix.rows(), block_width);
  }
};

/// diag(values): z^T f(A) z = sum z_i^2 f(values_i), which long double gives exactly enough.
struct Diagonal {
  Values values;
  std::size_t size() const { return values.size(); }
  void apply(std::span<const double> in, std::span<double> out) const {
    for (std::size_t i = 0; i < in.size(); ++i) out[i] = values[i / block_width] * in[i];
  }
};

template <class F>
double exact(const Diagonal& a, const Values& block, std::size_t column, F&& f) {
  long double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const long double z = block[i * block_width + column];
    sum += z * z * f(static_cast<long double>(a.values[i]));
  }
  return static_cast<double>(sum);
}

const auto entropy = [](auto x) { return x > 0 ? -x * std::log(x) : 0 * x; };
const auto root = [](auto x) { return std::sqrt(x); };
const auto power = [](auto x) { return x * std::sqrt(x); };  // derivatives of the other signs: +, -, +, ...

/// Eigenvalues in [0, 1] that quadrature finds easy and hard: even, graded over 12 decades, half of them 0,
/// clustered.
std::vector<Values> spectra(std::size_t n) {
  std::vector<Values> result(4, Values(n));
  for (std::size_t i = 0; i < n; ++i) {
    const double x = static_cast<double>(i + 1) / static_cast<double>(n);
    result[0][i] = x;
    result[1][i] = std::pow(10.0, -12 * x);
    result[2][i] = i % 2 == 0 ? 0.0 : x * x;
    result[3][i] = 0.5 + 1e-9 * x;
  }
  return result;
}

}  // namespace

TEST_CASE("the Gauss rule of Legendre's Jacobi matrix integrates polynomials of degree 2k - 1, Radau's 2k") {
  for (const std::size_t k : {1, 2, 5, 20, 60}) {
    CAPTURE(k);
    const Values diagonal(k, 0.0);
    Values off(k);
    for (std::size_t j = 1; j <= k; ++j)
      off[j - 1] = static_cast<double>(j) / std::sqrt(4.0 * static_cast<double>(j * j) - 1);
    const QuadratureRule gauss = gauss_rule(diagonal, off);
    const auto radau = radau_rule(diagonal, off, -1);
    REQUIRE(gauss.nodes.size() == k);
    REQUIRE(radau.has_value());
    REQUIRE(radau->nodes.size() == k + 1);
    for (std::size_t degree = 0; degree <= 2 * k; ++degree) {
      CAPTURE(degree);
      const double integral = degree % 2 == 0 ? 1 / static_cast<double>(degree + 1) : 0.0;
      const auto monomial = [&](double x) { return std::pow(x, static_cast<double>(degree)); };
      const double rounding = 1e-14 * static_cast<double>(k + degree);
      if (degree < 2 * k) CHECK(std::abs(gauss(monomial) - integral) < rounding);
      CHECK(std::abs((*radau)(monomial)-integral) < rounding);
    }
    CHECK(std::abs(*std::min_element(radau->nodes.begin(), radau->nodes.end()) + 1) < 1e-14);
  }
}

TEST_CASE("the Gauss rule holds Eigen's eigenvalues and squared first components") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed);
  for (const Eigen::Index n : {1, 2, 3, 10, 50}) {
    CAPTURE(n);
    for (int i = 0; i < 10; ++i) {
      Eigen::MatrixXd j = Eigen::MatrixXd::Zero(n, n);
      Values diagonal, off;
      for (Eigen::Index k = 0; k < n; ++k) {
        diagonal.push_back(j(k, k) = stream.normal());
        if (k + 1 < n) off.push_back(j(k, k + 1) = j(k + 1, k) = std::abs(stream.normal()));
      }
      const QuadratureRule rule = gauss_rule(diagonal, off);
      const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(j);
      // Integrals of smooth functions, which do not depend on the order of the nodes or on close ones.
      for (const double frequency : {0.0, 0.5, 1.0, 3.0}) {
        double expected = 0;
        for (Eigen::Index k = 0; k < n; ++k)
          expected +=
              std::pow(solver.eigenvectors()(0, k), 2) * std::cos(frequency * solver.eigenvalues()[k]);
        CHECK(std::abs(rule([&](double x) { return std::cos(frequency * x); }) - expected) < 1e-12);
      }
      Values nodes = rule.nodes;
      std::sort(nodes.begin(), nodes.end());
      for (Eigen::Index k = 0; k < n; ++k)
        CHECK(std::abs(nodes[static_cast<std::size_t>(k)] - solver.eigenvalues()[k]) < 1e-13 * 8);
    }
  }
}

TEST_CASE("rules that do not exist") {
  CHECK(gauss_rule({}, {}).nodes.empty());
  CHECK_FALSE(radau_rule({}, {}, 0).has_value());
  CHECK_FALSE(radau_rule(Values{1, 1}, Values{1, 0.5}, 0).has_value());  // J has the eigenvalue 0
  CHECK_FALSE(radau_rule(Values{1}, Values{0.5}, 2).has_value());        // right of the measure
  CHECK(complaint_of([] { gauss_rule(Values(3), Values(1)); }) ==
        "gauss_rule: 3 diagonal entries and 1 beside them");
  CHECK(complaint_of([] { radau_rule(Values{1}, Values{1}, std::nan("")); }) == "radau_rule: a node at nan");
  CHECK(complaint_of([] { radau_rule(Values(2), Values(1), 0); }) ==
        "radau_rule: 2 diagonal entries and 1 beside them");
}

TEST_CASE_TEMPLATE_DEFINE("brackets hold the exact value and narrow with every step", F, functions) {
  const F f{};
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 1);
  for (const std::size_t n : {5, 40, 300})
    for (std::size_t s = 0; s < 4; ++s) {
      CAPTURE(n);
      CAPTURE(s);
      const Diagonal a{spectra(n)[s]};
      const Values start = fedval::tests::normals(stream, n * block_width);
      Values width(block_width, std::numeric_limits<double>::infinity());
      for (const std::size_t steps : {1, 2, 3, 4, 7, 10, 16, 25, 50}) {
        CAPTURE(steps);
        const auto measures = lanczos_quadrature(a, start, f, {0, steps});
        for (std::size_t c = 0; c < block_width; ++c) {
          const LanczosMeasure& m = measures[c];
          const double value = exact(a, start, c, f);
          // Nodes are off by delta, a small multiple of n u; f moves by f(delta) at most where it is concave
          // and 0 at 0, by its slope (below 2) times delta elsewhere.
          const double delta = 4 * static_cast<double>(n) * 0x1p-53;
          const double rounding = m.mass * std::max(f(delta), 2 * delta);
          CHECK(m.lower <= value + rounding);
          CHECK(m.upper >= value - rounding);
          CHECK(std::abs(m.value() - value) <= m.half_width() + rounding);
          CHECK(m.half_width() <= width[c] + rounding);
          if (s == 0 && steps >= 25) CHECK(m.half_width() < 2e-3 * width[c] + rounding);
          if (steps == 1) width[c] = m.half_width();
          if (steps >= n) CHECK(m.half_width() <= rounding);
          if (m.exact) CHECK(m.half_width() == 0);
        }
      }
    }
}
struct Entropy {
  template <class T>
  T operator()(T x) const {
    return entropy(x);
  }
};
struct Root {
  template <class T>
  T operator()(T x) const {
    return root(x);
  }
};
struct Power {
  template <class T>
  T operator()(T x) const {
    return power(x);
  }
};
TEST_CASE_TEMPLATE_INVOKE(functions, Entropy, Root, Power);

TEST_CASE("a dense matrix with known eigenvectors") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 2);
  constexpr Eigen::Index n = 120;
  Eigen::MatrixXd g(n, n);
  for (double& value : g.reshaped()) value = stream.normal();
  for (const Eigen::MatrixXd& a : {Eigen::MatrixXd(g * g.transpose() / g.squaredNorm()),
                                   Eigen::MatrixXd(g.leftCols(20) * g.leftCols(20).transpose() / 2000)}) {
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(a);
    const Values start = fedval::tests::normals(stream, n * block_width);
    const auto measures = lanczos_quadrature(Dense{a}, start, entropy, {1e-6, 100});
    for (std::size_t c = 0; c < block_width; ++c) {
      const Eigen::VectorXd along =
          solver.eigenvectors().transpose() *
          Eigen::Map<const Block>(start.data(), n, block_width).col(static_cast<Eigen::Index>(c));
      double value = 0;
      for (Eigen::Index k = 0; k < n; ++k)
        value += along[k] * along[k] * entropy(std::max(solver.eigenvalues()[k], 0.0));
      CHECK(measures[c].half_width() <= 1e-6);
      CHECK(std::abs(measures[c].value() - value) <= measures[c].half_width() + 1e-11);
      CHECK(std::abs(measures[c].mass / along.squaredNorm() - 1) < 1e-13);
    }
  }
}

TEST_CASE("an invariant space ends it, and the result is exact") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 3);
  Diagonal a{Values(60)};
  for (std::size_t i = 0; i < 60; ++i) a.values[i] = std::array{0.0, 0.25, 0.5}[i % 3];
  Values start = fedval::tests::normals(stream, 60 * block_width);
  for (std::size_t i = 0; i < 60; ++i) {
    start[i * block_width] = 0;                      // a zero vector
    start[i * block_width + 1] = i == 4 ? 3 : 0;     // an eigenvector
    if (i % 3 != 0) start[i * block_width + 2] = 0;  // the null space
  }
  const auto measures = lanczos_quadrature(a, start, entropy, {});
  const std::size_t steps[block_width] = {0, 1, 1, 3, 3, 3, 3, 3};
  for (std::size_t c = 0; c < block_width; ++c) {
    CAPTURE(c);
    CHECK(measures[c].exact);
    CHECK(measures[c].diagonal.size() == steps[c]);
    CHECK(measures[c].half_width() == 0);
    CHECK(measures[c].value() == doctest::Approx(exact(a, start, c, entropy)).epsilon(1e-13));
  }
  CHECK(measures[0].mean() == 0);
  CHECK(measures[1].mean() == doctest::Approx(9 * 0.25).epsilon(1e-15));
  for (const LanczosMeasure& m : lanczos_quadrature(Diagonal{{}}, {}, entropy)) CHECK(m.value() == 0);
}

TEST_CASE("it stops at the tolerance, and a column does not see the others") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 4);
  const Diagonal a{spectra(400)[0]};
  const Values start = fedval::tests::normals(stream, 400 * block_width);
  const auto all = lanczos_quadrature(a, start, entropy, {1e-3, 100});
  for (const LanczosMeasure& m : all) {
    CHECK(m.half_width() <= 1e-3);
    CHECK(m.diagonal.size() < 40);
  }
  Values alone(start.size(), 0.0);
  for (std::size_t i = 0; i < 400; ++i) alone[i * block_width + 5] = start[i * block_width + 5];
  const auto one = lanczos_quadrature(a, alone, entropy, {0, all[5].diagonal.size()});
  CHECK(one[5].diagonal == all[5].diagonal);
  CHECK(one[5].off == all[5].off);
}

TEST_CASE("the number of threads does not change a bit") {
  CAPTURE(seed);
  fedval::random::Stream stream(seed, 5);
  const Diagonal a{spectra(20000)[0]};
  const Values start = fedval::tests::normals(stream, 20000 * block_width);
  const auto with_threads = [&](int count) {
    const fedval::tests::Threads scope(count);
    Values result;
    for (const LanczosMeasure& m : lanczos_quadrature(a, start, entropy, {0, 12})) {
      result.insert(result.end(), m.diagonal.begin(), m.diagonal.end());
      result.push_back(m.value());
    }
    return fedval::tests::bits(result);
  };
  const auto one = with_threads(1);
  CHECK(one == with_threads(2));
  CHECK(one == with_threads(5));
}

TEST_CASE("misuse is an error") {
  const Diagonal a{{1, 2}};
  CHECK(complaint_of([&] { lanczos_quadrature(a, Values(8), entropy); }) ==
        "lanczos_quadrature: 8 start entries for a matrix of size 2, needs 16");
  CHECK(complaint_of([&] {
          lanczos_quadrature(a, Values(16), entropy, {-1, 5});
        }) == "lanczos_quadrature: tolerance is -1, must be at least 0");
  CHECK(complaint_of([&] {
          lanczos_quadrature(a, Values(16), entropy, {0, 0});
        }) == "lanczos_quadrature: max_steps is 0");
}
