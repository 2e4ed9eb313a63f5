// Made sentences: balance, what a sentence depends on, and how much single words and words in a row tell.
#include "harness/data/sentences.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "fedval/error.hpp"

namespace fedval::harness {
namespace {

using Row = std::vector<std::int32_t>;

Row row(const Dataset& data, const Examples& part, std::size_t i) {
  const auto first = part.tokens.begin() + static_cast<std::ptrdiff_t>(i * data.shape.length);
  return {first, first + static_cast<std::ptrdiff_t>(data.shape.length)};
}

TEST_CASE("made sentences: shape, description and balanced labels") {
  for (const std::uint64_t seed : {0, 1, 77}) {
    CAPTURE(seed);
    const Dataset data = made_sentences(seed, 203, 50);
    CHECK(data.name == "sentences");
    CHECK(data.classes == 2);
    CHECK(data.description == "made sentences (built in, seed " + std::to_string(seed) +
                                  "), 203 train and 50 test sentences: NOT a real corpus");
    CHECK(data.shape.is_text());
    CHECK(data.train.size() == 203);
    CHECK(data.held_out.size() == 0);
    CHECK(data.test.size() == 50);
    for (const Examples* part : {&data.train, &data.test}) {
      CHECK(part->pixels.empty());
      CHECK(part->tokens.size() == part->size() * data.shape.length);
      std::size_t praise_first = 0;
      for (std::size_t i = 0; i + 1 < part->size(); i += 2) {
        CHECK(part->labels[i] + part->labels[i + 1] == 1);
        praise_first += part->labels[i];
      }
      CHECK(praise_first > part->size() / 8);
      CHECK(praise_first < part->size() * 3 / 8);
    }
  }
}

TEST_CASE("made sentences: the vocabulary is the grammar's, and all of it is used") {
  const Dataset small = made_sentences(1, 1, 1), large = made_sentences(2, 12000, 2000);
  CHECK(small.shape == large.shape);
  std::set<std::int32_t> used(large.train.tokens.begin(), large.train.tokens.end());
  CHECK(used.size() == large.shape.vocabulary - 1);  // all numbers but 1, unknown
  CHECK_FALSE(used.contains(1));
  CHECK(*used.begin() == 0);
  CHECK(*used.rbegin() == static_cast<std::int32_t>(large.shape.vocabulary) - 1);
  std::size_t shortest = large.shape.length, longest = 0;
  for (std::size_t i = 0; i < large.train.size(); ++i) {
    const Row words = row(large, large.train, i);
    const auto end = std::find(words.begin(), words.end(), 0);
    CHECK(std::all_of(end, words.end(), [](auto t) { return t == 0; }));
    shortest = std::min(shortest, static_cast<std::size_t>(end - words.begin()));
    longest = std::max(longest, static_cast<std::size_t>(end - words.begin()));
  }
  CHECK(shortest == 4);             // "the plot is dull"
  CHECK(longest > 28);              // the very longest is rare
  CHECK(small.shape.length == 35);  // 5 + 11 + 2 + 11 + 6 words, so none is ever cut
}

TEST_CASE("made sentences: no two alike have different labels, and few are alike at all") {
  const Dataset data = made_sentences(3, 12000, 2000);
  std::map<Row, int> labels;
  std::size_t repeated = 0, wrong = 0;
  for (const Examples* part : {&data.train, &data.test})
    for (std::size_t i = 0; i < part->size(); ++i) {
      const auto [known, fresh] = labels.emplace(row(data, *part, i), part->labels[i]);
      repeated += !fresh;
      wrong += known->second != part->labels[i];
    }
  CHECK(wrong == 0);
  CHECK(repeated < 100);
}

TEST_CASE(
    "made sentences: same seed, same sentences; other seed or part, others; larger begins with smaller") {
  const Dataset data = made_sentences(5, 100, 100), again = made_sentences(5, 100, 100);
  CHECK(data.train.tokens == again.train.tokens);
  CHECK(data.train.labels == again.train.labels);
  CHECK(data.test.tokens == again.test.tokens);
  CHECK(data.test.labels == again.test.labels);
  const Dataset other = made_sentences(6, 100, 0);
  for (const Examples* part : {&other.train, &data.test}) {
    CHECK(data.train.labels != part->labels);
    std::size_t alike = 0;
    for (std::size_t i = 0; i < 100; ++i) alike += row(data, data.train, i) == row(data, *part, i);
    CHECK(alike < 3);
  }
  const Dataset large = made_sentences(5, 151, 203);
  CHECK(std::equal(data.train.tokens.begin(), data.train.tokens.end(), large.train.tokens.begin()));
  CHECK(std::equal(data.train.labels.begin(), data.train.labels.end(), large.train.labels.begin()));
  CHECK(std::equal(data.test.tokens.begin(), data.test.tokens.end(), large.test.tokens.begin()));
  CHECK(std::equal(data.test.labels.begin(), data.test.labels.end(), large.test.labels.begin()));
}

// Share of test sentences that logistic regression gets right, from which runs of words of the given widths
// occur in a sentence: what a text CNN with these widths sees after its maximum over time, without learning
// what words have in common.
double accuracy(const Dataset& data, const std::vector<std::size_t>& widths) {
  std::map<Row, std::size_t> features;
  const auto present = [&](const Examples& part, std::size_t i, bool add) {
    const Row words = row(data, part, i);
    std::set<std::size_t> found;
    for (const std::size_t width : widths)
      for (std::size_t k = 0; k + width <= words.size() && words[k] != 0; ++k) {
        const Row run(words.begin() + static_cast<std::ptrdiff_t>(k),
                      words.begin() + static_cast<std::ptrdiff_t>(k + width));
        if (add) features.emplace(run, features.size());
        if (const auto at = features.find(run); at != features.end()) found.insert(at->second);
      }
    return found;
  };
  std::vector<std::set<std::size_t>> train;
  for (std::size_t i = 0; i < data.train.size(); ++i) train.push_back(present(data.train, i, true));
  std::vector<double> weights(features.size());
  const auto score = [&](const std::set<std::size_t>& found) {
    double sum = 0;
    for (const std::size_t f : found) sum += weights[f];
    return sum;
  };
  for (int epoch = 0; epoch < 8; ++epoch)
    for (std::size_t i = 0; i < train.size(); ++i) {
      const double step = 0.1 * (data.train.labels[i] - 1 / (1 + std::exp(-score(train[i]))));
      for (const std::size_t f : train[i]) weights[f] += step;
    }
  int right = 0;
  for (std::size_t i = 0; i < data.test.size(); ++i)
    right += (score(present(data.test, i, false)) > 0) == (data.test.labels[i] == 1);
  return right / static_cast<double>(data.test.size());
}

TEST_CASE("made sentences: single words tell something, runs of words much more") {
  const Dataset data = made_sentences(1, 12000, 2000);
  const double words = accuracy(data, {1}), runs = accuracy(data, {3, 4, 5});
  CAPTURE(words);
  CAPTURE(runs);
  CHECK(words > 0.6);
  CHECK(words < 0.8);
  CHECK(runs > 0.87);
}

TEST_CASE("made sentences: empty parts are fine, absurd ones are not") {
  CHECK(made_sentences(1, 0, 0).train.size() == 0);
  CHECK_THROWS_WITH_AS(made_sentences(1, 0, (std::size_t{1} << 20) + 1),
                       "made sentences: 1048577 sentences asked for, at most 1048576", Error);
}

}  // namespace
}  // namespace fedval::harness
