#include "fedval/tensor/torch.hpp"

#include <ATen/TensorIndexing.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include "fedval/random/fill.hpp"
#include "tests/doctest_torch.hpp"
#include "tests/support/complaint.hpp"
#include "tests/support/oracle.hpp"
#include "tests/support/threads.hpp"

using namespace fedval::random;
using fedval::MutableTensorView;
using fedval::TensorView;
using fedval::torch_device_view;
using fedval::tests::complaint_of;

namespace {

constexpr std::uint64_t seed = 1021;

/// One of each law, and signs times a Walsh row; keys of more than 32 bits.
const std::vector<Sequence> sequences{
    {Law::uniform, {seed, 1UL << 63}}, {Law::gaussian, {seed << 40, 2}},
    {Law::laplace, {seed, 3}},         {Law::laplace_sign, {~0UL, ~0UL}},
    {Law::rademacher, {seed, 5}},      {Law::rademacher, {seed, 6}, 0x123456789abd},
    {Law::rademacher, {seed, 7}, ~0UL}};

constexpr std::array types{at::kDouble, at::kFloat, at::kHalf, at::kBFloat16};

MutableTensorView on_device(const at::Tensor& tensor) { return MutableTensorView(torch_device_view(tensor)); }

/// The same bits, and not only equal values: as integers of the type's size.
bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  const auto as = a.element_size() == 8 ? at::kLong : a.element_size() == 4 ? at::kInt : at::kShort;
  return a.scalar_type() == b.scalar_type() && at::equal(a.contiguous().view(as), b.contiguous().view(as));
}

/// Filled by the host.
at::Tensor expected(const Sequence& sequence, at::IntArrayRef sizes, at::ScalarType type,
                    std::uint64_t begin) {
  at::Tensor tensor = at::full(sizes, 77, type);
  fill(sequence, tensor, begin);
  return tensor;
}

}  // namespace

TEST_CASE("LibTorch's own operations draw the host's bits, of every law and type, from anywhere") {
  for (const Sequence& sequence : sequences)
    for (const auto type : types)
      for (const std::uint64_t begin : {0UL, 1UL, 127UL, 128UL, 4095UL, 4097UL, (1UL << 32) - 3,
                                        (1UL << 34) - 130, (1UL << 39) - 4500, (1UL << 50) - 9001}) {
        CAPTURE(sequence.law);
        CAPTURE(sequence.walsh);
        CAPTURE(at::toString(type));
        CAPTURE(begin);
        at::Tensor drawn = at::full({9001}, 77, type);
        fill(sequence, on_device(drawn), begin);
        CHECK(same_bits(drawn, expected(sequence, {9001}, type, begin)));
      }
}

TEST_CASE("lengths and places at random") {
  CAPTURE(seed);
  Stream stream(seed);
  for (const Sequence& sequence : sequences)
    for (int each = 0; each < 40; ++each) {
      const auto size = static_cast<std::int64_t>(stream.below(10000) >> stream.below(14));
      const std::uint64_t begin =
          stream.below(((1UL << 50) - static_cast<std::uint64_t>(size)) >> stream.below(50));
      CAPTURE(sequence.law);
      CAPTURE(size);
      CAPTURE(begin);
      at::Tensor drawn = at::full({size}, 77, at::kFloat);
      fill(sequence, on_device(drawn), begin);
      CHECK(same_bits(drawn, expected(sequence, {size}, at::kFloat, begin)));
    }
}

TEST_CASE("more numbers than are drawn at a time") {
  constexpr std::int64_t size = (1 << 22) + 5000;
  for (const Sequence& sequence : {sequences[0], sequences[5]}) {
    CAPTURE(sequence.law);
    at::Tensor drawn = at::full({size}, 77, at::kFloat);
    fill(sequence, on_device(drawn), 4000);
    CHECK(same_bits(drawn, expected(sequence, {size}, at::kFloat, 4000)));
  }
}

TEST_CASE("the ends of the logarithm and of the circle, where bits seldom are") {
  // Words as a tile has them, a Gaussian pair's first one and its second; around sqrt(1/2) = 0.b504f333 in
  // base 16 the logarithm turns from u to 1 - u.
  const std::vector<std::uint32_t> extremes{
      0,          1,          0xff,       0x100,      0x1fffffff, 0x20000000, 0x3fffffff, 0x40000000,
      0x7fffffff, 0x80000000, 0xbfffffff, 0xc0000000, 0xb504f2ff, 0xb504f300, 0xb504f333, 0xb504f3c0,
      0xb504f3ff, 0xb504f400, 0xb504f440, 0xb504f4ff, 0xffffff00, 0xfffffffe, 0xffffffff};
  for (const std::uint32_t w : extremes)
    for (const std::uint32_t v : extremes) {
      detail::TileWords words;
      for (std::size_t k = 0; k < words.size(); ++k) words[k] = k % 32 < 16 ? w : v;
      at::Tensor tile = at::zeros({128}, at::kLong), host = at::zeros({128});
      std::copy(words.begin(), words.end(), tile.data_ptr<std::int64_t>());
      detail::gaussian(words, host.data_ptr<float>());
      CAPTURE(w);
      CAPTURE(v);
      CHECK(same_bits(fedval::detail::torch::gaussian(tile).flatten(), host));
    }
}

