// Batches: normalisation by channel against a direct computation, the order of entries, sentences.
#include "harness/federation/batches.hpp"

#include <cmath>
#include <numeric>

#include "fedval/random/philox.hpp"
#include "harness/data/rendered_digits.hpp"
#include "harness/data/sentences.hpp"
#include "tests/doctest_torch.hpp"

using namespace fedval::harness;

namespace {

constexpr std::uint64_t seed = 4;

const ExampleShape colour{.channels = 3, .height = 2, .width = 5};

/// Images whose channels differ in level and spread; the last channel has one value.
Examples colourful(std::size_t n) {
  fedval::random::Stream draw(seed);
  Examples examples;
  for (std::size_t i = 0; i < n; ++i) {
    examples.labels.push_back(static_cast<std::uint8_t>(draw.below(7)));
    for (std::size_t c = 0; c < colour.channels; ++c)
      for (std::size_t p = 0; p < 10; ++p)
        examples.pixels.push_back(static_cast<std::uint8_t>(c == 0   ? draw.below(256)
                                                            : c == 1 ? 100 + draw.below(5)
                                                                     : 77));
  }
  return examples;
}

double pixel_of(const Examples& examples, std::size_t i, std::size_t c, std::size_t p) {
  return examples.pixels[(i * 3 + c) * 10 + p] / 255.0;
}

std::vector<std::size_t> first(std::size_t n) {
  std::vector<std::size_t> all(n);
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

}  // namespace

TEST_CASE("mean and deviation of each channel, and every entry of a batch") {
  constexpr std::size_t n = 40;
  const Examples examples = colourful(n);
  const Normalisation normalisation = normalisation_of(examples, colour);
  REQUIRE(normalisation.mean.size() == 3);
  std::array<double, 3> mean{}, deviation{};
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t p = 0; p < 10; ++p) mean[c] += pixel_of(examples, i, c, p) / (n * 10);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t p = 0; p < 10; ++p)
        deviation[c] += std::pow(pixel_of(examples, i, c, p) - mean[c], 2) / (n * 10);
    deviation[c] = std::sqrt(deviation[c]);
    CHECK(normalisation.mean[c] == doctest::Approx(mean[c]).epsilon(1e-12));
  }
  CHECK(normalisation.deviation[0] == doctest::Approx(deviation[0]).epsilon(1e-12));
  CHECK(normalisation.deviation[1] == doctest::Approx(deviation[1]).epsilon(1e-12));

  const std::vector<std::size_t> chosen{7, 0, 39, 7};
  const Batches batches(colour, normalisation);
  const at::Tensor batch = batches.inputs(examples, chosen);
  CHECK(batch.sizes() == at::IntArrayRef({4, 3, 2, 5}));
  CHECK((batch.scalar_type() == at::kFloat));
  for (std::size_t i = 0; i < chosen.size(); ++i)
    for (std::size_t c = 0; c < 2; ++c)
      for (std::size_t p = 0; p < 10; ++p) {
        const double expected = (pixel_of(examples, chosen[i], c, p) - mean[c]) / deviation[c];
        const float found = batch.data_ptr<float>()[(i * 3 + c) * 10 + p];
        CHECK(found == doctest::Approx(expected).epsilon(1e-6));
      }
  const at::Tensor labels = batches.labels(examples, chosen);
  CHECK((labels.scalar_type() == at::kLong));
  for (std::size_t i = 0; i < chosen.size(); ++i)
    CHECK(labels.data_ptr<std::int64_t>()[i] == examples.labels[chosen[i]]);
}

TEST_CASE("a channel of one value is all zeros, not NaN") {
  const Examples examples = colourful(5);
  const at::Tensor batch =
      Batches(colour, normalisation_of(examples, colour)).inputs(examples, first(5)).select(1, 2);
  CHECK(batch.abs().max().item().toDouble() < 1e-6);
  const ExampleShape one{.channels = 1, .height = 1, .width = 3};
  for (const std::size_t n : {1, 3, 7, 1000})
    for (int value = 0; value < 256; ++value) {
      CAPTURE(value);
      Examples plain;
      plain.pixels.assign(3 * n, static_cast<std::uint8_t>(value));
      plain.labels.assign(n, 0);
      CHECK(normalisation_of(plain, one).deviation == std::vector<double>{1});
    }
}

TEST_CASE("digits are normalised by the training part's mean and deviation, other parts by the same") {
  const Dataset digits = rendered_digits(1, 300, 200);
  const Batches batches(digits.shape, normalisation_of(digits.train, digits.shape));
  const at::Tensor train = batches.inputs(digits.train, first(300));
  CHECK(train.mean().item().toDouble() == doctest::Approx(0).epsilon(1e-4));
  CHECK(train.std().item().toDouble() == doctest::Approx(1).epsilon(1e-4));
  Examples same = digits.test;  // one image of the training part among the test images
  std::copy_n(digits.train.pixels.begin(), 784, same.pixels.begin());
  CHECK(batches.inputs(same, first(1)).equal(batches.inputs(digits.train, first(1))));
}

TEST_CASE("sentences are the numbers of their words") {
  const Dataset data = made_sentences(1, 20, 10);
  const Normalisation none = normalisation_of(data.train, data.shape);
  CHECK(none.mean.empty());
  const std::vector<std::size_t> chosen{3, 19};
  const at::Tensor batch = Batches(data.shape, none).inputs(data.train, chosen);
  const std::size_t length = data.shape.length;
  CHECK(batch.sizes() == at::IntArrayRef({2, static_cast<std::int64_t>(length)}));
  CHECK((batch.scalar_type() == at::kLong));
  for (std::size_t i = 0; i < chosen.size(); ++i)
    for (std::size_t w = 0; w < length; ++w)
      CHECK(batch.data_ptr<std::int64_t>()[i * length + w] == data.train.tokens[chosen[i] * length + w]);
}

TEST_CASE("no examples make an empty batch") {
  const Examples examples = colourful(3);
  const Batches batches(colour, normalisation_of(examples, colour));
  CHECK(batches.inputs(examples, {}).sizes() == at::IntArrayRef({0, 3, 2, 5}));
  CHECK(batches.labels(examples, {}).numel() == 0);
}
