// How thresholds are found: by sample, by digits, and when the one misleads.
#include <doctest/doctest.h>

#include <array>
#include <functional>
#include <string>
#include <utility>

#include "fedval/tensor/std.hpp"
#include "fedval/tensor/top_k.hpp"
#include "tests/support/oracle.hpp"
#include "tests/support/threads.hpp"

using namespace fedval;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 29;
const double infinity = std::numeric_limits<double>::infinity();

/// The k-th largest magnitude and how many are above it.
TopK naive_threshold(const Values& values, std::size_t k) {
  if (k == 0) return {infinity, 0, 0};
  Values magnitudes = values;
  for (double& value : magnitudes) value = std::abs(value);
  const auto nth = magnitudes.begin() + static_cast<std::ptrdiff_t>(k - 1);
  std::nth_element(magnitudes.begin(), nth, magnitudes.end(), std::greater<>());
  TopK top{*nth, 0, k};
  for (const double value : magnitudes) top.above += value > top.threshold;
  top.ties -= top.above;
  return top;
}

/// Wrong thresholds among ks: each alone, a few together, and all together, which are different ways to find
/// them.
std::size_t wrong_thresholds(const TensorView& tensor, const Values& values,
                             const std::vector<std::size_t>& ks) {
  const auto differ = [&](const TopK& found, std::size_t k) {
    const TopK exact = naive_threshold(values, k);
    return found.threshold != exact.threshold || found.above != exact.above || found.ties != exact.ties;
  };
  std::size_t wrong = 0;
  const std::vector<TopK> all = top_k_thresholds(tensor, ks);
  for (std::size_t i = 0; i < ks.size(); ++i) {
    wrong += differ(all[i], ks[i]);
    wrong += differ(top_k_threshold(tensor, ks[i]), ks[i]);
  }
  const std::vector<std::size_t> few(ks.begin(), ks.begin() + 5);
  const std::vector<TopK> some = top_k_thresholds(tensor, few);
  for (std::size_t i = 0; i < few.size(); ++i) wrong += differ(some[i], few[i]);
  return wrong;
}

/// 15 ks, some at the ends.
std::vector<std::size_t> draw_ks(random::Stream& stream, std::size_t size) {
  std::vector<std::size_t> ks{size, 1, size / 10, size - 1, 2, size / 10, 0};
  while (ks.size() < 15) ks.push_back(stream.below(size + 1));
  return ks;
}

/// What a sample may mislead about.
const std::vector<std::pair<const char*, std::function<double(random::Stream&, std::size_t, std::size_t)>>>
    shapes{
        {"normal", [](auto& stream, auto, auto) { return stream.normal(); }},
        {"constant", [](auto&, auto, auto) { return -0.75; }},
        {"zeros", [](auto&, auto, auto) { return 0.0; }},
        {"mostly zeros", [](auto& s, auto, auto) { return s.below(10) == 0 ? s.normal() : 0.0; }},
        {"one in a tensor of zeros", [](auto&, auto i, auto size) { return i == size / 3 ? 1.0 : 0.0; }},
        {"few values", [](auto& s, auto, auto) { return std::round(2 * s.normal()) / 4; }},
        {"ascending",
         [](auto&, auto i, auto size) { return static_cast<double>(i) / static_cast<double>(size); }},
        {"layers",
         [](auto& s, auto i, auto size) {
           const std::size_t layer = 10 * i / size;
           return s.normal() * std::exp2(-static_cast<double>(layer));
         }},
        {"periodic", [](auto& s, auto i, auto) { return i % 64 == 5 ? 100 + s.uniform() : s.uniform(); }},
        {"narrow", [](auto& s, auto, auto) { return 1 + 0x1p-9 * s.uniform(); }},
        {"narrow with an outlier",
         [](auto& s, auto i, auto) { return i == 7 ? 3e4 : 1 + 0x1p-9 * s.uniform(); }},
        {"many scales", [](auto& s, auto, auto) { return std::exp2(-30 * s.uniform()); }},
        {"subnormal", [](auto& s, auto, auto) { return s.normal() * 0x1p-148; }},
    };

}  // namespace

TEST_CASE_TEMPLATE("thresholds of every shape and scalar type, as by nth_element", S, double, float, Half,
                   BFloat16) {
  CAPTURE(seed);
  for (const auto& shape : shapes)
    for (const std::size_t size : std::initializer_list<std::size_t>{4096, 4097, 20000}) {
      CAPTURE(std::string(shape.first));
      CAPTURE(size);
      random::Stream stream(seed, size);
      Values values(size);
      std::vector<S> tensor;
      for (std::size_t i = 0; i < size; ++i) {
        tensor.push_back(static_cast<S>(shape.second(stream, i, size)));
        values[i] = static_cast<double>(tensor.back());
      }
      CHECK(wrong_thresholds(tensor, values, draw_ks(stream, size)) == 0);
    }
}