TEST_CASE("many Gaussian and Laplace numbers") {
  for (const Law law : {Law::gaussian, Law::laplace}) {
    at::Tensor drawn = at::full({1 << 20}, 77, at::kFloat);
    fill(Sequence{law, {seed, 8}}, on_device(drawn));
    CHECK(same_bits(drawn, expected({law, {seed, 8}}, {1 << 20}, at::kFloat, 0)));
  }
}

TEST_CASE("tensors of several dimensions and any strides; what lies between is left alone") {
  using at::indexing::None;
  using at::indexing::Slice;
  for (const Sequence& sequence : sequences)
    for (const auto type : types) {
      CAPTURE(sequence.law);
      CAPTURE(at::toString(type));
      const at::Tensor reference = expected(sequence, {37, 41}, type, 1000);
      at::Tensor columns = at::full({41, 37}, 77, type);
      fill(sequence, on_device(columns.t()), 1000);
      CHECK(same_bits(columns.t(), reference));
      at::Tensor wide = at::full({75, 123}, 77, type);
      const at::Tensor part = wide.index({Slice(1, None, 2), Slice(2, None, 3)});
      fill(sequence, on_device(part), 1000);
      CHECK(same_bits(part, reference));
      part.fill_(77);
      CHECK(wide.eq(77).all().item<bool>());
      at::Tensor host = at::full({41, 37}, 77, type);  // LibTorch's strides, filled by the host
      fill(sequence, host.t(), 1000);
      CHECK(same_bits(host.t(), reference));
      at::Tensor cube = at::full({3, 4, 5}, 77, type);
      fill(sequence, on_device(cube.permute({2, 0, 1})), 1000);
      CHECK(same_bits(cube.permute({2, 0, 1}), expected(sequence, {5, 3, 4}, type, 1000)));
      at::Tensor scalar = at::full({}, 77, type);
      fill(sequence, on_device(scalar), 129);
      CHECK(same_bits(scalar, expected(sequence, {}, type, 129)));
    }
}

TEST_CASE("a list of parameters goes on where the last one ended; empty ones take nothing") {
  for (const Sequence& sequence : sequences) {
    const std::vector<at::Tensor> list{at::zeros({3, 5}), at::zeros({0}),    at::zeros({}),
                                       at::zeros({0, 7}), at::zeros({5000}), at::zeros({4, 0, 2})};
    std::vector<TensorView> views;
    std::vector<at::Tensor> flat;
    for (const at::Tensor& tensor : list) {
      views.push_back(torch_device_view(tensor));
      flat.push_back(tensor.view({-1}));
    }
    fill(sequence, MutableTensorView(TensorView::concatenate(views)), 321);
    CAPTURE(sequence.law);
    CHECK(same_bits(at::cat(flat), expected(sequence, {5016}, at::kFloat, 321)));
  }
  at::Tensor empty = at::zeros({0});
  fill(Sequence{}, on_device(empty), 1UL << 50);
  CHECK(empty.numel() == 0);
}

TEST_CASE("any number of LibTorch's threads, parameters with gradients, and memory that stays in place") {
  const at::Tensor parameter = at::zeros({300000}).requires_grad_();
  const void* memory = parameter.data_ptr();
  for (const int threads : {1, 3}) {
    const fedval::tests::Threads scope(threads);
    fill(sequences[1], on_device(parameter), 99);
    CHECK(same_bits(parameter.detach(), expected(sequences[1], {300000}, at::kFloat, 99)));
    CHECK(parameter.data_ptr() == memory);
  }
  CHECK(parameter.requires_grad());
}

TEST_CASE("spheres on a device are the host's, up to LibTorch's own product") {
  // The numbers and the factor 1/norm are the same; one rounding of the product may differ.
  for (const std::int64_t d : {1, 3, 5000}) {
    at::Tensor drawn = at::zeros({d}, at::kDouble), host = at::zeros({d}, at::kDouble);
    sphere({seed, 3}, on_device(drawn));
    sphere({seed, 3}, host);
    CHECK(at::allclose(drawn, host, 0x1p-52, 0));
    l1_sphere({seed, 3}, on_device(drawn));
    l1_sphere({seed, 3}, host);
    CHECK(at::allclose(drawn, host, 0x1p-52, 0));
  }
}

TEST_CASE("a device refuses what the host refuses") {
  at::Tensor x = at::full({3}, 77.0);
  CHECK(complaint_of([&] {
          fill({Law::gaussian, {}, 1}, on_device(x));
        }) == "random: a Walsh row is for Rademacher signs");
  CHECK(complaint_of([&] { fill(Sequence{}, on_device(x), (1UL << 50) - 2); }) ==
        "random: a sequence has 2^50 numbers, not 3 from number 1125899906842622");
  CHECK(x.eq(77).all().item<bool>());
}
