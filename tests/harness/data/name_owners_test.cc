// Owners: those of the training part first, both parts ascending by id.
#include "harness/data/name_owners.hpp"

#include <doctest/doctest.h>

#include <set>

#include "fedval/random/philox.hpp"

namespace fedval::harness {
namespace {

using Numbers = std::vector<std::uint32_t>;

Dataset named(const Numbers& train, const Numbers& test) {
  Dataset data{.name = "", .description = ""};
  data.train.owners = train;
  data.test.owners = test;
  name_owners(data, [](std::uint32_t id) { return std::to_string(id); });
  return data;
}

TEST_CASE("owners: a small case by hand") {
  const Dataset data = named({7, 3, 7, 900}, {5, 3, 4000000000, 1, 5});
  CHECK(data.owner_names == std::vector<std::string>{"3", "7", "900", "1", "5", "4000000000"});
  CHECK(data.train.owners == Numbers{1, 0, 1, 2});
  CHECK(data.test.owners == Numbers{4, 0, 5, 3, 4});
}

TEST_CASE("owners: names lead back to the ids, and training owners are the first ones") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    random::Stream draw(seed);
    Numbers train(draw.below(40)), test(draw.below(40));
    for (Numbers* part : {&train, &test})
      for (auto& id : *part) id = static_cast<std::uint32_t>(draw.below(30));
    const Dataset data = named(train, test);
    for (std::size_t i = 0; i < train.size(); ++i)
      CHECK(data.owner_names.at(data.train.owners[i]) == std::to_string(train[i]));
    for (std::size_t i = 0; i < test.size(); ++i)
      CHECK(data.owner_names.at(data.test.owners[i]) == std::to_string(test[i]));
    const std::set<std::uint32_t> training(data.train.owners.begin(), data.train.owners.end());
    CHECK((training.empty() || *training.rbegin() + 1 == training.size()));
    CHECK(std::set(data.owner_names.begin(), data.owner_names.end()).size() == data.owner_names.size());
  }
}

}  // namespace
}  // namespace fedval::harness
