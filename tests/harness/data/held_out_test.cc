// Examples set aside: how many, that no example is in two parts, that everything of an example moves with it.
#include "harness/data/held_out.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "fedval/random/philox.hpp"
#include "tests/support/complaint.hpp"

namespace fedval::harness {
namespace {

/// Examples that say their own number in every member. `tokens`: sentences instead of images.
Examples numbered(std::size_t begin, std::size_t end, bool tokens) {
  Examples part;
  for (std::size_t i = begin; i < end; ++i) {
    for (std::size_t entry = 0; entry < 4; ++entry) {
      if (tokens)
        part.tokens.push_back(static_cast<std::int32_t>(1000 * entry + i));
      else
        part.pixels.push_back(static_cast<std::uint8_t>(i + entry));
    }
    part.labels.push_back(static_cast<std::uint8_t>(i));
    part.owners.push_back(static_cast<std::uint32_t>(100000 + i));
  }
  return part;
}

Dataset made(std::size_t train, std::size_t held_out, bool tokens) {
  Dataset data{.name = "made", .description = "", .classes = 256};
  data.shape = tokens ? ExampleShape{.length = 4, .vocabulary = 5000} : ExampleShape{1, 2, 2};
  data.train = numbered(0, train, tokens);
  data.held_out = numbered(train, train + held_out, tokens);
  return data;
}

void check_whole(const Examples& part, bool tokens) {
  REQUIRE(part.owners.size() == part.size());
  REQUIRE((tokens ? part.tokens.size() : part.pixels.size()) == 4 * part.size());
  REQUIRE((tokens ? part.pixels.size() : part.tokens.size()) == 0);
  for (std::size_t i = 0; i < part.size(); ++i) {
    const std::size_t number = part.labels[i];
    CHECK(part.owners[i] == 100000 + number);
    for (std::size_t entry = 0; entry < 4; ++entry) {
      if (tokens)
        CHECK(part.tokens[4 * i + entry] == static_cast<std::int32_t>(1000 * entry + number));
      else
        CHECK(part.pixels[4 * i + entry] == static_cast<std::uint8_t>(number + entry));
    }
  }
}

TEST_CASE("held out: every example is in one part, with all that belongs to it, in its old order") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    random::Stream draw(seed);
    const bool tokens = draw.below(2) == 0;
    const std::size_t train = 2 + draw.below(200), before = draw.below(20), count = draw.below(train);
    CAPTURE(train);
    CAPTURE(count);
    Dataset data = made(train, before, tokens);
    set_aside(data, count, seed);
    CHECK(data.train.size() == train - count);
    CHECK(data.held_out.size() == before + count);
    check_whole(data.train, tokens);
    check_whole(data.held_out, tokens);
    std::vector<int> all(data.train.labels.begin(), data.train.labels.end());
    CHECK(std::is_sorted(all.begin(), all.end()));
    const auto moved = data.held_out.labels.begin() + static_cast<std::ptrdiff_t>(before);
    CHECK(std::is_sorted(moved, data.held_out.labels.end()));
    all.insert(all.end(), data.held_out.labels.begin(), data.held_out.labels.end());
    std::sort(all.begin(), all.end());
    for (std::size_t i = 0; i < all.size(); ++i) CHECK(all[i] == static_cast<int>(i));
    for (std::size_t i = 0; i < before; ++i) CHECK(data.held_out.labels[i] == train + i);
  }
}

TEST_CASE("held out: the seed decides, and every example has the same chance") {
  std::vector<int> times(50, 0);
  constexpr int seeds = 2000;
  for (int seed = 0; seed < seeds; ++seed) {
    Dataset data = made(50, 0, false), again = made(50, 0, false);
    set_aside(data, 10, static_cast<std::uint64_t>(seed));
    for (const auto label : data.held_out.labels) ++times[label];
    if (seed > 0) continue;
    set_aside(again, 10, 0);
    CHECK(again.held_out.labels == data.held_out.labels);
  }
  // Binomial(2000, 1/5): mean 400, deviation 17.9; six deviations.
  for (const int count : times) CHECK(std::abs(count - 400) < 108);
}

TEST_CASE("held out: someone must be left to train on") {
  Dataset data = made(10, 0, false);
  CHECK(tests::complaint_of([&] { set_aside(data, 10, 1); }) ==
        "data.held_out is 10, but the training part of made has 10 examples");
  CHECK(data.train.size() == 10);
  set_aside(data, 0, 1);
  CHECK(data.train.size() == 10);
}

}  // namespace
}  // namespace fedval::harness
