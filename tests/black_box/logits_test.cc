// Logits read from tensors, their softmax in logarithms, and ensembles of them.
#include "fedval/black_box/logits.hpp"

#include <cmath>
#include <limits>

#include "fedval/tensor/eigen.hpp"
#include "fedval/tensor/std.hpp"
#include "tests/black_box/naive.hpp"
#include "tests/support/complaint.hpp"

using namespace fedval;
using namespace fedval::black_box;
using tests::Classes;
using tests::complaint_of;
using tests::Real;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 3001;
constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("log softmax is its definition in long double") {
  CAPTURE(seed);
  random::Stream stream(seed);
  for (const double size : {0.1, 1.0, 30.0})
    for (const double temperature : {1.0, 5.0, 20.0})
      for (const std::size_t classes : {1UL, 2UL, 10UL, 100UL}) {
        const Logits logits = tests::random_logits(stream, 7, classes, size);
        const Logits found = log_softmax(logits, temperature);
        const tests::Table table = tests::table_of(logits);
        for (std::size_t i = 0; i < logits.rows(); ++i) {
          const std::vector<Real> expected = tests::naive_softmax(table[i], temperature);
          // Logits reach 4 sizes: their difference over T is rounded twice, so are the exponentials with it,
          // and the logarithm of a sum in [1, C] adds the roundings of C terms.
          const double off = (6 * 8 * size / temperature + static_cast<double>(classes) + 8) * 0x1p-53;
          for (std::size_t c = 0; c < classes; ++c)
            CHECK(std::abs(found(i, c) - std::log(expected[c])) <= off);
        }
      }
}

TEST_CASE("log softmax of one class is 0, of equal logits -log C") {
  CHECK(log_softmax(Logits{{17}})(0, 0) == 0);
  const Logits equal = log_softmax(Logits{{-3, -3, -3, -3}}, 5);
  for (const double entry : equal.values()) CHECK(entry == doctest::Approx(-std::log(4.0)).epsilon(1e-15));
}

TEST_CASE("log softmax does not overflow") {
  CHECK(log_softmax(Logits{{1e4, 0}}) == Logits{{0, -1e4}});
  CHECK(log_softmax(Logits{{-1e4, 0, -2e4}}, 5) == Logits{{-2000, 0, -4000}});
  CHECK(log_softmax(Logits{{0, 1e300}}) == Logits{{-1e300, 0}});
  CHECK(log_softmax(Logits{{-1e300, 1e300}, {1e300, 0}}, 2) == Logits{{-1e300, 0}, {0, -5e299}});
}

TEST_CASE("log softmax: a constant more changes nothing, order and temperature go through") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  Logits logits = tests::random_logits(stream, 5, 6);
  for (double& entry : logits.values()) entry = std::round(entry * 256) / 256;  // so that sums are exact
  Logits more = logits, turned = logits;
  for (double& entry : more.values()) entry += 1024;
  for (std::size_t i = 0; i < logits.rows(); ++i) std::reverse(turned.row(i).begin(), turned.row(i).end());
  CHECK(log_softmax(more, 5) == log_softmax(logits, 5));
  CHECK(log_softmax(8.0 * logits, 8) == log_softmax(logits));
  const Logits straight = log_softmax(logits), reversed = log_softmax(turned);
  for (std::size_t i = 0; i < logits.rows(); ++i) {
    double sum = 0;
    for (std::size_t c = 0; c < 6; ++c) {
      CHECK(reversed(i, 5 - c) == doctest::Approx(straight(i, c)).epsilon(1e-14));
      sum += std::exp(straight(i, c));
    }
    CHECK(sum == doctest::Approx(1).epsilon(1e-14));
  }
}

TEST_CASE("logits in tensors of any kind") {
  const Logits expected{{1.5, -2, 0.25}, {0, 4, -0.5}};
  CHECK(read_logits(std::vector<std::vector<float>>{{1.5F, -2, 0.25F}, {0, 4, -0.5F}}) == expected);
  Eigen::MatrixXd columns(2, 3);
  columns << 1.5, -2, 0.25, 0, 4, -0.5;
  CHECK(read_logits(columns) == expected);
  const Eigen::MatrixXf transposed = columns.cast<float>().transpose();
  CHECK(read_logits(transposed) == Logits{{1.5, 0}, {-2, 4}, {0.25, -0.5}});
}

TEST_CASE("logits that are none: the entry is named, and the shape") {
  std::vector<Values> rows{{1, 2, 3}, {4, 5, 6}};
  rows[1][2] = std::nan("");
  CHECK(complaint_of([&] { read_logits(rows, "client 3: logits"); }) == "client 3: logits[1, 2] is NaN");
  rows[1][2] = 0;
  rows[0][1] = -infinity;
  CHECK(complaint_of([&] { read_logits(rows); }) == "logits[0, 1] is -infinite");
  CHECK(complaint_of([&] { read_logits(rows[1], "answer"); }) ==
        "answer: a shape of [3], expected samples x classes");
  CHECK(complaint_of([&] {
          read_logits(std::vector<std::vector<Values>>{rows, rows});
        }) == "logits: a shape of [2, 2, 3], expected samples x classes");
}

