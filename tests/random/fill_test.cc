#include "fedval/random/fill.hpp"

#include <doctest/doctest.h>

#include <Eigen/Core>
#include <bit>
#include <cmath>

#include "fedval/tensor/eigen.hpp"
#include "fedval/tensor/std.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"
#include "tests/support/threads.hpp"

using namespace fedval::random;
using fedval::BFloat16;
using fedval::DeviceOperations;
using fedval::Half;
using fedval::MutableTensorView;
using fedval::Piece;
using fedval::RandomOperations;
using fedval::TensorView;
using fedval::tests::complaint_of;
using fedval::tests::Threads;
using fedval::tests::Values;

namespace {

constexpr std::uint64_t seed = 1009;

/// One of each law, and signs times a Walsh row.
const std::vector<Sequence> sequences{
    {Law::uniform, {seed, 1}},    {Law::gaussian, {seed, 2}},
    {Law::laplace, {seed, 3}},    {Law::laplace_sign, {seed, 4}},
    {Law::rademacher, {seed, 5}}, {Law::rademacher, {seed, 6}, 0x123456789abd}};

std::vector<float> numbers(const Sequence& sequence, std::size_t count, std::uint64_t begin = 0) {
  std::vector<float> x(count, 77);
  fill(sequence, x, begin);
  return x;
}

std::vector<std::uint32_t> bits(std::span<const float> values) {
  std::vector<std::uint32_t> result;
  for (const float value : values) result.push_back(std::bit_cast<std::uint32_t>(value));
  return result;
}

template <class S>
Values doubles(const std::vector<S>& values) {
  Values result;
  for (const S& value : values) result.push_back(static_cast<double>(value));
  return result;
}

}  // namespace

TEST_CASE("any part is the part of the whole") {
  constexpr std::size_t size = 5 * 4096;
  CAPTURE(seed);
  for (const std::uint64_t start : {std::uint64_t{0}, (1UL << 34) - 2 * 4096, (1UL << 50) - size})
    for (const Sequence& sequence : sequences) {
      CAPTURE(sequence.law);
      CAPTURE(start);
      const std::vector<float> whole = numbers(sequence, size, start);
      const auto check = [&](std::size_t begin, std::size_t count) {
        CAPTURE(begin);
        CAPTURE(count);
        const std::vector<float> part = numbers(sequence, count, start + begin);
        REQUIRE(bits(part) == bits(std::span(whole).subspan(begin, count)));
      };
      for (const std::size_t border : {128UL, 4096UL})
        for (std::size_t begin = border - 2; begin <= border + 2; ++begin)
          for (const std::size_t end : {begin, border + 2, 2 * border - 1, 2 * border, 2 * border + 1, size})
            check(begin, end - begin);
      Stream stream(seed);
      for (int each = 0; each < 100; ++each) {
        const std::size_t begin = stream.below(size + 1);
        check(begin, stream.below(size - begin + 1));
      }
    }
}

TEST_CASE("a list of tensors holds what one long tensor would") {
  CAPTURE(seed);
  Stream stream(seed);
  for (const Sequence& sequence : sequences)
    for (int each = 0; each < 20; ++each) {
      std::vector<std::vector<float>> list;
      std::vector<float> joined;
      for (std::uint64_t k = stream.below(8) + 1; k > 0; --k) list.emplace_back(stream.below(3000), 77.0F);
      const std::uint64_t begin = stream.below(10000);
      fill(sequence, list, begin);
      for (const std::vector<float>& part : list) joined.insert(joined.end(), part.begin(), part.end());
      REQUIRE(bits(joined) == bits(numbers(sequence, joined.size(), begin)));
    }
}

TEST_CASE("numbers beyond 2^32 are others than those their lower bits name") {
  // Where the index, a Philox block's number or half a tile passes 32 bits. Of 256 numbers, or of signs, that
  // were the same by chance: at most 256 x 2^-24 expected of the rest, and 128 + 5 x 8 of the signs.
  for (const Sequence& sequence : sequences) {
    const bool signs = sequence.law == Law::rademacher || sequence.law == Law::laplace_sign;
    const std::vector<float> first = numbers(sequence, 256);
    for (int power = 8; power < 50; ++power) {
      CAPTURE(sequence.law);
      CAPTURE(power);
      const std::vector<float> far = numbers(sequence, 256, 1UL << power);
      std::size_t same = 0;
      for (std::size_t i = 0; i < far.size(); ++i) same += far[i] == first[i] ? 1 : 0;
      CHECK(same <= (signs ? 168 : 1));
    }
  }
}

TEST_CASE("any number of threads gives the same bits") {
  constexpr std::size_t size = 500001;  // worth seven threads
  for (const Sequence& sequence : sequences) {
    std::vector<std::uint32_t> expected;
    double euclidean = 0, magnitudes = 0;
    for (const int threads : {1, 2, 3, 7}) {
      const Threads scope(threads);
      const std::vector<std::uint32_t> filled = bits(numbers(sequence, size, 12345));
      if (threads == 1) {
        expected = filled;
        euclidean = norm(sequence, size);
        magnitudes = l1_norm(sequence, size);
      }
      CAPTURE(sequence.law);
      CAPTURE(threads);
      CHECK(filled == expected);
      CHECK(norm(sequence, size) == euclidean);
      CHECK(l1_norm(sequence, size) == magnitudes);
    }
  }
}

