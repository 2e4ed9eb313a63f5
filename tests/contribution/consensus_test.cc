#include "fedval/contribution/consensus.hpp"

#include <doctest/doctest.h>

#include <Eigen/SVD>
#include <limits>
#include <optional>

#include "fedval/tensor/eigen.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using detail::Consensus;
using detail::FinalLayers;
using detail::Projection;
using Eigen::Index;
using Eigen::MatrixXd;
using tests::complaint_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 619;
constexpr double unit = 0x1p-53;

MatrixXd gaussian(random::Stream& stream, Index rows, Index columns) {
  MatrixXd g(rows, columns);
  for (double& value : g.reshaped()) value = stream.normal();
  return g;
}

/// Clients whose whole update is their final layer.
struct Clients {
  std::vector<MatrixXd> layers;
  Round round;
  std::optional<FinalLayers> final_layers;
  std::optional<Innovations> innovations;

  explicit Clients(std::vector<MatrixXd> of) : layers(std::move(of)) {
    for (std::size_t i = 0; i < layers.size(); ++i)
      round.add(i, {.update = layers[i], .final_weight = layers[i]});
    final_layers.emplace(round, "test");
    innovations.emplace(round, Innovations::Options{}, "test");
  }
  Clients(const Clients&) = delete;
  Clients& operator=(const Clients&) = delete;

  /// F_j = coefficients[j] W_j + offsets[j] G.
  Consensus consensus(Values coefficients, Values offsets = {}, Values global = {}) const {
    offsets.resize(layers.size());
    return {*final_layers, *innovations, std::move(coefficients), std::move(offsets), std::move(global)};
  }
  Consensus consensus() const { return consensus(Values(layers.size(), 1.0)); }
};

/// All directions there are.
std::size_t every(std::span<const double> strengths) { return strengths.size(); }

MatrixXd wide(const Projection& p) {
  MatrixXd m(static_cast<Index>(p.size), static_cast<Index>(p.size));
  for (std::size_t a = 0; a < p.size; ++a)
    for (std::size_t b = 0; b < p.size; ++b) m(static_cast<Index>(a), static_cast<Index>(b)) = p(a, b);
  return m;
}

/// M against U^T W V with an SVD of Eigen's. Directions turn by 8 d u over the gap of their strengths, on
/// both sides; they come with either sign, but both of a pair with the same.
void check_projection(const Projection& p, const MatrixXd& others, const MatrixXd& own) {
  const Eigen::JacobiSVD<MatrixXd> svd(others, Eigen::ComputeThinU | Eigen::ComputeThinV);
  const Eigen::VectorXd& sigma = svd.singularValues();
  const Index n = sigma.size();
  const double largest = own.cwiseAbs().maxCoeff();
  const double scale = largest > 0 ? std::ldexp(1.0, -std::ilogb(largest)) : 1;
  CHECK(std::abs(p.square - (scale * own).squaredNorm()) <=
        static_cast<double>(own.size()) * unit * (scale * own).squaredNorm());
  const double rounding = 8 * static_cast<double>(others.size()) * unit * sigma[0];
  REQUIRE(static_cast<Index>(p.strengths.size()) == n);
  for (Index j = 0; j < n; ++j)
    CHECK(std::abs(p.strengths[static_cast<std::size_t>(j)] - sigma[j]) <= rounding);
  double gap = sigma[0];
  for (Index j = 0; j + 1 < n; ++j) gap = std::min(gap, sigma[j] - sigma[j + 1]);
  if (n > 0) gap = std::min(gap, sigma[n - 1]);
  const double bound = 4 * rounding / gap * scale * own.norm();
  CAPTURE(bound);
  REQUIRE(bound < 1e-7);  // or nothing is shown
  const MatrixXd m = wide(p), expected = scale * svd.matrixU().transpose() * own * svd.matrixV();
  for (Index a = 0; a < m.rows(); ++a) {
    CHECK(std::abs(m(a, a) - expected(a, a)) <= bound);
    for (Index b = 0; b < m.rows(); ++b) {
      const double both = std::abs(m(a, b)) + std::abs(m(b, a));  // of tall layers M may come transposed
      CHECK(std::abs(both - std::abs(expected(a, b)) - std::abs(expected(b, a))) <= 2 * bound);
      if (others.rows() <= others.cols())
        CHECK(std::abs(std::abs(m(a, b)) - std::abs(expected(a, b))) <= bound);
      CHECK(std::abs(m(a, b) * m(b, a) - expected(a, b) * expected(b, a)) <= 3 * bound * scale * own.norm());
    }
  }
}

/// Of coefficients times layers, without client i and its copies: of few entries, some are by chance.
MatrixXd sum_without(const Clients& clients, const Values& coefficients, std::size_t i) {
  MatrixXd sum = MatrixXd::Zero(clients.layers[0].rows(), clients.layers[0].cols());
  const auto copies = clients.innovations->copies(i);
  for (std::size_t j = 0; j < clients.layers.size(); ++j)
    if (j != i && std::find(copies.begin(), copies.end(), j) == copies.end())
      sum += coefficients[j] * clients.layers[j];
  return sum;
}

}  // namespace