TEST_CASE("an ensemble by size: shares of all samples") {
  const Values sizes{30, 10, 0, 60};
  const EnsembleWeights weights = EnsembleWeights::by_size(sizes);
  CHECK(weights.boxes() == 4);
  for (const std::size_t y : {0UL, 1UL, 99UL}) {  // whatever the class
    CHECK(weights(0, y) == 0.3);
    CHECK(weights(1, y) == 0.1);
    CHECK(weights(2, y) == 0);
    CHECK(weights(3, y) == 0.6);
  }
  // Sizes in quarters, so that all products and sums are exact.
  const Values quarters{2, 5, 1};
  const std::vector<Logits> answers{
      {{1, 2, 3}, {4, 5, 6}}, {{8, 0, -8}, {16, 0, 0}}, {{0, 8, 0}, {0, 0, 0.5}}};
  CHECK(EnsembleWeights::by_size(quarters)(answers, Classes{2, 0}) ==
        Logits{{5.25, 1.5, -4.25}, {11, 1.25, 1.5625}});
}

TEST_CASE("an ensemble by class: shares of the examples of the class that a sample is for") {
  // Class 1: 1 of 4 and 3 of 4. Class 2: nobody, so by size: 6 of 16 and 10 of 16.
  const EnsembleWeights weights = EnsembleWeights::by_class({{4, 1, 0, 1}, {0, 3, 0, 7}});
  CHECK(weights.boxes() == 2);
  const Logits expected{{1, 0.25, 0.375, 0.125}, {0, 0.75, 0.625, 0.875}};
  for (std::size_t k = 0; k < 2; ++k)
    for (std::size_t y = 0; y < 4; ++y) CHECK(weights(k, y) == expected(k, y));
  const std::vector<Logits> answers{Logits(5, 2, Values(10, 8.0)), Logits(5, 2, Values(10, -16.0))};
  const Logits sum = weights(answers, Classes{3, 2, 1, 0, 1});
  CHECK(sum == Logits{{-13, -13}, {-7, -7}, {-10, -10}, {8, 8}, {-10, -10}});
}

TEST_CASE("boxes with equal examples of every class: by class is by size") {
  const EnsembleWeights by_class = EnsembleWeights::by_class({{3, 3, 3}, {9, 9, 9}, {4, 4, 4}});
  const EnsembleWeights by_size = EnsembleWeights::by_size(Values{3, 9, 4});
  for (std::size_t k = 0; k < 3; ++k)
    for (std::size_t y = 0; y < 3; ++y) CHECK(by_class(k, y) == by_size(k, 0));
}

TEST_CASE("ensembles that are none: box and value are named") {
  const auto sized = [](Values sizes) { return complaint_of([&] { EnsembleWeights::by_size(sizes); }); };
  CHECK(sized({}) == "ensemble: no weights");
  CHECK(sized({0, 0}) == "ensemble: nobody has samples");
  CHECK(sized({3, -2}) == "ensemble: box 1 has -2 samples");
  CHECK(sized({3, 1, infinity}) == "ensemble: box 2 has inf samples");
  CHECK(sized({std::nan(""), 1}) == "ensemble: box 0 has nan samples");
  CHECK(complaint_of([] {
          EnsembleWeights::by_class({{1, 2}, {0, -1}});
        }) == "ensemble: box 1 has -1 samples");
  CHECK(complaint_of([] { EnsembleWeights::by_class({{0, 0}, {0, 0}}); }) == "ensemble: nobody has samples");

  const EnsembleWeights weights = EnsembleWeights::by_class({{1, 2}, {3, 4}});
  CHECK(complaint_of([&] { weights(0, 2); }) == "ensemble: class 2 of 2");
  const Logits two{{1, 2}, {3, 4}}, three{{1, 2}, {3, 4}, {5, 6}};
  const auto answered = [&](const std::vector<Logits>& answers, const Classes& classes) {
    return complaint_of([&] { weights(answers, classes); });
  };
  CHECK(answered({two}, {0, 0}) == "ensemble: 1 answers for 2 weights");
  CHECK(answered({two, two}, {0}) == "ensemble: 1 classes for 2 samples");
  CHECK(answered({two, three}, {0, 0}) == "cannot add answers of 2 x 2 and 3 x 2");
  CHECK(answered({two, two}, {0, 2}) == "ensemble: class 2 of 2");
  Logits broken = two;
  broken(1, 0) = std::nan("");
  CHECK(answered({two, broken}, {0, 0}) == "ensemble: box 1 answers sample 1 with nan for class 0");
}
