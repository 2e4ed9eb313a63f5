#include "fedval/tensor/operations.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "fedval/tensor/std.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"
#include "tests/support/threads.hpp"

using namespace fedval;
using tests::bits;
using tests::complaint_of;
using tests::Values;

TEST_CASE("weighted sums of every size are those of the definition, with any number of threads") {
  constexpr std::uint64_t seed = 31;
  CAPTURE(seed);
  for (const std::size_t size :
       std::initializer_list<std::size_t>{0, 1, 511, 512, 513, 1023, 1024, 1025, 65535, 65537, 200000}) {
    CAPTURE(size);
    random::Stream stream(seed, size);
    const std::vector<Values> terms{tests::normals(stream, size), tests::normals(stream, size, 1e3)};
    const std::vector<TensorView> views(terms.begin(), terms.end());
    const Values start = tests::normals(stream, size), weights{0.3, -1e-3};
    const auto with_threads = [&](int count) {
      const tests::Threads scope(count);
      Values out = start;
      combine(weights, views, 0.9, out);
      return out;
    };
    const Values out = with_threads(1);
    CHECK(bits(out) == bits(with_threads(2)));
    std::size_t wrong = 0;
    for (std::size_t k = 0; k < size; ++k) {
      const long double exact = 0.9L * start[k] + 0.3L * terms[0][k] - 1e-3L * terms[1][k];
      const double magnitude = std::abs(start[k]) + std::abs(terms[0][k]) + std::abs(terms[1][k]);
      wrong += !(std::abs(out[k] - exact) <= tests::sum_bound(4) * magnitude);
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("a sum is rounded once to the output's type, not after each term") {
  // In float alone 2^24 + 1 + 1 stays 2^24.
  std::vector<float> out{16777216.0f};
  const std::vector<float> one{1};
  const std::vector<TensorView> terms{one, one};
  combine(Values{1, 1}, terms, 1.0, out);
  CHECK(out[0] == 16777218.0f);
  std::vector<Half> half{Half(2048)};
  combine(Values{1, 1}, terms, 1.0, half);
  CHECK(static_cast<double>(half[0]) == 2050);
}

TEST_CASE("NaN and infinities go through dot, combine and axpy") {
  const double infinity = std::numeric_limits<double>::infinity();
  const Values bad{1, std::nan(""), infinity}, ones{1, 1, 1};
  CHECK(std::isnan(dot(bad, ones)));
  CHECK(dot(Values{1, infinity}, Values{1, 1}) == infinity);
  Values out = ones;
  axpy(2.0, bad, out);
  CHECK(out[0] == 3);
  CHECK(std::isnan(out[1]));
  CHECK(out[2] == infinity);
}

TEST_CASE("every operation is defined on tensors of no entries") {
  Values none, other;
  std::vector<std::vector<float>> no_rows, empty_rows(3);
  CHECK(dot(none, other) == 0);
  CHECK(dot(none, no_rows) == 0);
  CHECK(norm(none) == 0);
  CHECK(norm(empty_rows) == 0);
  axpy(2.0, none, empty_rows);
  scale(2.0, none);
  combine({}, {}, 0.0, no_rows);
  CHECK(none.empty());
}

TEST_CASE("a sum of no tensors is keep times the output") {
  Values out{1, std::nan(""), 3};
  combine({}, {}, 0.0, out);
  CHECK(out == Values{0, 0, 0});
  out = {1, 2};
  combine({}, {}, 1.0, out);
  CHECK(out == Values{1, 2});
}

TEST_CASE("operands that do not fit are refused, and nothing is written") {
  Values out{1, 2, 3};
  const Values two{1, 1};
  const TensorView view = two;
  CHECK(complaint_of([&] { dot(out, two); }) ==
        "tensor 1 has 2 entries (shape [2]), tensor 0 has 3 (shape [3])");
  CHECK_THROWS_AS(axpy(1.0, two, out), Error);
  CHECK(complaint_of([&] {
          combine(Values{1, 2}, {&view, 1}, 1.0, out);
        }) == "combine: 2 weights for 1 tensors");
  CHECK(out == Values{1, 2, 3});
}