TEST_CASE("a list of tensors of several types, gaps and no entries is one vector") {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  const auto exact = [&](std::size_t size) { return tests::rounded<BFloat16>(tests::normals(stream, size)); };
  for (const bool with_doubles : {false, true}) {
    CAPTURE(with_doubles);
    const Values a = exact(7000), b = exact(1), c = exact(3000),
                 d = with_doubles ? tests::normals(stream, 5000) : Values();
    const std::vector<float> floats(a.begin(), a.end());
    const std::vector<Half> half{Half(b[0])}, none;
    std::vector<float> gaps(3 * c.size(), std::nanf(""));
    for (std::size_t i = 0; i < c.size(); ++i) gaps[3 * i] = static_cast<float>(c[i]);
    const Shape shape{static_cast<std::int64_t>(c.size())};
    const TensorView strided(shape, {Piece::host(gaps.data(), ScalarType::float32, shape, Shape{3})});
    const TensorView list{floats, none, half, strided, d};
    Values values(list.size());
    list.read(0, values);
    CHECK(wrong_thresholds(list, values, draw_ks(stream, values.size())) == 0);
  }
}

TEST_CASE("a sample that sees only the largest entries, or the smallest, misleads nothing but the clock") {
  // Runs of 32 entries, one in each 1024th of the tensor, are where the sample looks.
  const std::size_t size = 600000, stretch = size / 1024;
  const std::vector<std::size_t> ks{100000, 40000, 300000, 599999, 1};
  for (const double added : {10.0, -1.0}) {
    CAPTURE(added);
    Values values(size);
    random::Stream stream(seed, 3);
    for (double& value : values) value = stream.uniform(1, 2);
    for (std::uint64_t run = 0; run < 1024; ++run) {
      const std::uint64_t fraction = run * 0x9e3779b97f4a7c15 >> 32;
      const std::size_t begin = run * stretch + (fraction * (stretch - 31) >> 32);
      for (std::size_t i = begin; i < begin + 32; ++i) values[i] += added;
    }
    CHECK(wrong_thresholds(values, values, ks) == 0);
    for (double& value : values) value = 1 + 0x1p-40 * value;  // and they share their leading digits
    CHECK(wrong_thresholds(values, values, ks) == 0);
  }
}

TEST_CASE("thresholds between atoms: more equal entries than are worth collecting") {
  random::Stream stream(seed, 4);
  Values values(100000, 0.0);
  for (std::size_t i = 0; i < 30000; ++i) values[3 * i] = i < 20000 ? 1 : 1 + stream.uniform();
  // 10,000 above one, 20,000 ones, 70,000 zeros: k at, beside and around the steps.
  CHECK(wrong_thresholds(values, values,
                         {10000, 9999, 10001, 29999, 30000, 30001, 9950, 10050, 29900, 30100, 1, 50000}) ==
        0);
}

TEST_CASE("all ties can belong to the set") {
  CAPTURE(seed);
  random::Stream stream(seed, 5);
  std::vector<float> tensor;
  for (int i = 0; i < 5000; ++i) tensor.push_back(static_cast<float>(std::round(3 * stream.normal())));
  const Values values(tensor.begin(), tensor.end());
  const std::vector<std::size_t> ks{0, 1, 700, 2500, 5000};
  std::vector<TopK> tops = top_k_thresholds(tensor, ks);
  include_ties(tensor, tops);
  for (std::size_t i = 0; i < ks.size(); ++i) {
    const TopK exact = naive_threshold(values, ks[i]);
    std::size_t equal = 0;
    for (const double value : values) equal += std::abs(value) == exact.threshold;
    CHECK(tops[i].threshold == exact.threshold);
    CHECK(tops[i].above == exact.above);
    CHECK(tops[i].ties == equal);
  }
}

TEST_CASE("flags become places") {
  CAPTURE(seed);
  random::Stream stream(seed, 6);
  for (int round = 0; round < 2000; ++round) {
    std::array<std::uint8_t, 64> flags;
    const std::size_t density = stream.below(10);
    std::vector<std::uint16_t> expected;
    for (std::uint16_t i = 0; i < 64; ++i)
      if ((flags[i] = stream.below(9) < density) != 0) expected.push_back(i);
    std::array<std::uint16_t, 72> places;
    const std::size_t count = detail::find_flags(flags, places.data());
    CHECK(std::vector<std::uint16_t>(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(count)) ==
          expected);
  }
}

TEST_CASE("the number of threads does not matter") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  const Values values = tests::normals(stream, 400000);
  const std::vector<std::size_t> few{1, 1000, 399999}, many = draw_ks(stream, 400000);
  for (const auto& ks : {few, many}) {
    const auto with_threads = [&](int count) {
      const tests::Threads scope(count);
      std::vector<std::size_t> result;
      for (const TopK& top : top_k_thresholds(values, ks)) {
        result.push_back(std::bit_cast<std::size_t>(top.threshold));
        result.push_back(top.above);
        result.push_back(top.ties);
      }
      return result;
    };
    const auto one = with_threads(1);
    CHECK(one == with_threads(2));
    CHECK(one == with_threads(3));
  }
}

TEST_CASE("every thread of a caller's own team finds what it finds alone") {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  std::vector<float> values(8192);
  for (float& value : values) value = static_cast<float>(stream.normal());
  const Values exact(values.begin(), values.end());
  const std::vector<std::size_t> ks = draw_ks(stream, values.size());
  std::array<std::size_t, 4> wrong{};
  FEDVAL_OMP(omp parallel for num_threads(4) schedule(static, 1))
  for (std::size_t t = 0; t < wrong.size(); ++t) wrong[t] = wrong_thresholds(values, exact, ks);
  CHECK(wrong == std::array<std::size_t, 4>{});
}
