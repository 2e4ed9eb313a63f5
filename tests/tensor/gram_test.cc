#include "fedval/tensor/gram.hpp"

#include <doctest/doctest.h>

#include <array>
#include <limits>

#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/std.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"
#include "tests/support/threads.hpp"

using namespace fedval;
using tests::bits;
using tests::complaint_of;
using tests::Threads;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 17;

std::vector<TensorView> views_of(const std::vector<Values>& vectors) {
  return {vectors.begin(), vectors.end()};
}

std::vector<std::uint64_t> all_bits(const Gram& gram) {
  std::vector<std::uint64_t> result;
  for (std::size_t i = 0; i < gram.size(); ++i)
    for (std::size_t j = 0; j < gram.size(); ++j) {
      result.push_back(bits(gram(i, j)));
      result.push_back(bits(gram.cosine(i, j)));
    }
  for (std::size_t i = 0; i < gram.size(); ++i) result.push_back(bits(gram.norm(i)));
  return result;
}

/// Norms and cosines against long double, whose range no double here leaves.
void check_against_naive(const std::vector<Values>& vectors) {
  const Gram found = gram(views_of(vectors));
  REQUIRE(found.size() == vectors.size());
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    CAPTURE(i);
    const double bound = tests::sum_bound(vectors[i].size());
    const long double length = tests::naive_norm(vectors[i]);
    // One subnormal unit where the norm itself is subnormal.
    CHECK(std::abs(found.norm(i) - length) <= bound * length + 0x1p-1074L);
    CHECK(bits(norm(vectors[i])) == bits(found.norm(i)));
    for (std::size_t j = 0; j < vectors.size(); ++j) {
      CAPTURE(j);
      CHECK(std::abs(found.cosine(i, j) - tests::naive_cosine(vectors[i], vectors[j])) <= 2 * bound);
      CHECK(bits(found.cosine(i, j)) == bits(found.cosine(j, i)));
    }
  }
}

// Around the lanes, the blocks of 512, the slices of 1024, and where slices grow longer than that.
constexpr std::size_t sizes[] = {1,    7,    8,     9,     511,   512,   513,   1023,
                                 1024, 1025, 65535, 65536, 65537, 66561, 200000};

/// The documented order of summation: eight lanes over 512 entries, the lanes in pairs, block after block.
/// The products of two floats are exact in double, so the bits are the same with and without fused
/// multiply-add. For at most 1024 entries, which are one slice.
double eight_lane_dot(std::span<const float> a, std::span<const float> b) {
  double total = 0;
  for (std::size_t begin = 0; begin < a.size(); begin += 512) {
    std::array<double, 8> s{};
    for (std::size_t k = begin; k < std::min(begin + 512, a.size()); ++k)
      s[(k - begin) % 8] += static_cast<double>(a[k]) * static_cast<double>(b[k]);
    total += ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
  }
  return total;
}

std::vector<float> floats(random::Stream& stream, std::size_t size) {
  std::vector<float> values(size);
  for (float& value : values) value = static_cast<float>(stream.normal());
  return values;
}

}  // namespace

TEST_CASE("inner products of every size are those of the definition, with any number of threads") {
  CAPTURE(seed);
  random::Stream stream(seed);
  for (const std::size_t size : sizes) {
    CAPTURE(size);
    std::vector<Values> vectors;
    for (int i = 0; i < 5; ++i) vectors.push_back(tests::normals(stream, size));
    const std::vector<TensorView> views = views_of(vectors);
    const Gram found = gram(views);
    for (std::size_t i = 0; i < 5; ++i)
      for (std::size_t j = 0; j < 5; ++j) {
        const long double exact = tests::naive_dot(vectors[i], vectors[j]);
        CHECK(std::abs(found(i, j) - exact) <= tests::dot_bound(vectors[i], vectors[j]));
      }
    const auto with_threads = [&](int threads) {
      const Threads scope(threads);
      auto result = all_bits(gram(views));
      result.push_back(bits(dot(views[0], views[1])));
      return result;
    };
    const auto one = with_threads(1);
    CHECK(one == with_threads(2));
    CHECK(one == with_threads(3));
  }
}

