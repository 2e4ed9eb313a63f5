#include "fedval/spectral/entropy_estimate.hpp"

#include <doctest/doctest.h>

#include "fedval/tensor/eigen.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"
#include "tests/support/threads.hpp"

using namespace fedval;
using namespace fedval::spectral;
using Eigen::Index;
using Eigen::MatrixXd;
using tests::bits;
using tests::complaint_of;
using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

namespace {

constexpr std::uint64_t seed = 91;

MatrixXd gaussian(random::Stream& stream, Index rows, Index columns) {
  MatrixXd matrix(rows, columns);
  for (double& value : matrix.reshaped()) value = stream.normal();
  return matrix;
}

/// U diag(sigma) V^T with U and V products of four random reflections: a matrix of known spectrum.
RowMajor with_singular_values(random::Stream& stream, Index rows, Index columns, const tests::Values& sigma) {
  RowMajor w = RowMajor::Zero(rows, columns);
  for (std::size_t j = 0; j < sigma.size(); ++j) w(static_cast<Index>(j), static_cast<Index>(j)) = sigma[j];
  for (int i = 0; i < 4; ++i) {
    const Eigen::VectorXd u = gaussian(stream, rows, 1).normalized();
    const Eigen::VectorXd v = gaussian(stream, columns, 1).normalized();
    w -= 2.0 * u * (u.transpose() * w).eval();
    w -= (2.0 * (w * v).eval()) * v.transpose();
  }
  return w;
}

double entropy_of(const tests::Values& sigma) {
  long double sum = 0, entropy = 0;
  for (const double s : sigma) sum += static_cast<long double>(s) * s;
  for (const double s : sigma)
    if (const long double p = static_cast<long double>(s) * s / sum; p > 0) entropy -= p * std::log(p);
  return static_cast<double>(entropy);
}

enum class Kind { flat, graded, low_rank, spiked };

tests::Values singular_values_of(Kind kind, std::size_t n) {
  tests::Values sigma(n);
  for (std::size_t j = 0; j < n; ++j) {
    const auto x = static_cast<double>(j);
    switch (kind) {
      case Kind::flat:  // the quarter circle's square roots: what a random matrix has
        sigma[j] = std::sin(1.5 * (x + 0.5) / static_cast<double>(n));
        break;
      case Kind::graded:
        sigma[j] = 1 / (1 + x);
        break;
      case Kind::low_rank:
        sigma[j] = j < n / 3 ? 1 + std::cos(x) / 2 : 0;
        break;
      case Kind::spiked:
        sigma[j] = j < 30 ? 10 - x / 10 : 1 + std::sin(x) / 2;
    }
  }
  return sigma;
}

}  // namespace

TEST_CASE("the interval holds the exact entropy as often as it says") {
  CAPTURE(seed);
  random::Stream stream(seed);
  constexpr std::size_t n = 96;
  constexpr double tolerance = 3e-3;
  for (const Kind kind : {Kind::flat, Kind::graded, Kind::low_rank, Kind::spiked})
    for (const double confidence : {0.5, 0.95}) {
      CAPTURE(static_cast<int>(kind));
      CAPTURE(confidence);
      const tests::Values sigma = singular_values_of(kind, n);
      const RowMajor w = with_singular_values(stream, n, 110, sigma);
      const double exact = entropy_of(sigma) / std::log(static_cast<double>(n));
      constexpr int runs = 200;
      int held = 0, stretched = 0;
      bool second_stage = false;
      for (std::uint64_t s = 0; s < runs; ++s) {
        // Few directions, so that chance has something to do, and a tolerance that asks for a second stage.
        const EntropyEstimate estimate = estimate_entropy(w, {.tolerance = tolerance,
                                                              .confidence = confidence,
                                                              .max_probes = 5000,
                                                              .deflation = 7,
                                                              .seed = s});
        held += std::abs(estimate.value - exact) <= estimate.error();
        stretched += std::abs(estimate.value - exact) <= estimate.error() / 8;
        second_stage |= estimate.probes > 8;
        CHECK(estimate.converged);
        CHECK(estimate.error() <= tolerance);
      }
      // Five binomial standard deviations below the level: one run in three million fails by chance.
      const double deviation = std::sqrt(runs * confidence * (1 - confidence));
      CHECK(held >= runs * confidence - 5 * deviation);
      CHECK(stretched < runs);  // an interval eight times as short would not do: the claim is not idle
      if (confidence > 0.9) CHECK((second_stage || kind == Kind::graded));
    }
}

