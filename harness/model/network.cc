#include "harness/model/network.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <array>

#include "fedval/error.hpp"
#include "harness/model/resnet.hpp"
#include "harness/model/small_cnns.hpp"
#include "harness/model/text_cnn.hpp"
#include "harness/model/vit.hpp"

namespace fedval::harness {

namespace {

struct Order {
  const ModelSettings& settings;
  const ExampleShape& shape;
  std::int64_t classes;
};

using Made = std::shared_ptr<Network>;

Made resnet(const Order& order, const std::vector<int>& blocks, bool bottleneck) {
  return std::make_shared<ResNet>(blocks, bottleneck, order.settings,
                                  static_cast<std::int64_t>(order.shape.channels), order.classes);
}

/// What a model takes, as its refusals say it.
enum class Takes { grey28, rgb32, images, sentences };

struct Entry {
  std::string_view name;
  Takes takes;
  Made (*make)(const Order&);
};

constexpr std::array<Entry, 11> entries{{
    {"mnist_cnn", Takes::grey28,
     [](const Order& o) -> Made { return std::make_shared<MnistCnn>(o.classes); }},
    {"cifar_cnn", Takes::rgb32, [](const Order& o) -> Made { return std::make_shared<CifarCnn>(o.classes); }},
    {"tf_cnn", Takes::rgb32, [](const Order& o) -> Made { return std::make_shared<TfCnn>(o.classes); }},
    {"mlp", Takes::images, [](const Order& o) -> Made { return std::make_shared<Mlp>(o.shape, o.classes); }},
    {"small_cnn", Takes::images,
     [](const Order& o) -> Made {
       return std::make_shared<SmallCnn>(o.shape, o.classes, static_cast<std::int64_t>(o.settings.width));
     }},
    {"text_cnn", Takes::sentences,
     [](const Order& o) -> Made { return std::make_shared<TextCnn>(o.settings, o.shape, o.classes); }},
    {"resnet18", Takes::images,
     [](const Order& o) {
       return resnet(o, {2, 2, 2, 2}, false);
     }},
    {"resnet34", Takes::images,
     [](const Order& o) {
       return resnet(o, {3, 4, 6, 3}, false);
     }},
    {"resnet50", Takes::images,
     [](const Order& o) {
       return resnet(o, {3, 4, 6, 3}, true);
     }},
    {"vit_small", Takes::images,
     [](const Order& o) -> Made {
       return std::make_shared<VisionTransformer>(VisionTransformer::small(o.shape), o.shape, o.classes);
     }},
    {"vit_b16", Takes::images,
     [](const Order& o) -> Made {
       return std::make_shared<VisionTransformer>(VisionTransformer::base(), o.shape, o.classes);
     }},
}};

void check_shape(const Entry& entry, const ExampleShape& shape) {
  const auto is = [&](std::size_t channels, std::size_t side) {
    return !shape.is_text() && shape.channels == channels && shape.height == side && shape.width == side;
  };
  const auto refuse = [&](std::string_view takes) {
    if (shape.is_text()) fail("model ", entry.name, " takes ", takes, ", but the data are sentences");
    fail("model ", entry.name, " takes ", takes, ", but the data are images of ", shape.channels, " x ",
         shape.height, " x ", shape.width);
  };
  if (entry.takes == Takes::grey28 && !is(1, 28)) refuse("images of 1 x 28 x 28");
  if (entry.takes == Takes::rgb32 && !is(3, 32)) refuse("images of 3 x 32 x 32");
  if (entry.takes == Takes::images && shape.is_text()) refuse("images");
  if (entry.takes == Takes::sentences && !shape.is_text()) refuse("sentences");
}

}  // namespace

std::vector<std::string_view> model_names() {
  std::vector<std::string_view> names;
  for (const Entry& entry : entries) names.push_back(entry.name);
  return names;
}

FlatNetwork make_network(const ModelSettings& settings, const ExampleShape& shape, std::size_t classes,
                         std::uint64_t seed, at::Device device) {
  const auto entry = std::ranges::find(entries, settings.name, &Entry::name);
  if (entry == entries.end()) {
    std::string known;
    for (const Entry& e : entries) known += (known.empty() ? "" : ", ") + std::string(e.name);
    fail("there is no model named \"", settings.name, "\"; known: ", known);
  }
  check_shape(*entry, shape);
  // The only use of LibTorch's shared generator: whoever trains draws from streams of their own.
  torch::manual_seed(seed);
  return FlatNetwork(entry->make({settings, shape, static_cast<std::int64_t>(classes)}), device);
}

}  // namespace fedval::harness
