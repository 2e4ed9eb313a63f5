#include "fedval/reward/sparsify.hpp"

#include <doctest/doctest.h>

#include "fedval/tensor/std.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"
#include "tests/support/threads.hpp"

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

TEST_CASE_TEMPLATE("sparse and dense agree at every density, whatever the types", S, double, float, Half,
                   BFloat16) {
  CAPTURE(seed);
  random::Stream stream(seed, 3);
  for (const std::size_t size : std::initializer_list<std::size_t>{1, 255, 256, 257, 1024, 1500, 20000}) {
    CAPTURE(size);
    Values values = tests::normals(stream, size);
    for (double& value : values)
      if (stream.below(2) == 0) value = std::round(value);
    values = tests::rounded<S>(values);
    std::vector<S> tensor;
    for (const double value : values) tensor.push_back(static_cast<S>(value));
    for (const double density : {0.0, 0.001, 0.1, 0.5, 0.9, 1.0}) {
      CAPTURE(density);
      const auto k = static_cast<std::size_t>(density * static_cast<double>(size));
      Values expected(size, 0.0);
      for (const auto index : tests::naive_top_k(values, k)) expected[index] = values[index];
      const TopK top = top_k_threshold(tensor, k);
      const SparseVector kept = sparsify(tensor, top);
      CHECK(kept.indices == tests::naive_top_k(values, k));
      Values scattered(size, 0.0);
      axpy(1.0, kept, scattered);
      CHECK(scattered == expected);
      Values wide(size, std::nan(""));
      sparsify(tensor, top, wide);
      CHECK(wide == expected);
      std::vector<S> same = tensor;
      sparsify(same, top, same);  // in its own place
      Values read(size);
      TensorView(same).read(0, read);
      CHECK(read == expected);
      std::vector<BFloat16> narrow(size, BFloat16(3.0));
      sparsify(tensor, top, narrow);
      TensorView(narrow).read(0, read);
      CHECK(read == tests::rounded<BFloat16>(expected));

      // Added in one pass: the same bits as through the sparse vector.
      Values one_pass = tests::normals(stream, size), sparse = one_pass;
      add_sparsified(tensor, top, one_pass);
      axpy(1.0, kept, sparse);
      CHECK(bits(one_pass) == bits(sparse));
      std::vector<S> doubled = tensor, twice = tensor;
      add_sparsified(doubled, top, doubled);  // in its own place
      axpy(1.0, kept, twice);
      Values other(size);
      TensorView(doubled).read(0, read);
      TensorView(twice).read(0, other);
      CHECK(bits(read) == bits(other));
    }
  }
}

TEST_CASE("entries that stay keep every bit, and those left out are +0") {
  const Values tensor{-0.0, 1, -1, 5e-324, -5e-324, 0.0};
  Values out(6, -1.0);
  sparsify(tensor, top_k_threshold(tensor, 5), out);  // four that are not zero, and the first zero
  CHECK(bits(out) == bits(Values{-0.0, 1, -1, 5e-324, -5e-324, 0.0}));
  sparsify(tensor, top_k_threshold(tensor, 2), out);
  CHECK(bits(out) == bits(Values{0.0, 1, -1, 0.0, 0.0, 0.0}));
}

TEST_CASE("parts with thresholds of their own; what is in none is left out") {
  CAPTURE(seed);
  random::Stream stream(seed, 4);
  const Values values = tests::normals(stream, 5000);
  const auto part = [&](std::size_t begin, std::size_t end, std::size_t k) {
    return MaskedPart{begin, end, top_k_threshold(std::span(values).subspan(begin, end - begin), k)};
  };
  const std::vector<MaskedPart> parts{part(3, 3, 0), part(10, 1400, 300), part(1400, 1401, 1),
                                      part(1401, 3000, 0), part(3500, 4990, 1490)};
  Values expected(5000, 0.0);
  for (const MaskedPart& each : parts) {
    const auto piece = std::span(values).subspan(each.begin, each.end - each.begin);
    for (const auto index : tests::naive_top_k(piece, each.kept()))
      expected[each.begin + index] = piece[index];
  }
  SparseVector kept{7, {1, 2, 3}, {4}};
  sparsify(values, parts, kept);
  CHECK(kept.size == 5000);
  CHECK(kept.indices.size() == 300 + 1 + 1490);
  Values scattered(5000, 0.0);
  axpy(1.0, kept, scattered);
  CHECK(scattered == expected);
  Values out(5000, std::nan(""));
  sparsify(values, parts, out);
  CHECK(out == expected);
  Values sum(5000, 1.5), with_sparse(5000, 1.5);
  add_sparsified(values, parts, sum);
  axpy(1.0, kept, with_sparse);
  CHECK(sum == with_sparse);
  sparsify(values, std::span<const MaskedPart>(), out);
  CHECK(out == Values(5000, 0.0));
  add_sparsified(values, std::span<const MaskedPart>(), sum);
  CHECK(sum == with_sparse);
}

