#include "fedval/spectral/entropy.hpp"

#include <doctest/doctest.h>

#include <Eigen/QR>
#include <Eigen/SVD>

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

namespace {

constexpr std::uint64_t seed = 81;
constexpr EntropyOptions nats{Normaliser::none};

MatrixXd gaussian(random::Stream& stream, Index rows, Index columns) {
  MatrixXd matrix(rows, columns);
  for (double& value : matrix.reshaped()) value = stream.normal();
  return matrix;
}

MatrixXd rotation(random::Stream& stream, Index n) {
  return gaussian(stream, n, n).householderQr().householderQ();
}

/// The matrix of the reference values.
MatrixXd golden() {
  MatrixXd w(4, 6);
  for (Index i = 0; i < 4; ++i)
    for (Index j = 0; j < 6; ++j) w(i, j) = static_cast<double>((7 * i + 3 * j) % 11) - 5;
  return w;
}

/// Entropy in nats from a full singular value decomposition.
double naive_entropy(const MatrixXd& w) {
  const Eigen::VectorXd sigma = Eigen::JacobiSVD<MatrixXd>(w).singularValues();
  long double sum = 0, entropy = 0;
  for (const double s : sigma) sum += static_cast<long double>(s) * s;
  for (const double s : sigma)
    if (const long double p = s * static_cast<long double>(s) / sum; p > 0) entropy -= p * std::log(p);
  return static_cast<double>(entropy);
}

/// Two matrices of equal entropy differ by the rounding of the two computations: each p_j by a few u, and
/// |dS/dp| = |1 + ln p| by 40 at most where p matters.
constexpr double equal_entropy = 8e-15;

}  // namespace

TEST_CASE("the reference matrix has its reference values") {
  const MatrixXd w = golden();
  constexpr double exact = 1e-12;
  CHECK(std::abs(entropy(w, nats) - 1.1919093661580034) < exact);
  CHECK(std::abs(entropy(w, {.normaliser = Normaliser::none, .bits = true}) - 1.7195617317452592) < exact);
  CHECK(std::abs(entropy(w) - 0.8597808658726296) < exact);
  CHECK(std::abs(entropy(w, {.normaliser = Normaliser::log_rank}) - 0.8597808658726296) < exact);
  CHECK(std::abs(entropy(w, {.normaliser = Normaliser::log_rank, .epsilon = 1e-10}) - 0.8597808660409701) <
        exact);
  const std::vector<double> p = spectrum(w);
  const double sigma[] = {3.83054690, 6.34640063, 9.33173518, 10.34257357};
  REQUIRE(p.size() == 4);
  for (std::size_t i = 0; i < 4; ++i)  // given to eight digits
    CHECK(std::abs(std::sqrt(p[i] * w.squaredNorm()) - sigma[i]) < 1e-8);
  // The same with its rows as features, and in the other storage order.
  CHECK(std::abs(entropy(w.transpose(), nats) - 1.1919093661580034) < exact);
  CHECK(std::abs(entropy(MatrixXd(w.transpose())) - 0.8597808658726296) < exact);
}

TEST_CASE("matrices whose entropy is zero by definition") {
  const EntropyOptions every[] = {{},
                                  nats,
                                  {Normaliser::none, true},
                                  {.normaliser = Normaliser::log_rank},
                                  {.normaliser = Normaliser::log_rank, .epsilon = 1e-10}};
  random::Stream stream(seed);
  for (const EntropyOptions& options : every) {
    CAPTURE(static_cast<int>(options.normaliser));
    CAPTURE(options.epsilon);
    CHECK(entropy(MatrixXd(MatrixXd::Zero(4, 6)), options) == 0);
    CHECK(entropy(MatrixXd(MatrixXd::Zero(0, 6)), options) == 0);
    CHECK(entropy(MatrixXd(MatrixXd::Zero(6, 0)), options) == 0);
    CHECK(entropy(gaussian(stream, 1, 9), options) == 0);
    CHECK(entropy(gaussian(stream, 9, 1), options) == 0);
    CHECK(entropy(gaussian(stream, 1, 1), options) == 0);
    const MatrixXd rank_one = gaussian(stream, 5, 1) * gaussian(stream, 1, 8);
    CHECK(std::abs(entropy(rank_one, options)) < 4 * equal_entropy);
    CHECK(std::abs(entropy(MatrixXd(rank_one.transpose()), options)) < 4 * equal_entropy);
  }
  CHECK(spectrum(MatrixXd(MatrixXd::Zero(4, 6))).empty());
}

