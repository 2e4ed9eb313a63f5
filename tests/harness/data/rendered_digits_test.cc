// Rendered digits: shape, balance, what an image depends on, and that the classes can be told apart.
#include "harness/data/rendered_digits.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "fedval/error.hpp"
#include "harness/data/digit_strokes.hpp"

namespace fedval::harness {
namespace {

constexpr std::size_t area = 28 * 28;

std::span<const std::uint8_t> image(const Examples& set, std::size_t i) {
  return std::span(set.pixels).subspan(i * area, area);
}

TEST_CASE("rendered digits: shape, description and balanced labels") {
  for (const std::uint64_t seed : {0, 1, 77}) {
    CAPTURE(seed);
    const Dataset data = rendered_digits(seed, 203, 50);
    CHECK(data.name == "digits");
    CHECK(data.classes == 10);
    CHECK(data.description == "rendered digits (built in, seed " + std::to_string(seed) +
                                  "), 203 train and 50 test images: NOT MNIST");
    CHECK(data.train.size() == 203);
    CHECK(data.test.size() == 50);
    CHECK(data.shape == ExampleShape{1, 28, 28});
    for (const Examples* set : {&data.train, &data.test}) {
      CHECK(set->pixels.size() == set->size() * area);
      for (std::size_t block = 0; block + 10 <= set->size(); block += 10) {
        const auto first = set->labels.begin() + static_cast<std::ptrdiff_t>(block);
        CHECK(std::set<int>(first, first + 10).size() == 10);
      }
    }
    CHECK(std::all_of(data.train.labels.begin(), data.train.labels.end(),
                      [](auto label) { return label < 10; }));
  }
}

TEST_CASE("rendered digits: same seed, same images; other seed or part, other images") {
  const Dataset data = rendered_digits(5, 100, 100);
  const Dataset again = rendered_digits(5, 100, 100);
  CHECK(data.train.pixels == again.train.pixels);
  CHECK(data.train.labels == again.train.labels);
  CHECK(data.test.pixels == again.test.pixels);
  CHECK(data.test.labels == again.test.labels);
  CHECK(data.train.pixels != rendered_digits(6, 100, 0).train.pixels);
  CHECK(data.train.labels != rendered_digits(6, 100, 0).train.labels);
  CHECK(data.train.labels != data.test.labels);
  std::set<std::vector<std::uint8_t>> distinct;
  for (const Examples* set : {&data.train, &data.test})
    for (std::size_t i = 0; i < set->size(); ++i)
      distinct.emplace(image(*set, i).begin(), image(*set, i).end());
  CHECK(distinct.size() == 200);
}

TEST_CASE("rendered digits: a larger set begins with the smaller one") {
  const Dataset small = rendered_digits(9, 37, 11);
  const Dataset large = rendered_digits(9, 64, 29);
  CHECK(std::equal(small.train.pixels.begin(), small.train.pixels.end(), large.train.pixels.begin()));
  CHECK(std::equal(small.train.labels.begin(), small.train.labels.end(), large.train.labels.begin()));
  CHECK(std::equal(small.test.pixels.begin(), small.test.pixels.end(), large.test.pixels.begin()));
  CHECK(std::equal(small.test.labels.begin(), small.test.labels.end(), large.test.labels.begin()));
}

TEST_CASE("rendered digits: ink on an almost black ground, mostly away from the border") {
  const Dataset data = rendered_digits(1, 500, 0);
  std::size_t border_ink = 0;
  for (std::size_t i = 0; i < 500; ++i) {
    CAPTURE(i);
    const auto pixels = image(data.train, i);
    const auto ink = std::count_if(pixels.begin(), pixels.end(), [](auto p) { return p > 100; });
    CHECK(ink > 15);
    CHECK(ink < 350);
    for (std::size_t p = 0; p < area; ++p) {
      const bool border = p < 28 || p >= area - 28 || p % 28 == 0 || p % 28 == 27;
      border_ink += border && pixels[p] > 100 ? 1 : 0;
    }
  }
  CHECK(border_ink < 500);
}

// The mean image of each class, the plainest classifier there is: far from chance, far from perfect.
TEST_CASE("rendered digits: nearest centroid learns, but not everything") {
  const Dataset data = rendered_digits(1, 2000, 500);
  std::vector<std::array<double, area>> mean(10);
  for (std::size_t i = 0; i < 2000; ++i)
    for (std::size_t p = 0; p < area; ++p) mean[data.train.labels[i]][p] += image(data.train, i)[p] / 200.0;
  int right = 0;
  for (std::size_t i = 0; i < 500; ++i) {
    std::array<double, 10> distance{};
    for (std::size_t c = 0; c < 10; ++c)
      for (std::size_t p = 0; p < area; ++p) {
        const double difference = image(data.test, i)[p] - mean[c][p];
        distance[c] += difference * difference;
      }
    const auto nearest = std::min_element(distance.begin(), distance.end()) - distance.begin();
    right += nearest == data.test.labels[i] ? 1 : 0;
  }
  CAPTURE(right);
  CHECK(right > 250);
  CHECK(right < 475);
}

TEST_CASE("rendered digits: empty parts are fine, absurd ones are not") {
  CHECK(rendered_digits(1, 0, 0).train.size() == 0);
  CHECK_THROWS_AS(rendered_digits(1, (std::size_t{1} << 30) + 1, 0), Error);
}

TEST_CASE("digit strokes: in the unit square, two points or more") {
  for (std::size_t digit = 0; digit < 10; ++digit) {
    CAPTURE(digit);
    CHECK_FALSE(digit_glyphs(digit).empty());
    for (const Glyph& glyph : digit_glyphs(digit))
      for (const Stroke& stroke : glyph) {
        CHECK(stroke.points.size() >= 2);
        for (const Point p : stroke.points) CHECK((p.x >= 0 && p.x <= 1 && p.y >= 0 && p.y <= 1));
      }
  }
  CHECK_THROWS_AS(digit_glyphs(10), Error);
}

}  // namespace
}  // namespace fedval::harness
