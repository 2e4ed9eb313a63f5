// The checksum that tells whether a run goes on with the data it began with: any change of any part shows.
#include "harness/cli/laboratory.hpp"

#include "harness/data/rendered_digits.hpp"
#include "harness/data/sentences.hpp"
#include "tests/doctest_torch.hpp"

using namespace fedval::harness;

namespace {

/// Whether the checksum of the changed data is another one.
template <class Change>
bool shows(Dataset data, Change&& change) {
  const std::uint64_t before = digest_of(data);
  change(data);
  return digest_of(data) != before;
}

}  // namespace

TEST_CASE("one pixel, word, label or owner, in the training, held-out or test part") {
  Dataset digits = rendered_digits(1, 20, 10), sentences = made_sentences(1, 20, 10);
  digits.held_out = digits.test;
  sentences.held_out = sentences.test;
  for (Dataset* data : {&digits, &sentences})
    for (Examples* part : {&data->train, &data->held_out, &data->test}) part->owners.assign(part->size(), 3);
  for (Examples Dataset::*part : {&Dataset::train, &Dataset::held_out, &Dataset::test}) {
    CHECK(shows(digits, [&](Dataset& data) { (data.*part).pixels.front() ^= 1; }));
    CHECK(shows(digits, [&](Dataset& data) { (data.*part).pixels.back() ^= 1; }));
    CHECK(shows(sentences, [&](Dataset& data) { (data.*part).tokens.front() ^= 1; }));
    CHECK(shows(sentences, [&](Dataset& data) { (data.*part).labels.back() ^= 1; }));
    CHECK(shows(digits, [&](Dataset& data) { (data.*part).labels.front() ^= 1; }));
    CHECK(shows(digits, [&](Dataset& data) { (data.*part).owners.back() ^= 1; }));
  }
  CHECK_FALSE(shows(digits, [](Dataset&) {}));
  CHECK_FALSE(shows(digits, [](Dataset& data) { data = Dataset(data); }));
}
