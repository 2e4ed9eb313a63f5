#include "harness/partition/noise.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/random/fill.hpp"
#include "fedval/random/philox.hpp"
#include "fedval/tensor/std.hpp"

namespace fedval::harness {
namespace {

// Streams begin with "labn" and "fean", so that no other user of the seed shares them.
constexpr std::uint64_t first_label_stream = 0x6c61626e00000000;
constexpr std::uint64_t first_feature_stream = 0x6665616e00000000;

void check(const Dataset& data, const Shards& shards, std::size_t agent, const Noise& noise) {
  if (agent >= shards.size()) fail("noise: agent ", agent + 1, ", but there are ", shards.size(), " agents");
  if (!(noise.label_share >= 0 && noise.label_share <= 1))
    fail("noise: agent ", agent + 1, ": the share of labels is ", noise.label_share, ", must be from 0 to 1");
  if (!(noise.feature_deviation >= 0 && std::isfinite(noise.feature_deviation)))
    fail("noise: agent ", agent + 1, ": the deviation is ", noise.feature_deviation,
         ", must be a finite number, at least 0");
  if (noise.label_share > 0 && data.classes < 2)
    fail("noise: agent ", agent + 1, ": a set of ", data.classes, " classes has no other label to give");
  if (noise.feature_deviation > 0 && data.shape.is_text())
    fail("noise: agent ", agent + 1, ": feature noise is for images, and ", data.name, " is text");
  for (std::size_t i = 0; i < shards[agent].size(); ++i)
    if (shards[agent][i] >= data.train.size())
      fail("noise: agent ", agent + 1, ": example ", i, " of its shard is ", shards[agent][i],
           ", but the training part has ", data.train.size());
}

// Appends rows of `width` values: those of the given examples, in their order.
template <class T>
void append_rows(std::vector<T>& values, std::size_t width, const std::vector<std::size_t>& rows) {
  if (values.empty()) return;  // the set has no values of this kind
  const std::size_t before = values.size();
  values.resize(before + rows.size() * width);
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(rows[i] * width), width,
                values.begin() + static_cast<std::ptrdiff_t>(before + i * width));
}

void copy_examples(Examples& train, std::size_t entries, std::vector<std::size_t>& shard) {
  const std::size_t first = train.size();
  append_rows(train.pixels, entries, shard);
  append_rows(train.tokens, entries, shard);
  append_rows(train.owners, 1, shard);
  append_rows(train.labels, 1, shard);
  std::iota(shard.begin(), shard.end(), first);
}

void change_labels(std::span<std::uint8_t> labels, std::size_t classes, double share, random::Stream draw) {
  std::vector<std::size_t> chosen(labels.size());
  std::iota(chosen.begin(), chosen.end(), std::size_t{0});
  draw.shuffle(std::span(chosen));
  chosen.resize(static_cast<std::size_t>(std::llround(share * static_cast<double>(labels.size()))));
  for (const std::size_t i : chosen) {
    const std::uint64_t other = draw.below(classes - 1);
    labels[i] = static_cast<std::uint8_t>(other + (other >= labels[i] ? 1 : 0));
  }
}

void change_pixels(std::span<std::uint8_t> pixels, double deviation, const random::Key& key) {
  std::vector<float> z(std::min(pixels.size(), std::size_t{1} << 16));
  for (std::size_t first = 0; first < pixels.size(); first += z.size()) {
    const auto part = pixels.subspan(first, std::min(z.size(), pixels.size() - first));
    random::fill({random::Law::gaussian, key}, z, first);
    for (std::size_t i = 0; i < part.size(); ++i) {
      const double noisy = std::round(part[i] + 255 * (deviation * static_cast<double>(z[i])));
      part[i] = static_cast<std::uint8_t>(std::clamp(noisy, 0.0, 255.0));
    }
  }
}

}  // namespace

void add_noise(Dataset& data, Shards& shards, std::size_t agent, const Noise& noise, std::uint64_t seed) {
  check(data, shards, agent, noise);
  if (noise.label_share == 0 && noise.feature_deviation == 0) return;
  const std::size_t first = data.train.size(), entries = data.shape.entries();
  copy_examples(data.train, entries, shards[agent]);
  if (noise.label_share > 0)
    change_labels(std::span(data.train.labels).subspan(first), data.classes, noise.label_share,
                  random::Stream(seed, first_label_stream + agent));
  if (noise.feature_deviation > 0)
    change_pixels(std::span(data.train.pixels).subspan(first * entries), noise.feature_deviation,
                  {seed, first_feature_stream + agent});
}

void add_label_noise(Dataset& data, Shards& shards, std::size_t agent, double share, std::uint64_t seed) {
  add_noise(data, shards, agent, {.label_share = share}, seed);
}

void add_feature_noise(Dataset& data, Shards& shards, std::size_t agent, double deviation,
                       std::uint64_t seed) {
  if (data.shape.is_text())
    fail("noise: agent ", agent + 1, ": feature noise is for images, and ", data.name, " is text");
  add_noise(data, shards, agent, {.feature_deviation = deviation}, seed);
}

}  // namespace fedval::harness