TEST_CASE("isotropic and known spectra") {
  for (const Index n : {2, 3, 10, 50}) {
    CAPTURE(n);
    CHECK(entropy(MatrixXd(MatrixXd::Identity(n, n))) == doctest::Approx(1).epsilon(1e-14));
    CHECK(entropy(MatrixXd(MatrixXd::Identity(n, n + 7)), nats) ==
          doctest::Approx(std::log(static_cast<double>(n))).epsilon(1e-14));
  }
  // sigma^2 = 9 and 1 of 10.
  const MatrixXd w = Eigen::Vector2d(3, -1).asDiagonal();
  CHECK(entropy(w, nats) == doctest::Approx(-0.9 * std::log(0.9) - 0.1 * std::log(0.1)).epsilon(1e-15));
  CHECK(spectrum(w)[0] == doctest::Approx(0.1).epsilon(1e-15));
}

TEST_CASE("log_rank counts the singular values above sigma_max max(C, d) eps") {
  MatrixXd w = MatrixXd::Zero(4, 100);
  w(0, 0) = w(1, 1) = w(2, 2) = 1;
  const EntropyOptions by_rank{.normaliser = Normaliser::log_rank};
  CHECK(entropy(w, by_rank) == doctest::Approx(1).epsilon(1e-14));
  CHECK(entropy(w) == doctest::Approx(std::log(3.0) / std::log(4.0)).epsilon(1e-14));
  const double tolerance = 100 * std::numeric_limits<double>::epsilon();
  w(3, 3) = 1.01 * tolerance;  // a Gram matrix would have lost it
  CHECK(entropy(w, by_rank) == doctest::Approx(std::log(3.0) / std::log(4.0)).epsilon(1e-12));
  w(3, 3) = 0.99 * tolerance;
  CHECK(entropy(w, by_rank) == doctest::Approx(1).epsilon(1e-12));
}

TEST_CASE("log_rank is defined for entries far below the largest") {
  for (const double tiny : {1e-100, 1e-165, 1e-200, 1e-310, 5e-324}) {
    CAPTURE(tiny);
    MatrixXd w(2, 2);
    w << 1, 1, tiny, 0;
    double found = -1;
    CHECK_NOTHROW(found = entropy(w, {.normaliser = Normaliser::log_rank}));
    CHECK(found == 0);
  }
}

TEST_CASE("entropies of random matrices are those of a full singular value decomposition") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  for (const auto& size : {std::pair<Index, Index>{2, 2},
                           {3, 7},
                           {10, 128},
                           {10, 1500},
                           {128, 10},
                           {1500, 10},
                           {62, 84},
                           {100, 512}}) {
    const Index rows = size.first, columns = size.second;
    CAPTURE(rows);
    CAPTURE(columns);
    for (int i = 0; i < 3; ++i) {
      const MatrixXd w = gaussian(stream, rows, columns);
      const double exact = naive_entropy(w);
      // The oracle's own singular values are within a few u as well.
      CHECK(std::abs(entropy(w, nats) - exact) < equal_entropy * std::max(1.0, exact));
      CHECK(std::abs(entropy(w, {.normaliser = Normaliser::log_rank}) -
                     exact / std::log(static_cast<double>(std::min(rows, columns)))) < equal_entropy);
      const Eigen::MatrixXf single = w.cast<float>();
      CHECK(std::abs(entropy(single, nats) - naive_entropy(single.cast<double>())) <
            equal_entropy * std::max(1.0, exact));
      const Eigen::Matrix<Eigen::half, Eigen::Dynamic, Eigen::Dynamic> half = w.cast<Eigen::half>();
      CHECK(std::abs(entropy(half, nats) - naive_entropy(half.cast<double>())) <
            equal_entropy * std::max(1.0, exact));
      const std::vector<double> p = spectrum(w);
      double sum = 0;
      for (const double value : p) sum += value;
      CHECK(std::abs(sum - 1) < 1e-14);
      CHECK(std::is_sorted(p.begin(), p.end()));
    }
  }
}

