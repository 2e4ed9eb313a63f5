// Vision transformers against their layers written out, and the images that they cut into patches.
#include "harness/model/vit.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/erf.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/sqrt.h>

#include <cmath>
#include <numbers>

#include "fedval/error.hpp"
#include "tests/harness/model/written_out.hpp"

using namespace fedval::harness;

namespace {

at::Tensor norm(Cut& cut, const at::Tensor& x) {
  const at::Tensor centred = x - x.mean(-1, true);
  const at::Tensor scale = cut({x.size(-1)}), shift = cut({x.size(-1)});
  return centred / at::sqrt(centred.square().mean(-1, true) + 1e-6) * scale + shift;
}

at::Tensor linear(Cut& cut, const at::Tensor& x, std::int64_t out) {
  const at::Tensor weight = cut({out, x.size(-1)});
  return at::linear(x, weight, cut({out}));
}

/// Every head on its own columns: softmax(q k^T / sqrt(columns)) v.
at::Tensor attention(Cut& cut, const at::Tensor& x, std::int64_t heads) {
  const std::int64_t width = x.size(2), columns = width / heads;
  const at::Tensor qkv = linear(cut, x, 3 * width);
  std::vector<at::Tensor> found;
  for (std::int64_t head = 0; head < heads; ++head) {
    const auto part = [&](std::int64_t which) {
      return qkv.narrow(2, which * width + head * columns, columns);
    };
    const at::Tensor products = part(0).matmul(part(1).transpose(1, 2));
    found.push_back(at::softmax(products / std::sqrt(static_cast<double>(columns)), 2).matmul(part(2)));
  }
  return linear(cut, at::cat(found, 2), width);
}

at::Tensor exact_gelu(const at::Tensor& x) { return x / 2 * (1 + at::erf(x / std::numbers::sqrt2)); }

/// The patches of images, row by row: (batch, patches, channels size size).
at::Tensor patches_of(const at::Tensor& images, std::int64_t size) {
  std::vector<at::Tensor> patches;
  for (std::int64_t y = 0; y < images.size(2); y += size)
    for (std::int64_t x = 0; x < images.size(3); x += size)
      patches.push_back(images.narrow(2, y, size).narrow(3, x, size).flatten(1).unsqueeze(1));
  return at::cat(patches, 1);
}

at::Tensor written_out(const VisionTransformer::Size& size, std::int64_t classes, Cut& cut,
                       const at::Tensor& images) {
  const at::Tensor patches = patches_of(images, size.patch);
  const at::Tensor class_token = cut({1, 1, size.width});
  const at::Tensor positions = cut({1, patches.size(1) + 1, size.width});
  const at::Tensor embedded = linear(cut, patches, size.width);
  at::Tensor z = at::cat({class_token.expand({images.size(0), 1, size.width}), embedded}, 1) + positions;
  for (std::int64_t layer = 0; layer < size.layers; ++layer) {
    z = z + attention(cut, norm(cut, z), size.heads);
    const at::Tensor hidden = exact_gelu(linear(cut, norm(cut, z), size.mlp));
    z = z + linear(cut, hidden, size.width);
  }
  return linear(cut, norm(cut, z).select(1, 0), classes);
}

}  // namespace

TEST_CASE("vit_small on grey and coloured images: 49 patches of 4 x 4, 64 of 4 x 4, 64 of 8 x 8") {
  const VisionTransformer::Size size{.patch = 4, .width = 192, .layers = 6, .heads = 3, .mlp = 768};
  for (const auto& [channels, side, patch] : {std::array{1, 28, 4}, {3, 32, 4}, {3, 64, 8}}) {
    CAPTURE(side);
    torch::manual_seed(7);
    const ExampleShape shape{static_cast<std::size_t>(channels), static_cast<std::size_t>(side),
                             static_cast<std::size_t>(side)};
    FlatNetwork network = make_network(model("vit_small"), shape, 7, 7);
    shake(network);
    VisionTransformer::Size its = size;
    its.patch = patch;
    check_against(network, at::randn({3, channels, side, side}),
                  [&](Cut& cut, const at::Tensor& images) { return written_out(its, 7, cut, images); });
  }
}

TEST_CASE("a transformer of another size, on images that are not square") {
  torch::manual_seed(8);
  const VisionTransformer::Size size{.patch = 2, .width = 24, .layers = 2, .heads = 4, .mlp = 10};
  FlatNetwork network(std::make_shared<VisionTransformer>(size, ExampleShape{2, 6, 8}, 5));
  shake(network);
  check_against(network, at::randn({3, 2, 6, 8}),
                [&](Cut& cut, const at::Tensor& images) { return written_out(size, 5, cut, images); });
}

TEST_CASE("patches must tile the images") {
  const auto make = [](const std::string& name, const ExampleShape& shape) {
    make_network(model(name), shape, 10, 1);
  };
  CHECK_THROWS_WITH_AS(make("vit_b16", {1, 28, 28}),
                       "images of 28 x 28 cannot be cut into patches of 16 x 16", fedval::Error);
  CHECK_THROWS_WITH_AS(make("vit_small", {3, 30, 32}),
                       "images of 30 x 32 cannot be cut into patches of 4 x 4", fedval::Error);
  CHECK_THROWS_WITH_AS(make("vit_small", {3, 64, 60}),
                       "images of 64 x 60 cannot be cut into patches of 8 x 8", fedval::Error);
}