TEST_CASE_TEMPLATE("every scalar type holds the numbers, rounded once", S, double, float, Half, BFloat16) {
  for (const Sequence& sequence : sequences) {
    std::vector<S> filled(9001);
    fill(sequence, filled, 77);
    Values expected;
    for (const float x : numbers(sequence, filled.size(), 77))
      expected.push_back(static_cast<double>(static_cast<S>(x)));
    CAPTURE(sequence.law);
    CHECK(fedval::tests::bits(doubles(filled)) == fedval::tests::bits(expected));
  }
}

TEST_CASE_TEMPLATE("strided tensors are filled row by row, and what lies between is left alone", S, double,
                   float) {
  using Matrix = Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic>;  // column-major
  for (const Sequence& sequence : sequences) {
    CAPTURE(sequence.law);
    for (const auto& [rows, columns] : std::vector<std::pair<Eigen::Index, Eigen::Index>>{
             {3, 5000}, {5000, 3}, {200, 200}, {1, 700}, {700, 1}}) {
      const std::vector<float> expected = numbers(sequence, static_cast<std::size_t>(rows * columns), 1000);
      const auto compare = [&, c = columns](const auto& tensor) {
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < expected.size(); ++i) {
          const auto at = static_cast<Eigen::Index>(i);
          wrong += tensor(at / c, at % c) == static_cast<S>(expected[i]) ? 0 : 1;
        }
        CHECK(wrong == 0);
      };
      Matrix whole(rows, columns);
      fill(sequence, whole, 1000);
      compare(whole);
      Matrix around = Matrix::Constant(rows + 5, columns + 3, 77);
      fill(sequence, around.block(2, 1, rows, columns), 1000);
      compare(around.block(2, 1, rows, columns));
      around.block(2, 1, rows, columns).setConstant(77);
      CHECK((around.array() == S{77}).all());
      std::vector<S> wide(static_cast<std::size_t>(2 * rows * 3 * columns), S{77});
      const Eigen::Map<Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>, 0,
                       Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>>
          map(wide.data(), rows, columns, {6 * columns, 3});
      std::vector<S>& memory = wide;
      fill(sequence,
           Eigen::Map<Matrix, 0, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>>(memory.data(), rows, columns,
                                                                                {3, 6 * columns}),
           1000);
      compare(map);
      CHECK(std::count(wide.begin(), wide.end(), S{77}) ==
            static_cast<std::ptrdiff_t>(wide.size() - expected.size()));
    }
  }
}

namespace {

std::vector<float> device_memory;
std::vector<std::pair<std::size_t, std::size_t>> calls;

/// A device of which only writing, or drawing, is known.
MutableTensorView on_device(const DeviceOperations& operations, std::size_t size) {
  const auto extent = static_cast<std::int64_t>(size);
  Piece piece = Piece::host(nullptr, fedval::ScalarType::float32, {extent}, {1});
  piece.device = &operations;
  return MutableTensorView(TensorView({extent}, {piece}));
}

}  // namespace

TEST_CASE("a device draws by itself where it can, and is written to where it cannot") {
  constexpr std::size_t size = (2U << 20) + 100;  // more than two parts
  const Sequence sequence = sequences[1];
  DeviceOperations operations{};
  operations.write = [](const Piece&, std::size_t begin, std::span<const double> values) {
    for (std::size_t i = 0; i < values.size(); ++i) device_memory[begin + i] = static_cast<float>(values[i]);
  };
  device_memory.assign(size, 77);
  fill(sequence, on_device(operations, size), 500);
  CHECK(bits(device_memory) == bits(numbers(sequence, size, 500)));

  const RandomOperations random{[](const Sequence& asked, std::uint64_t begin, const Piece& piece) {
    calls.emplace_back(begin, piece.size);
    CHECK(asked == sequences[1]);
  }};
  operations.random = &random;
  std::vector<float> host(300, 77);
  const std::vector<TensorView> parts{on_device(operations, 1000), MutableTensorView(host),
                                      on_device(operations, 0), on_device(operations, 7)};
  fill(sequence, MutableTensorView(TensorView::concatenate(parts)), 50);
  CHECK(bits(host) == bits(numbers(sequence, 300, 1050)));
  CHECK(calls == std::vector<std::pair<std::size_t, std::size_t>>{{50, 1000}, {1350, 0}, {1350, 7}});
}

TEST_CASE("what cannot be drawn is refused, and nothing is written") {
  constexpr std::uint64_t all = 1UL << 50;
  std::vector<float> x(3, 77), none;
  for (const Law law : {Law::uniform, Law::gaussian, Law::laplace, Law::laplace_sign}) {
    CHECK(complaint_of([&] { fill({law, {}, 1}, x); }) == "random: a Walsh row is for Rademacher signs");
    CHECK(complaint_of([&] { norm({law, {}, 1}, 3); }) == "random: a Walsh row is for Rademacher signs");
    CHECK(complaint_of([&] {
            fill({law, {}}, x, all - 2);
          }) == "random: a sequence has 2^50 numbers, not 3 from number 1125899906842622");
    CHECK(complaint_of([&] {
            fill({law, {}}, x, all + 5);
          }) == "random: a sequence has 2^50 numbers, not 3 from number 1125899906842629");
  }
  CHECK(complaint_of([&] { fill(Sequence{}, x, ~0UL); }).starts_with("random: a sequence has 2^50 numbers"));
  CHECK(complaint_of([&] {
          fill(Sequence{}, none, all + 1);
        }).starts_with("random: a sequence has 2^50 numbers"));
  CHECK(complaint_of([&] { l1_norm({}, all + 1); }).starts_with("random: a sequence has 2^50 numbers"));
  CHECK(x == std::vector<float>(3, 77));
  fill(Sequence{}, none, all);
  fill(Sequence{}, x, all - 3);
  CHECK(std::count(x.begin(), x.end(), 77.0F) == 0);
}