TEST_CASE("the Gram route is a singular value decomposition: graded, rank-deficient, at 1e30 and 1e-30") {
  CAPTURE(seed);
  random::Stream stream(seed, 5);
  for (const auto& size : {std::pair<Index, Index>{10, 60}, {60, 10}, {24, 24}}) {
    const Index rows = size.first, columns = size.second, n = std::min(rows, columns);
    CAPTURE(rows);
    for (const int kind : {0, 1, 2}) {
      CAPTURE(kind);
      Eigen::VectorXd sigma(n);  // known, so that neither route is its own judge
      for (Index j = 0; j < n; ++j)
        sigma(j) = kind == 0   ? 1 + stream.uniform()
                   : kind == 1 ? std::pow(10.0, -static_cast<double>(j))
                   : j < 3     ? 1.0 + static_cast<double>(j)
                               : 0.0;
      const MatrixXd w = rotation(stream, rows).leftCols(n) * sigma.asDiagonal() *
                         rotation(stream, columns).leftCols(n).transpose();
      long double sum = 0, exact = 0;
      for (const double s : sigma) sum += static_cast<long double>(s) * s;
      for (const double s : sigma)
        if (s > 0)
          exact -= s * static_cast<long double>(s) / sum * std::log(s * static_cast<long double>(s) / sum);
      for (const double scale : {1e-30, 1.0, 1e30}) {
        CAPTURE(scale);
        // The matrix itself is w to a few n u, and a p_j of that size costs 40 times as much.
        const double tolerance = 40 * 0x1p-53 * static_cast<double>(n);
        const MatrixXd scaled = scale * w;
        CHECK(std::abs(entropy(scaled, nats) - static_cast<double>(exact)) < tolerance);
        CHECK(std::abs(von_neumann_entropy(spectrum(scaled, Route::svd)) - static_cast<double>(exact)) <
              tolerance);
        CHECK(std::abs(entropy(scaled, nats) - naive_entropy(scaled)) < tolerance);
      }
    }
  }
}

TEST_CASE("permutations, rotations of the features and scale do not change the entropy") {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  for (const auto& size : {std::pair<Index, Index>{6, 20}, {20, 6}, {12, 12}}) {
    const Index rows = size.first, columns = size.second;
    CAPTURE(rows);
    const MatrixXd w = gaussian(stream, rows, columns);
    const double expected = entropy(w);
    std::vector<Index> order(static_cast<std::size_t>(rows));
    for (Index i = 0; i < rows; ++i) order[static_cast<std::size_t>(i)] = i;
    stream.shuffle(std::span(order));
    MatrixXd permuted(rows, columns);
    for (Index i = 0; i < rows; ++i) permuted.row(i) = w.row(order[static_cast<std::size_t>(i)]);
    CHECK(std::abs(entropy(permuted) - expected) < equal_entropy);
    CHECK(std::abs(entropy(MatrixXd(w.rowwise().reverse())) - expected) < equal_entropy);
    CHECK(std::abs(entropy(MatrixXd(w * rotation(stream, columns))) - expected) < 4 * equal_entropy);
    CHECK(std::abs(entropy(MatrixXd(rotation(stream, rows) * w)) - expected) < 4 * equal_entropy);
    const double by_rank = entropy(w, {.normaliser = Normaliser::log_rank});
    for (const double scale : {1e-300, 1e-200, 1e-30, -1.0, 1e30, 1e200, 1e300}) {
      CAPTURE(scale);
      CHECK(std::abs(entropy(MatrixXd(scale * w)) - expected) < equal_entropy);
      CHECK(std::abs(entropy(MatrixXd(scale * w), {.normaliser = Normaliser::log_rank}) - by_rank) <
            equal_entropy);
    }
    // A power of two changes no digit.
    CHECK(bits(entropy(MatrixXd(0x1p600 * w))) == bits(entropy(MatrixXd(0x1p-600 * w))));
    const Eigen::MatrixXf single = (1e30 * w).cast<float>();
    CHECK(std::abs(entropy(single) - expected) < 1e-6);
  }
  MatrixXd subnormal = golden() * 5e-324;
  CHECK(std::abs(entropy(subnormal) - 0.8597808658726296) < 1e-12);
  CHECK(std::abs(entropy(subnormal, {.normaliser = Normaliser::log_rank}) - 0.8597808658726296) < 1e-12);
}