TEST_CASE("directions along the axes: M holds the client's own entries") {
  MatrixXd own(3, 4), other(3, 4);
  own << 1, 0.5, -0.25, 9, 0.125, -1, 0.75, 9, 0.5, 0.25, 1.5, 9;
  other << 4, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0;
  const Clients clients({own, other});
  const Projection p = clients.consensus().project(0, every);
  REQUIRE(p.size == 3);
  for (std::size_t j = 0; j < 3; ++j) {
    CHECK(std::abs(p.strengths[j] - std::array{4, 2, 1}[j]) <= 32 * unit);
    for (std::size_t k = 0; k < 3; ++k) {
      // The power of two that brings 9 near 1 is 8; axes have either sign, twice on the diagonal.
      const double entry = own(static_cast<Index>(j), static_cast<Index>(k)) / 8;
      CHECK(std::abs((j == k ? p(j, k) : std::abs(p(j, k))) - (j == k ? entry : std::abs(entry))) <=
            32 * unit);
    }
  }
  CHECK(std::abs(p.square - own.squaredNorm() / 64) <= 16 * unit * p.square);
}

TEST_CASE("a client through the sum of the others is U^T W V, wide, tall and square") {
  CAPTURE(seed);
  random::Stream stream(seed);
  for (const auto& [rows, columns] :
       {std::pair<Index, Index>{1, 5}, {3, 7}, {7, 3}, {5, 5}, {4, 1}, {10, 30}})
    for (const std::size_t n : {2UL, 3UL, 6UL}) {
      CAPTURE(rows);
      CAPTURE(columns);
      CAPTURE(n);
      std::vector<MatrixXd> layers;
      Values coefficients;
      for (std::size_t j = 0; j < n; ++j) {
        layers.push_back(gaussian(stream, rows, columns));
        coefficients.push_back(stream.uniform(-2, 2));
      }
      const Clients clients(layers);
      const Consensus consensus = clients.consensus(coefficients);
      for (std::size_t i = 0; i < n; ++i) {
        const Projection p = consensus.project(i, every);
        CHECK(p.size == static_cast<std::size_t>(std::min(rows, columns)));
        check_projection(p, sum_without(clients, coefficients, i), layers[i]);
      }
    }
}

TEST_CASE("the global update comes with its offsets, and a coefficient of 0 takes all of a client out") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  std::vector<MatrixXd> layers;
  for (int j = 0; j < 4; ++j) layers.push_back(gaussian(stream, 3, 5));
  const MatrixXd global = gaussian(stream, 3, 5);
  Values rows;
  for (Index r = 0; r < 3; ++r)
    for (Index c = 0; c < 5; ++c) rows.push_back(global(r, c));
  const Clients clients(layers);
  const Values coefficients{0.5, 0, 2, -1}, offsets{-0.25, 7, 0, 1.5};
  const Consensus consensus = clients.consensus(coefficients, offsets, rows);
  for (std::size_t i = 0; i < 4; ++i) {
    CAPTURE(i);
    MatrixXd others = sum_without(clients, coefficients, i);
    for (std::size_t j = 0; j < 4; ++j)
      if (j != i && coefficients[j] != 0) others += offsets[j] * global;
    check_projection(consensus.project(i, every), others, layers[i]);
  }
}

TEST_CASE("copies are no others: who sent the same is left out of the sum") {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  const MatrixXd a = gaussian(stream, 4, 6), b = gaussian(stream, 4, 6), c = gaussian(stream, 4, 6);
  const Clients clients({a, b, MatrixXd(2 * a), c, a});
  REQUIRE(clients.innovations->copies(0).size() == 2);
  const Values coefficients{1, 0.5, 0.75, -1, 3};
  const Consensus consensus = clients.consensus(coefficients);
  check_projection(consensus.project(0, every), 0.5 * b - c, a);
  check_projection(consensus.project(2, every), 0.5 * b - c, a);
  check_projection(consensus.project(1, every), 1.0 * a + 1.5 * a - c + 3 * a, b);
}

TEST_CASE("others who are none, zero, or cancel have no direction") {
  CAPTURE(seed);
  random::Stream stream(seed, 3);
  const MatrixXd a = gaussian(stream, 3, 4), b = gaussian(stream, 3, 4), zero = MatrixXd::Zero(3, 4);
  const auto none = [](const Projection& p) {
    CHECK(p.size == 0);
    CHECK(p.m.empty());
    CHECK(p.strengths.empty());
  };
  none(Clients({a}).consensus().project(0, every));
  none(Clients({a, a, a}).consensus().project(1, every));
  none(Clients({a, zero}).consensus().project(0, every));
  none(Clients({a, zero, zero}).consensus().project(0, every));
  none(Clients({zero, zero}).consensus().project(1, every));
  // 0.1 and 0.3 are rounded, so the sum is not exactly zero.
  none(Clients({a, 0.1 * b, -0.3 * b}).consensus({1, 3, 1}).project(0, every));
  const Projection p = Clients({zero, b}).consensus().project(0, every);
  CHECK(p.square == 0);
  CHECK(p.size == 3);
  CHECK(wide(p) == MatrixXd::Zero(3, 3));
  CHECK(Clients({a, zero}).consensus().project(0, every).square > 0);
}