TEST_CASE("a matrix of 2000 x 2200 floats") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  for (const Kind kind : {Kind::flat, Kind::graded}) {
    CAPTURE(static_cast<int>(kind));
    const tests::Values sigma = singular_values_of(kind, 2000);
    const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> w =
        with_singular_values(stream, 2000, 2200, sigma).cast<float>();
    const EntropyEstimate estimate = estimate_entropy(w, {.tolerance = 2e-3, .confidence = 0.9999});
    CHECK(estimate.converged);
    CHECK(estimate.error() <= 2e-3);
    // Rounding to float moves p_j by 2^-24 or so, far below the error.
    CHECK(std::abs(estimate.value - entropy_of(sigma) / std::log(2000.0)) <= estimate.error());
  }
}

TEST_CASE("every shape, layout and scalar type: directions that span everything give the exact entropy") {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  for (const auto& size : {std::pair<Index, Index>{2, 2},
                           {3, 700},
                           {700, 3},
                           {17, 1030},
                           {1030, 17},
                           {63, 63},
                           {40, 513},
                           {513, 40}}) {
    const Index rows = size.first, columns = size.second;
    CAPTURE(rows);
    CAPTURE(columns);
    const MatrixXd w = gaussian(stream, rows, columns);
    const EstimateOptions options{.tolerance = 1e-12};
    const auto same = [&](const TensorView& matrix) {
      const EntropyEstimate estimate = estimate_entropy(matrix, options);
      CHECK(estimate.probes == 0);
      CHECK(std::abs(estimate.value - entropy(matrix)) < 1e-11);
      CHECK(estimate.truncation < 1e-11);
    };
    same(w);
    same(MatrixXd(w.transpose()));
    same(RowMajor(w));
    same(Eigen::MatrixXf(w.cast<float>()));
    same(Eigen::Matrix<Eigen::half, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>(w.cast<Eigen::half>()));
    const MatrixXd larger = gaussian(stream, rows + 3, columns + 5);
    same(larger.block(2, 1, rows, columns));
    const RowMajor wide = larger;
    same(wide.block(2, 1, rows, columns));
    std::vector<std::vector<double>> nested(static_cast<std::size_t>(rows));
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < columns; ++j) nested[static_cast<std::size_t>(i)].push_back(w(i, j));
    same(nested);
  }
}

TEST_CASE("matrices whose entropy is zero by definition") {
  random::Stream stream(seed, 3);
  for (const Normaliser normaliser : {Normaliser::log_min_dim, Normaliser::none}) {
    const EstimateOptions options{.normaliser = normaliser};
    for (const MatrixXd& w :
         {MatrixXd(MatrixXd::Zero(90, 100)), MatrixXd(MatrixXd::Zero(0, 6)), MatrixXd(MatrixXd::Zero(6, 0)),
          gaussian(stream, 1, 900), gaussian(stream, 900, 1)}) {
      const EntropyEstimate estimate = estimate_entropy(w, options);
      CHECK(estimate.value == 0);
      CHECK(estimate.error() == 0);
      CHECK(estimate.converged);
    }
    const MatrixXd rank_one = gaussian(stream, 150, 1) * gaussian(stream, 1, 180);
    const EntropyEstimate estimate = estimate_entropy(rank_one, options);
    // The rounding of W puts n u of the spectrum beside the one eigenvalue: n u |ln u| = 1e-12.
    CHECK(std::abs(estimate.value) < 1e-12);
    CHECK(estimate.error() < 1e-12);
    CHECK(estimate.converged);
  }
}

TEST_CASE("units, and a flat spectrum") {
  const MatrixXd identity = MatrixXd::Identity(100, 140);
  const EntropyEstimate normal = estimate_entropy(identity);
  const EntropyEstimate nats = estimate_entropy(identity, {.normaliser = Normaliser::none});
  const EntropyEstimate in_bits = estimate_entropy(identity, {.normaliser = Normaliser::none, .bits = true});
  CHECK(normal.value == doctest::Approx(1).epsilon(1e-12));
  CHECK(nats.value == doctest::Approx(std::log(100.0)).epsilon(1e-12));
  CHECK(in_bits.value == doctest::Approx(std::log2(100.0)).epsilon(1e-12));
  CHECK(normal.error() < 1e-12);

  CAPTURE(seed);
  random::Stream stream(seed, 4);
  const MatrixXd w = gaussian(stream, 100, 140);
  const EstimateOptions options{.normaliser = Normaliser::none};
  const EntropyEstimate one = estimate_entropy(w), two = estimate_entropy(w, options);
  CHECK(two.value == doctest::Approx(one.value * std::log(100.0)).epsilon(1e-14));
  CHECK(two.standard_error == doctest::Approx(one.standard_error * std::log(100.0)).epsilon(1e-12));
  CHECK(two.truncation == doctest::Approx(one.truncation * std::log(100.0)).epsilon(1e-12));
  CHECK(one.quantile == doctest::Approx(2.364624).epsilon(1e-6));
}