TEST_CASE("the number of threads does not matter, ties across slices included") {
  CAPTURE(seed);
  random::Stream stream(seed, 5);
  std::vector<float> values(300001);
  for (float& value : values) value = stream.below(3) == 0 ? -1.0f : static_cast<float>(stream.normal());
  for (const std::size_t k : std::initializer_list<std::size_t>{1, 1000, 120000, 200000, 300001}) {
    CAPTURE(k);
    const auto with_threads = [&](int count) {
      const tests::Threads scope(count);
      const TopK top = top_k_threshold(values, k);
      std::vector<float> out(values.size(), 9.0f);
      sparsify(values, top, out);
      add_sparsified(values, top, out);
      return std::pair(sparsify(values, top), out);
    };
    const auto one = with_threads(1);
    CHECK(one.first.indices.size() == k);
    for (const int count : {2, 3}) {
      const auto more = with_threads(count);
      CHECK(more.first.indices == one.first.indices);
      CHECK(more.first.values == one.first.values);
      CHECK(more.second == one.second);
    }
  }
}

TEST_CASE("a threshold of another tensor is refused") {
  CAPTURE(seed);
  for (const int count : {1, 2}) {
    const tests::Threads scope(count);
    random::Stream stream(seed, 6);
    const Values values = tests::normals(stream, 150000), larger = tests::normals(stream, 150000, 2);
    for (const std::size_t k : std::initializer_list<std::size_t>{1, 75000}) {
      Values out(values.size());
      const TopK top = top_k_threshold(values, k), other = top_k_threshold(larger, k);
      CHECK_THROWS_AS(sparsify(larger, top), Error);  // more are above it
      CHECK_THROWS_AS(sparsify(values, other), Error);
      CHECK_THROWS_AS(sparsify(larger, top, out), Error);
      CHECK_THROWS_AS(sparsify(values, other, out), Error);
      CHECK_THROWS_AS(add_sparsified(larger, top, out), Error);
      CHECK_THROWS_AS(add_sparsified(values, other, out), Error);
    }
  }
}

TEST_CASE("a part that is not within the tensor is refused, and nothing is written") {
  const Values values{3, -1, 2, 5};
  const TopK top{3, 1, 1};
  for (const MaskedPart& part : std::initializer_list<MaskedPart>{{0, 5, top}, {90, 100, top}, {3, 1, top}}) {
    const std::string complaint = "sparsify: entries [" + std::to_string(part.begin) + ", " +
                                  std::to_string(part.end) + ") of a tensor of 4";
    Values out(4, 9.0);
    SparseVector sparse{7, {6}, {1.5}};
    CHECK(complaint_of([&] { sparsify(values, {&part, 1}, sparse); }) == complaint);
    CHECK(complaint_of([&] { sparsify(values, {&part, 1}, out); }) == complaint);
    CHECK(complaint_of([&] { add_sparsified(values, {&part, 1}, out); }) == complaint);
    CHECK(out == Values(4, 9.0));
    CHECK(sparse.indices == std::vector<std::uint64_t>{6});
  }
}

TEST_CASE("misuse is an error, and nothing is written") {
  Values target{1, 2, 3};
  CHECK(complaint_of([&] {
          axpy(1.0, SparseVector{4, {0}, {1}}, target);
        }) == "sparse update of 4 entries for a tensor of 3");
  CHECK(target == Values{1, 2, 3});
  CHECK(complaint_of([&] {
          sparsify(Values(4, 1.0), TopK{1, 0, 2}, target);
        }) == "sparsify: a tensor of 4 entries into one of 3");
  CHECK(complaint_of([&] {
          add_sparsified(Values(4, 1.0), TopK{1, 0, 2}, target);
        }) == "sparsify: a tensor of 4 entries into one of 3");
  CHECK(target == Values{1, 2, 3});
  CHECK(complaint_of([&] { sparsify(target, 4); }) == "top-k: k = 4 of a tensor of 3 entries");
  target[1] = std::nan("");
  CHECK(complaint_of([&] { sparsify(target, 1); }) == "top-k: tensor[1] is NaN");
  Values none;
  axpy(1.0, sparsify(none, 0), none);
  CHECK(none.empty());
}
