#include "fedval/reward/sparsify.hpp"

#include <doctest/doctest.h>

#include "fedval/tensor/std.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"

using namespace fedval;
using namespace fedval::reward;
using tests::bits;
using tests::complaint_of;
using tests::Values;

namespace {

constexpr std::uint64_t seed = 111;

}  // namespace

TEST_CASE("exactly k entries at every density, ties by index") {
  CAPTURE(seed);
  random::Stream stream(seed);
  for (const std::size_t size : std::initializer_list<std::size_t>{1, 2, 511, 512, 513, 5000}) {
    Values values = tests::normals(stream, size);
    for (double& value : values)
      if (stream.below(2) == 0) value = std::round(value);
    const Values before = values;
    for (const double density : {0.0, 0.001, 0.01, 0.1, 0.5, 0.9, 1.0}) {
      const auto k = static_cast<std::size_t>(density * static_cast<double>(size));
      CAPTURE(size);
      CAPTURE(k);
      const SparseVector kept = sparsify(values, k);
      CHECK(kept.size == size);
      CHECK(kept.indices == tests::naive_top_k(values, k));
      REQUIRE(kept.values.size() == k);
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < k; ++i) wrong += kept.values[i] != values[kept.indices[i]];
      CHECK(wrong == 0);
    }
    CHECK(bits(values) == bits(before));
  }
}

TEST_CASE("adding a sparse vector changes the entries it has, and no bit of the others") {
  CAPTURE(seed);
  random::Stream stream(seed, 1);
  for (const std::size_t size : std::initializer_list<std::size_t>{1, 512, 513, 1024, 5000})
    for (const std::size_t k :
         std::initializer_list<std::size_t>{std::size_t{0}, std::size_t{1}, size / 100, size / 2, size}) {
      CAPTURE(size);
      CAPTURE(k);
      const Values values = tests::normals(stream, size);
      std::vector<float> target(size);
      for (float& value : target) value = stream.below(9) == 0 ? -0.0f : static_cast<float>(stream.normal());
      std::vector<float> expected = target;
      const SparseVector kept = sparsify(values, k);
      for (const auto index : kept.indices)
        expected[index] = static_cast<float>(static_cast<double>(target[index]) + -0.25 * values[index]);
      axpy(-0.25, kept, target);
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < size; ++i)
        wrong += std::bit_cast<std::uint32_t>(target[i]) != std::bit_cast<std::uint32_t>(expected[i]);
      CHECK(wrong == 0);
    }
}

TEST_CASE("entries far apart, at the ends of blocks and of lists of tensors") {
  std::vector<Values> list{Values(700, 0.0), Values(), Values(1349, 0.0)};
  const SparseVector sparse{2049, {0, 511, 512, 699, 700, 1023, 1024, 2048}, {1, 2, 3, 4, 5, 6, 7, 8}};
  axpy(2.0, sparse, list);
  CHECK(list[0][0] == 2);
  CHECK(list[0][511] == 4);
  CHECK(list[0][512] == 6);
  CHECK(list[0][699] == 8);
  CHECK(list[2][0] == 10);
  CHECK(list[2][323] == 12);
  CHECK(list[2][324] == 14);
  CHECK(list[2][1348] == 16);
  double sum = 0;
  for (const Values& part : list)
    for (const double value : part) sum += value;
  CHECK(sum == 72);
}

TEST_CASE("a sparse vector and what it leaves out are the whole") {
  CAPTURE(seed);
  random::Stream stream(seed, 2);
  const Values values = tests::normals(stream, 1000);
  for (const std::size_t k : std::initializer_list<std::size_t>{0, 10, 999, 1000}) {
    const SparseVector kept = sparsify(values, k);
    Values rest = values;
    axpy(-1.0, kept, rest);
    CHECK(std::count(rest.begin(), rest.end(), 0.0) == static_cast<std::ptrdiff_t>(k));
    axpy(1.0, kept, rest);
    CHECK(rest == values);
  }
}

TEST_CASE("misuse is an error, and nothing is written") {
  Values target{1, 2, 3};
  CHECK(complaint_of([&] {
          axpy(1.0, SparseVector{4, {0}, {1}}, target);
        }) == "sparse update of 4 entries for a tensor of 3");
  CHECK(target == Values{1, 2, 3});
  CHECK(complaint_of([&] { sparsify(target, 4); }) == "top-k: k = 4 of a tensor of 3 entries");
  target[1] = std::nan("");
  CHECK(complaint_of([&] { sparsify(target, 1); }) == "top-k: tensor[1] is NaN");
  Values none;
  axpy(1.0, sparsify(none, 0), none);
  CHECK(none.empty());
}