TEST_CASE("the scale of the entries does not matter, and a power of two changes no bit") {
  CAPTURE(seed);
  random::Stream stream(seed, 5);
  for (const auto& size : {std::pair<Index, Index>{80, 130}, {130, 80}}) {
    const RowMajor w = gaussian(stream, size.first, size.second);
    const double expected = estimate_entropy(w).value;
    for (const double scale : {1e-300, 1e-200, -1.0, 1e200, 1e300}) {
      CAPTURE(scale);
      // The probes are the same; the products are rounded elsewhere.
      CHECK(std::abs(estimate_entropy(RowMajor(scale * w)).value - expected) < 1e-10);
    }
    CHECK(bits(estimate_entropy(RowMajor(0x1p600 * w)).value) ==
          bits(estimate_entropy(RowMajor(0x1p-600 * w)).value));
  }
}

TEST_CASE("the number of threads does not change a bit; the seed does") {
  CAPTURE(seed);
  random::Stream stream(seed, 6);
  for (const auto& size : {std::pair<Index, Index>{300, 1100}, {1100, 300}}) {
    const RowMajor w = gaussian(stream, size.first, size.second);
    const auto with_threads = [&](int count, std::uint64_t s) {
      const tests::Threads scope(count);
      const EntropyEstimate e = estimate_entropy(w, {.deflation = 7, .seed = s});
      return bits(std::array{e.value, e.standard_error, e.truncation});
    };
    const auto one = with_threads(1, 0);
    CHECK(one == with_threads(2, 0));
    CHECK(one == with_threads(5, 0));
    CHECK(one != with_threads(1, 1));
  }
}

TEST_CASE("probes or steps that run out are told") {
  CAPTURE(seed);
  random::Stream stream(seed, 7);
  const RowMajor w = with_singular_values(stream, 200, 220, singular_values_of(Kind::flat, 200));
  const double exact = entropy_of(singular_values_of(Kind::flat, 200)) / std::log(200.0);
  const EntropyEstimate few =
      estimate_entropy(w, {.tolerance = 1e-6, .confidence = 0.9999, .max_probes = 16});
  CHECK(few.probes == 16);
  CHECK_FALSE(few.converged);
  CHECK(few.error() > 1e-6);
  CHECK(std::abs(few.value - exact) <= few.error());
  const EntropyEstimate coarse =
      estimate_entropy(w, {.tolerance = 1e-3, .confidence = 0.9999, .max_steps = 3});
  CHECK(coarse.steps == 3);
  CHECK_FALSE(coarse.converged);
  CHECK(coarse.truncation > 1e-3);
  CHECK(std::abs(coarse.value - exact) <= coarse.error());
}

TEST_CASE("bad input and misuse are errors") {
  MatrixXd w = MatrixXd::Ones(90, 70);
  CHECK(complaint_of([&] { estimate_entropy(w, {.normaliser = Normaliser::log_rank}); }) ==
        "estimate_entropy: the rank of a matrix cannot be estimated; use log_min_dim, none, or entropy()");
  CHECK(complaint_of([&] { estimate_entropy(w, {.bits = true}); }) ==
        "estimate_entropy: bits only make sense without a normaliser");
  CHECK(complaint_of([&] { estimate_entropy(w, {.first_probes = 2}); }) ==
        "stochastic_trace: first_probes is 2, needs at least 4");
  CHECK(complaint_of([&] { estimate_entropy(w, {.tolerance = -1}); }) ==
        "estimate_entropy: tolerance is -1, must be finite and at least 0");
  CHECK(complaint_of([] { estimate_entropy(std::vector<float>(5), {}, "W"); }) ==
        "W has shape [5], expected a matrix");
  w(2, 17) = std::nan("");
  CHECK(complaint_of([&] { estimate_entropy(w, {}, "client 3: final_weight"); }) ==
        "client 3: final_weight[2, 17] is NaN");
  w(2, 17) = std::numeric_limits<double>::infinity();
  CHECK(complaint_of([&] { estimate_entropy(w); }) == "matrix[2, 17] is infinite");
  CHECK(complaint_of([&] { estimate_entropy(RowMajor(-w)); }) == "matrix[2, 17] is -infinite");
}