TEST_CASE("a pair's bits do not depend on the other vectors nor on the order") {
  CAPTURE(seed);
  constexpr std::size_t n = 9;  // two tiles, the last not full
  for (const std::size_t size : std::initializer_list<std::size_t>{1, 7, 513, 1025, 65537}) {
    CAPTURE(size);
    random::Stream stream(seed, size);
    std::vector<Values> vectors;
    for (std::size_t i = 0; i < n; ++i)
      vectors.push_back(tests::normals(stream, size, i == 2 ? 1e300 : i == 5 ? 1e-300 : 1));
    const std::vector<TensorView> views = views_of(vectors);
    const Gram whole = gram(views);
    std::vector<std::size_t> order(n);
    for (std::size_t i = 0; i < n; ++i) order[i] = i;
    std::size_t different = 0;
    for (unsigned subset = 1; subset < 1u << n; ++subset) {
      if (size > 2000 && stream.below(16) != 0) continue;
      stream.shuffle(std::span(order));
      std::vector<std::size_t> members;
      std::vector<TensorView> chosen;
      for (const std::size_t i : order)
        if ((subset >> i & 1) != 0) {
          members.push_back(i);
          chosen.push_back(views[i]);
        }
      const Gram part = gram(chosen);
      for (std::size_t a = 0; a < members.size(); ++a) {
        different += bits(part.norm(a)) != bits(whole.norm(members[a]));
        for (std::size_t b = 0; b < members.size(); ++b) {
          different += bits(part(a, b)) != bits(whole(members[a], members[b]));
          different += bits(part.cosine(a, b)) != bits(whole.cosine(members[a], members[b]));
        }
      }
    }
    CHECK(different == 0);
  }
}

TEST_CASE("the bits are those of the documented order, whatever the number of vectors and where they lie") {
  CAPTURE(seed);
  for (const std::size_t size : std::initializer_list<std::size_t>{1, 8, 504, 512, 520, 1000, 1017, 1024}) {
    CAPTURE(size);
    random::Stream stream(seed, size);
    std::vector<std::vector<float>> vectors;
    for (int i = 0; i < 27; ++i) vectors.push_back(floats(stream, size));
    // The same entries as doubles, with gaps between them, and as a list of three tensors.
    std::vector<Values> doubles;
    std::vector<std::vector<float>> wide;
    for (const auto& vector : vectors) {
      doubles.emplace_back(vector.begin(), vector.end());
      wide.emplace_back(2 * size);
      for (std::size_t k = 0; k < size; ++k) wide.back()[2 * k] = vector[k];
    }
    const auto view = [&](std::size_t i, int layout) -> TensorView {
      const std::span<float> whole(vectors[i]);
      const Shape shape{static_cast<std::int64_t>(size)};
      switch (layout) {
        case 1:
          return doubles[i];
        case 2:
          return {shape, {Piece::host(wide[i].data(), ScalarType::float32, shape, Shape{2})}};
        case 3: {
          const std::array<TensorView, 3> parts{whole.first(size / 3), whole.subspan(size / 3, size / 2),
                                                whole.subspan(size / 3 + size / 2)};
          return TensorView::concatenate(parts);
        }
        default:
          return whole;
      }
    };
    std::size_t different = 0;
    for (const std::size_t n : std::initializer_list<std::size_t>{1, 2, 3, 4, 5, 6, 7, 9, 10, 14, 15, 16, 27})
      for (int layout = 0; layout < 5; ++layout) {  // the last: each vector its own
        std::vector<TensorView> views;
        for (std::size_t i = 0; i < n; ++i)
          views.push_back(view(i, layout == 4 ? static_cast<int>(i % 4) : layout));
        const Gram found = gram(views);
        for (std::size_t i = 0; i < n; ++i)
          for (std::size_t j = 0; j < n; ++j)
            different += bits(found(i, j)) != bits(eight_lane_dot(vectors[i], vectors[j]));
      }
    CHECK(different == 0);
  }
}

TEST_CASE("more vectors than a cache holds, as the definition has them") {
  CAPTURE(seed);
  random::Stream stream(seed, 3);
  constexpr std::size_t n = 107, size = 700;
  std::vector<std::vector<float>> vectors;
  for (std::size_t i = 0; i < n; ++i) vectors.push_back(floats(stream, size));
  const Gram found = gram(std::vector<TensorView>(vectors.begin(), vectors.end()));
  std::size_t different = 0;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j)
      different += bits(found(i, j)) != bits(eight_lane_dot(vectors[i], vectors[j]));
  CHECK(different == 0);
}

TEST_CASE("rows of one matrix") {
  CAPTURE(seed);
  random::Stream stream(seed, 4);
  constexpr std::size_t n = 6, size = 777;
  const std::vector<float> values = floats(stream, n * size);
  const TensorView matrix(std::span<const float>{values});
  std::vector<detail::GramRow> rows;
  for (std::size_t i = 0; i < n; ++i) rows.push_back({&matrix, i * size, static_cast<int>(i % 2) * 3});
  const std::vector<double> found = detail::panel_gram(rows, size);
  const std::span<const float> all(values);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j)
      CHECK(bits(std::ldexp(found[i * n + j], rows[i].exponent + rows[j].exponent)) ==
            bits(eight_lane_dot(all.subspan(i * size, size), all.subspan(j * size, size))));
}