TEST_CASE("no more directions than the others have") {
  CAPTURE(seed);
  random::Stream stream(seed, 4);
  for (const Index rank : {1, 2, 3}) {
    CAPTURE(rank);
    const MatrixXd others = gaussian(stream, 5, rank) * gaussian(stream, rank, 8),
                   own = gaussian(stream, 5, 8);
    const MatrixXd part = gaussian(stream, 5, 8);
    // In one piece, and as what is left where the rest is taken out again.
    const Clients one({own, others}), two({own, MatrixXd(others + part), MatrixXd(-part)});
    for (const Clients* clients : {&one, &two}) {
      const Projection p = clients->consensus().project(0, every);
      REQUIRE(p.size == static_cast<std::size_t>(rank));
      CHECK(p.strengths.size() == 5);
      // Inside the space on both sides: no longer than W, and of its length where W lies in it.
      CHECK(wide(p).squaredNorm() < p.square);
    }
    const MatrixXd left = gaussian(stream, rank, rank);
    const Eigen::JacobiSVD<MatrixXd> svd(others, Eigen::ComputeThinU | Eigen::ComputeThinV);
    const MatrixXd inside = svd.matrixU().leftCols(rank) * left * svd.matrixV().leftCols(rank).transpose();
    const Projection p = Clients({inside, others}).consensus().project(0, every);
    REQUIRE(p.size == static_cast<std::size_t>(rank));
    // A space of `rank` turns by 40 u over its least strength, relative to the largest.
    const double condition = svd.singularValues()[0] / svd.singularValues()[rank - 1];
    CHECK(std::abs(wide(p).squaredNorm() / p.square - 1) <= 8 * 40 * unit * condition);
  }
}

TEST_CASE("as many directions as chosen, from strengths in descending order") {
  CAPTURE(seed);
  random::Stream stream(seed, 5);
  const Clients clients({gaussian(stream, 4, 6), gaussian(stream, 4, 6), gaussian(stream, 4, 6)});
  const Consensus consensus = clients.consensus();
  const Projection all = consensus.project(0, every);
  REQUIRE(all.size == 4);
  for (const std::size_t count : {0UL, 1UL, 2UL, 4UL, 100UL}) {
    CAPTURE(count);
    const Projection p = consensus.project(0, [&](std::span<const double> strengths) {
      CHECK(strengths.size() == 4);
      CHECK(std::is_sorted(strengths.rbegin(), strengths.rend()));
      return count;
    });
    REQUIRE(p.size == std::min(count, 4UL));
    CHECK(p.strengths == all.strengths);
    for (std::size_t a = 0; a < p.size; ++a)
      for (std::size_t b = 0; b < p.size; ++b) CHECK(p(a, b) == all(a, b));
  }
}

TEST_CASE("coefficients of unit updates undo their scales, whatever these are") {
  CAPTURE(seed);
  random::Stream stream(seed, 6);
  const MatrixXd a = gaussian(stream, 3, 5), b = gaussian(stream, 3, 5), c = gaussian(stream, 3, 5);
  const Clients plain({a, b, c});
  const Values expected{1 / a.norm(), 1 / b.norm(), 1 / c.norm()};
  const Values coefficients = detail::unit_coefficients(*plain.innovations);
  for (std::size_t j = 0; j < 3; ++j) CHECK(std::abs(coefficients[j] / expected[j] - 1) <= 16 * unit);
  CHECK(detail::unit_coefficients(*Clients({a, MatrixXd::Zero(3, 5)}).innovations)[1] == 0);
  const Projection right = plain.consensus(coefficients).project(0, every);
  check_projection(right, b / b.norm() + c / c.norm(), a);
  for (const double scale : {0x1p700, 0x1p-700, 0x1p-40}) {
    CAPTURE(scale);
    const Clients scaled({MatrixXd(scale * a), b, MatrixXd(scale * c)});
    const Projection found =
        scaled.consensus(detail::unit_coefficients(*scaled.innovations)).project(0, every);
    check_projection(found, b / b.norm() + c / c.norm(), a);
  }
}

TEST_CASE("a final layer that is not finite is refused by name, though its update is") {
  const MatrixXd good = MatrixXd::Ones(2, 3), other = MatrixXd::Identity(2, 3);
  MatrixXd bad = good;
  bad(1, 0) = -std::numeric_limits<double>::infinity();
  Round round;
  round.add("a", {.update = good, .final_weight = good});
  round.add("b", {.update = other, .final_weight = bad});
  const FinalLayers layers(round, "test");
  const Innovations innovations(round, {}, "test");
  CHECK(complaint_of([&] {
          Consensus(layers, innovations, {1, 1}, {0, 0}, {});
        }) == "client b: final_weight[1, 0] is -infinite");
}
