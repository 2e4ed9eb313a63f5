// Noise: what changes and what must not, how much, by which seed, and every refusal.
#include "harness/partition/noise.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/random/philox.hpp"

namespace fedval::harness {
namespace {

// n random examples: 2 x 3 images with owners, or sentences of 4 words.
Dataset random_set(std::size_t n, std::size_t classes, std::uint64_t seed, bool text = false) {
  random::Stream draw(seed);
  Dataset data{.name = "made", .description = "", .classes = classes};
  data.shape = text ? ExampleShape{.length = 4, .vocabulary = 50} : ExampleShape{1, 2, 3};
  for (std::size_t i = 0; i < n; ++i) {
    data.train.labels.push_back(static_cast<std::uint8_t>(draw.below(classes)));
    if (!text) data.train.owners.push_back(static_cast<std::uint32_t>(draw.below(1000)));
    for (std::size_t k = 0; k < data.shape.entries(); ++k)
      if (text)
        data.train.tokens.push_back(static_cast<std::int32_t>(draw.below(50)));
      else
        data.train.pixels.push_back(static_cast<std::uint8_t>(draw.below(256)));
  }
  data.test = data.train;
  return data;
}

// Shards that overlap and repeat examples.
Shards random_shards(std::size_t n, std::size_t agents, std::size_t size, std::uint64_t seed) {
  random::Stream draw(seed, 1);
  Shards shards(agents, std::vector<std::size_t>(size));
  for (auto& shard : shards)
    for (auto& i : shard) i = draw.below(n);
  return shards;
}

template <class T>
std::vector<T> rows_of(const std::vector<T>& values, std::size_t width,
                       const std::vector<std::size_t>& rows) {
  std::vector<T> all;
  if (!values.empty())
    for (const std::size_t i : rows)
      for (std::size_t k = 0; k < width; ++k) all.push_back(values[i * width + k]);
  return all;
}

template <class T>
bool begins_with(const std::vector<T>& longer, const std::vector<T>& shorter) {
  return longer.size() >= shorter.size() && std::equal(shorter.begin(), shorter.end(), longer.begin());
}

template <class Add>
std::string message(Add&& add) {
  try {
    add();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST_CASE("noise: copies are appended for one agent, and all that was there stays") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    random::Stream draw(seed, 2);
    const bool text = seed % 3 == 0;
    const std::size_t n = 5 + draw.below(40), agents = 1 + draw.below(4), size = draw.below(50);
    const std::size_t agent = draw.below(agents), classes = 2 + draw.below(5);
    const Dataset before = random_set(n, classes, seed, text);
    const Shards dealt = random_shards(n, agents, size, seed);
    Dataset data = before;
    Shards shards = dealt;
    const double share = draw.uniform(0.01, 1.0);
    add_noise(data, shards, agent, {share, text ? 0 : 0.1}, seed);

    for (std::size_t other = 0; other < agents; ++other)
      if (other != agent) CHECK(shards[other] == dealt[other]);
    std::vector<std::size_t> copies(size);
    std::iota(copies.begin(), copies.end(), n);
    CHECK(shards[agent] == copies);
    CHECK(data.train.size() == n + size);
    CHECK(data.train.pixels.size() == (text ? 0 : (n + size) * 6));
    CHECK(data.train.tokens.size() == (text ? (n + size) * 4 : 0));
    CHECK(begins_with(data.train.pixels, before.train.pixels));
    CHECK(begins_with(data.train.tokens, before.train.tokens));
    CHECK(begins_with(data.train.labels, before.train.labels));
    CHECK(begins_with(data.train.owners, before.train.owners));
    CHECK(data.test.pixels == before.test.pixels);
    CHECK(data.test.labels == before.test.labels);
    CHECK(rows_of(data.train.tokens, 4, copies) == rows_of(before.train.tokens, 4, dealt[agent]));
    CHECK(rows_of(data.train.owners, 1, copies) == rows_of(before.train.owners, 1, dealt[agent]));

    const auto old_labels = rows_of(before.train.labels, 1, dealt[agent]);
    const auto new_labels = rows_of(data.train.labels, 1, copies);
    std::size_t changed = 0;
    for (std::size_t i = 0; i < size; ++i) {
      changed += old_labels[i] != new_labels[i];
      CHECK(new_labels[i] < classes);
    }
    CHECK(changed == static_cast<std::size_t>(std::floor(share * static_cast<double>(size) + 0.5)));
  }
}

TEST_CASE("noise: an example held twice has two copies with noise of their own") {
  Dataset data = random_set(3, 2, 1);
  Shards shards = {{1, 1, 1, 1}, {1}};
  const std::uint8_t label = data.train.labels[1];
  add_label_noise(data, shards, 0, 0.5, 1);
  CHECK(shards == Shards{{3, 4, 5, 6}, {1}});
  CHECK(std::count(data.train.labels.begin() + 3, data.train.labels.end(), label) == 2);
  Dataset images = random_set(3, 2, 1);
  shards = {{1, 1}};
  add_feature_noise(images, shards, 0, 0.2, 1);
  CHECK(rows_of(images.train.pixels, 6, {3}) != rows_of(images.train.pixels, 6, {4}));
  CHECK(rows_of(images.train.labels, 1, {3, 4}) == rows_of(images.train.labels, 1, {1, 1}));
}

TEST_CASE("noise: wrong labels are uniform over the other classes and over the examples") {
  constexpr std::size_t n = 30000, classes = 4;
  Dataset data = random_set(n, classes, 1);
  Shards shards(1, std::vector<std::size_t>(n));
  std::iota(shards[0].begin(), shards[0].end(), std::size_t{0});
  add_label_noise(data, shards, 0, 0.4, 5);
  std::vector<std::vector<double>> counts(classes, std::vector<double>(classes));
  double first_half = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const auto from = data.train.labels[i], to = data.train.labels[n + i];
    counts[from][to] += 1;
    first_half += from != to && i < n / 2;
  }
  CHECK(std::abs(first_half - 6000) < 5 * std::sqrt(12000 * 0.15));  // hypergeometric
  for (std::size_t from = 0; from < classes; ++from)
    for (std::size_t to = 0; to < classes; ++to)
      if (from != to) CHECK(std::abs(counts[from][to] - 1000) < 5 * std::sqrt(1000.0));
}

TEST_CASE("noise: bytes get Gaussian noise of the deviation, rounded and clamped") {
  constexpr std::size_t n = 20000;
  for (const int value : {0, 3, 128, 255}) {
    CAPTURE(value);
    Dataset data = random_set(n, 2, 1);
    std::fill(data.train.pixels.begin(), data.train.pixels.end(), static_cast<std::uint8_t>(value));
    Shards shards(1, std::vector<std::size_t>(n));
    std::iota(shards[0].begin(), shards[0].end(), std::size_t{0});
    add_feature_noise(data, shards, 0, 0.04, 9);
    // P(byte = x) = Phi((x + 1/2 - value) / 10.2) - Phi((x - 1/2 - value) / 10.2), the tails at 0 and 255.
    std::vector<double> counts(256);
    for (std::size_t i = 6 * n; i < 12 * n; ++i) counts[data.train.pixels[i]] += 1;
    const auto below = [&](double x) { return 0.5 * std::erfc((value - x) / (10.2 * std::sqrt(2.0))); };
    for (int x = 0; x < 256; ++x) {
      CAPTURE(x);
      const double p = (x == 255 ? 1 : below(x + 0.5)) - (x == 0 ? 0 : below(x - 0.5));
      CHECK(std::abs(counts[static_cast<std::size_t>(x)] - 6 * n * p) < 5 * std::sqrt(6 * n * p) + 3);
    }
    CHECK(
        std::equal(data.train.labels.begin(), data.train.labels.begin() + n, data.train.labels.begin() + n));
  }
}

TEST_CASE("noise: the deviation is in units of 255, and no two bytes share their noise") {
  Dataset data = random_set(1, 2, 1);
  std::fill(data.train.pixels.begin(), data.train.pixels.end(), std::uint8_t{128});
  Shards shards(1, std::vector<std::size_t>(200000));
  add_feature_noise(data, shards, 0, 0.04, 3);
  constexpr std::size_t n = 1200000;
  const std::vector<std::uint8_t> noisy(data.train.pixels.begin() + 6, data.train.pixels.end());
  REQUIRE(noisy.size() == n);
  double sum = 0, squares = 0;
  for (const auto byte : noisy) {
    sum += byte - 128.0;
    squares += (byte - 128.0) * (byte - 128.0);
  }
  const double variance = 10.2 * 10.2 + 1.0 / 12;  // rounding adds a twelfth
  CHECK(std::abs(sum / n) < 4 * std::sqrt(variance / n));
  CHECK(std::abs(squares / n / variance - 1) < 4 * std::sqrt(2.0 / n));
  for (std::size_t apart = 1; apart <= n / 2; apart *= 2) {
    CAPTURE(apart);
    double product = 0;
    for (std::size_t i = 0; i + apart < n; ++i) product += (noisy[i] - 128.0) * (noisy[i + apart] - 128.0);
    CHECK(std::abs(product / variance) < 5 * std::sqrt(static_cast<double>(n - apart)));
  }
}

TEST_CASE("noise: a boundless deviation makes black and white") {
  Dataset data = random_set(200, 2, 1);
  Shards shards = random_shards(200, 1, 200, 1);
  add_feature_noise(data, shards, 0, std::numeric_limits<double>::max(), 1);
  CHECK(std::all_of(data.train.pixels.begin() + 1200, data.train.pixels.end(),
                    [](auto p) { return p == 0 || p == 255; }));
}

TEST_CASE("noise: seed and agent decide, not what was done to others") {
  const Dataset before = random_set(3000, 10, 1);
  const Shards dealt(2, random_shards(3000, 1, 2000, 1)[0]);  // twice the same shard
  const auto noisy = [&](std::vector<std::size_t> agents, std::uint64_t seed) {
    Dataset data = before;
    Shards shards = dealt;
    for (const std::size_t agent : agents) add_noise(data, shards, agent, {0.3, 0.1}, seed);
    const std::size_t agent = agents.back();
    auto all = rows_of(data.train.pixels, 6, shards[agent]);
    const auto labels = rows_of(data.train.labels, 1, shards[agent]);
    all.insert(all.end(), labels.begin(), labels.end());
    return all;
  };
  CHECK(noisy({1}, 1) == noisy({1}, 1));
  CHECK(noisy({1}, 1) == noisy({0, 1}, 1));
  for (const auto& other : {noisy({1}, 2), noisy({0}, 1)}) {
    const auto one = noisy({1}, 1);
    CHECK_FALSE(std::equal(one.begin(), one.begin() + 12000, other.begin()));
    CHECK_FALSE(std::equal(one.begin() + 12000, one.end(), other.begin() + 12000));
  }
}

TEST_CASE("noise: both kinds on one copy, or one after the other, are the same examples") {
  for (const bool labels_first : {true, false}) {
    Dataset once = random_set(50, 5, 1), twice = once;
    const Dataset before = once;
    Shards one = random_shards(50, 3, 20, 1), two = one;
    add_noise(once, one, 2, {0.25, 0.1}, 7);
    if (labels_first) add_label_noise(twice, two, 2, 0.25, 7);
    add_feature_noise(twice, two, 2, 0.1, 7);
    if (!labels_first) add_label_noise(twice, two, 2, 0.25, 7);
    CHECK(once.train.size() == 70);
    CHECK(rows_of(once.train.pixels, 6, one[2]) == rows_of(twice.train.pixels, 6, two[2]));
    CHECK(rows_of(once.train.labels, 1, one[2]) == rows_of(twice.train.labels, 1, two[2]));
    CHECK(rows_of(once.train.owners, 1, one[2]) == rows_of(twice.train.owners, 1, two[2]));
    CHECK(begins_with(twice.train.pixels, before.train.pixels));
    CHECK(begins_with(twice.train.labels, before.train.labels));
  }
}

TEST_CASE("noise: none copies nothing") {
  Dataset data = random_set(10, 1, 1);
  Shards shards = {{1, 2}, {}};
  add_noise(data, shards, 0, {}, 1);
  add_label_noise(data, shards, 0, 0, 1);
  add_feature_noise(data, shards, 0, 0, 1);
  CHECK(data.train.size() == 10);
  CHECK(shards == Shards{{1, 2}, {}});
  add_feature_noise(data, shards, 1, 1, 1);  // an agent without examples
  CHECK(data.train.size() == 10);
  CHECK(shards[1].empty());
}

TEST_CASE("noise: bad requests are refused, and change nothing") {
  Dataset data = random_set(10, 3, 1), words = random_set(10, 3, 1, true), one_class = random_set(10, 1, 1);
  Shards shards = {{1, 2}, {3, 10}};
  const Shards before = shards;
  const double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  CHECK(message([&] { add_label_noise(data, shards, 2, 0.5, 1); }) ==
        "noise: agent 3, but there are 2 agents");
  CHECK(message([&] { add_feature_noise(data, shards, 2, 0, 1); }) ==
        "noise: agent 3, but there are 2 agents");
  CHECK(message([&] { add_label_noise(data, shards, 0, -0.1, 1); }) ==
        "noise: agent 1: the share of labels is -0.1, must be from 0 to 1");
  CHECK(message([&] { add_label_noise(data, shards, 0, 1.5, 1); }) ==
        "noise: agent 1: the share of labels is 1.5, must be from 0 to 1");
  CHECK_THROWS_AS(add_label_noise(data, shards, 0, nan, 1), Error);
  CHECK(message([&] { add_feature_noise(data, shards, 0, -1, 1); }) ==
        "noise: agent 1: the deviation is -1, must be a finite number, at least 0");
  CHECK_THROWS_AS(add_feature_noise(data, shards, 0, nan, 1), Error);
  CHECK_THROWS_AS(add_feature_noise(data, shards, 0, infinity, 1), Error);
  for (const double deviation : {0.0, 0.1})
    CHECK(message([&] { add_feature_noise(words, shards, 0, deviation, 1); }) ==
          "noise: agent 1: feature noise is for images, and made is text");
  CHECK(message([&] {
          add_noise(words, shards, 0, {0.5, 0.1}, 1);
        }) == "noise: agent 1: feature noise is for images, and made is text");
  CHECK(message([&] { add_label_noise(one_class, shards, 0, 0.5, 1); }) ==
        "noise: agent 1: a set of 1 classes has no other label to give");
  CHECK(message([&] { add_label_noise(data, shards, 1, 0.5, 1); }) ==
        "noise: agent 2: example 1 of its shard is 10, but the training part has 10");
  CHECK(shards == before);
  for (const Dataset* set : {&data, &words, &one_class}) CHECK(set->train.size() == 10);
  add_label_noise(data, shards, 0, 1, 1);
  CHECK(data.train.labels[10] != data.train.labels[1]);
  CHECK(data.train.labels[11] != data.train.labels[2]);
}

}  // namespace
}  // namespace fedval::harness