TEST_CASE("norms and cosines hold at every scale") {
  CAPTURE(seed);
  random::Stream stream(seed);
  for (const std::size_t size : std::initializer_list<std::size_t>{1, 513, 3000}) {
    CAPTURE(size);
    std::vector<Values> vectors;
    for (const double scale : {1.0, 1e300, 1e-300, 1e150, 1e-150, 1e-160, 0.0})
      vectors.push_back(tests::normals(stream, size, scale));
    Values subnormal = tests::normals(stream, size, 1000);
    for (double& value : subnormal) value = std::round(value) * 5e-324;
    subnormal[0] = 3 * 5e-324;
    vectors.push_back(subnormal);
    check_against_naive(vectors);
    for (const Values& alone : vectors) check_against_naive({alone});
  }
}

TEST_CASE("floats of 1e30 and near their largest have norms and cosines") {
  CAPTURE(seed);
  random::Stream stream(seed);
  std::vector<std::vector<float>> vectors(3, std::vector<float>(700));
  for (auto& vector : vectors)
    for (float& value : vector) value = static_cast<float>(1e30 * stream.normal());
  for (float& value : vectors[2]) value = value > 0 ? 3.4e38f : -3.4e38f;
  std::vector<Values> exact;
  for (const auto& vector : vectors) exact.emplace_back(vector.begin(), vector.end());
  const Gram found = gram(std::vector<TensorView>(vectors.begin(), vectors.end()));
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j)
      CHECK(std::abs(found(i, j) - tests::naive_dot(exact[i], exact[j])) <=
            tests::dot_bound(exact[i], exact[j]));
}

TEST_CASE("an inner product beyond a double is infinite or zero, its cosine is not") {
  const std::vector<Values> vectors{{1e300, 1e300}, {1e300, -2e300}, {1e-300, 3e-300}};
  const Gram found = gram(views_of(vectors));
  CHECK(found(0, 0) == std::numeric_limits<double>::infinity());
  CHECK(found(0, 1) == -std::numeric_limits<double>::infinity());
  CHECK(found(2, 2) == 0);
  CHECK(found(0, 2) == doctest::Approx(4).epsilon(1e-15));
  CHECK(found.cosine(0, 1) == doctest::Approx(-1 / std::sqrt(10.0)).epsilon(1e-15));
  CHECK(found.norm(2) == doctest::Approx(std::sqrt(10.0) * 1e-300).epsilon(1e-15));
}

TEST_CASE("a zero vector has cosine 0 with everything, itself included") {
  const std::vector<Values> vectors{{0, 0}, {1, 0}, {0, -0.0}};
  const Gram found = gram(views_of(vectors));
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(found.cosine(0, i) == 0);
    CHECK(found(0, i) == 0);
  }
  CHECK(found.norm(0) == 0);
  CHECK(found.cosine(1, 1) == 1);
}

TEST_CASE("no vectors, and vectors of no entries") {
  CHECK(gram({}).size() == 0);
  const std::vector<Values> empty(3);
  const Gram found = gram(views_of(empty));
  CHECK(found.size() == 3);
  CHECK(found(0, 1) == 0);
  CHECK(found.cosine(2, 2) == 0);
  CHECK(found.norm(1) == 0);
}

TEST_CASE("an entry that is not finite is named with its vector") {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<std::string> names{"client 2: update", "client 3: update"};
  for (const std::size_t place : std::initializer_list<std::size_t>{0, 17, 600, 2999}) {
    CAPTURE(place);
    std::vector<Values> vectors(2, Values(3000, 1.0));
    const std::string where = "client 3: update[" + std::to_string(place) + "] is ";
    vectors[1][place] = std::nan("");
    CHECK(complaint_of([&] { gram(views_of(vectors), names); }) == where + "NaN");
    vectors[1][place] = infinity;
    CHECK(complaint_of([&] { gram(views_of(vectors), names); }) == where + "infinite");
    vectors[1][place] = -infinity;
    CHECK(complaint_of([&] { gram(views_of(vectors), names); }) == where + "-infinite");
    CHECK(complaint_of([&] { gram(views_of(vectors)); }) ==
          "tensor 1[" + std::to_string(place) + "] is -infinite");
    CHECK(complaint_of([&] { norm(vectors[1]); }) == "tensor 0[" + std::to_string(place) + "] is -infinite");
  }
  // Beside vectors that need scaling, too.
  const std::vector<Values> vectors{{1e300, 1}, {1, std::nan("")}};
  CHECK(complaint_of([&] { gram(views_of(vectors), names); }) == "client 3: update[1] is NaN");
}

TEST_CASE("vectors of different sizes are refused, and named") {
  const std::vector<float> three(3), four(4);
  const std::vector<TensorView> views{three, three, four};
  const std::vector<std::string> names{"client 1: update", "client 2: update", "client 10: update"};
  CHECK(complaint_of([&] { gram(views, names); }) ==
        "client 10: update has 4 entries (shape [4]), client 1: update has 3 (shape [3])");
  CHECK(complaint_of([&] { gram(views); }) ==
        "tensor 2 has 4 entries (shape [4]), tensor 0 has 3 (shape [3])");
}