TEST_CASE("entries that are not finite are named, in every mode") {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const Normaliser normaliser : {Normaliser::log_min_dim, Normaliser::log_rank, Normaliser::none}) {
    CAPTURE(static_cast<int>(normaliser));
    const EntropyOptions options{.normaliser = normaliser};
    for (const auto& size : {std::pair<Index, Index>{3, 20}, {30, 20}}) {
      const Index rows = size.first, columns = size.second;
      MatrixXd w = MatrixXd::Ones(rows, columns);
      w(2, 17) = std::nan("");
      CHECK(complaint_of([&] { entropy(w, options, "client 3: final_weight"); }) ==
            "client 3: final_weight[2, 17] is NaN");
      w(2, 17) = infinity;
      CHECK(complaint_of([&] { entropy(w, options); }) == "matrix[2, 17] is infinite");
      w(0, 4) = -infinity;
      CHECK(complaint_of([&] { entropy(w, options); }) == "matrix[0, 4] is -infinite");
    }
  }
}

TEST_CASE("what is no matrix is refused") {
  CHECK(complaint_of([] { entropy(std::vector<float>(5)); }) == "matrix has shape [5], expected a matrix");
  const std::vector<MatrixXd> cube(2, MatrixXd::Ones(3, 4));
  CHECK(complaint_of([&] { spectrum(cube, Route::gram, "W"); }) ==
        "W has shape [2, 3, 4], expected a matrix");
}

TEST_CASE("a batch is its matrices one by one, each named by its own name") {
  random::Stream stream(seed, 3);
  const MatrixXd a = gaussian(stream, 3, 8), b = gaussian(stream, 9, 4);
  const std::vector<TensorView> views{a, b};
  CHECK(entropies(views) == std::vector<double>{entropy(a), entropy(b)});
  CHECK(entropies({}).empty());
  MatrixXd bad = a;
  bad(1, 1) = std::nan("");
  const std::vector<TensorView> one_bad{a, bad};
  const std::vector<std::string> names{"client 1: W", "client 2: W"};
  CHECK(complaint_of([&] { entropies(one_bad, {}, names); }) == "client 2: W[1, 1] is NaN");
  CHECK(complaint_of([&] { entropies(one_bad); }) == "matrix 1[1, 1] is NaN");
}

TEST_CASE("the number of threads and the memory's order do not change a bit") {
  CAPTURE(seed);
  random::Stream stream(seed, 4);
  for (const auto& size : {std::pair<Index, Index>{10, 50000}, {50000, 10}, {100, 3000}}) {
    const Index rows = size.first, columns = size.second;
    CAPTURE(rows);
    const MatrixXd w = gaussian(stream, rows, columns);
    const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> row_major = w;
    const auto with_threads = [&](int count, const TensorView& matrix) {
      const tests::Threads scope(count);
      return bits(entropy(matrix));
    };
    const std::uint64_t one = with_threads(1, w);
    CHECK(one == with_threads(2, w));
    CHECK(one == with_threads(3, row_major));
  }
}

TEST_CASE("the entropy of a spectrum by itself") {
  CHECK(von_neumann_entropy({}) == 0);
  CHECK(von_neumann_entropy(std::vector<double>{1}) == 0);
  CHECK(von_neumann_entropy(std::vector<double>{0, 0.5, 0.5}) ==
        doctest::Approx(std::log(2.0)).epsilon(1e-15));
  const double q = 0.5 + 1e-10;
  CHECK(von_neumann_entropy(std::vector<double>{0.5, 0.5}, 1e-10) ==
        doctest::Approx(-2 * q * std::log(q)).epsilon(1e-15));
}
