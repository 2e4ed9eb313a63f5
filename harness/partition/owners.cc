// The natural partition: an agent is an owner of the data.
#include <algorithm>
#include <numeric>

#include "fedval/error.hpp"
#include "harness/partition/deal.hpp"

namespace fedval::harness::dealing {

Shards natural(const Deal& deal) {
  const Examples& train = deal.data.train;
  if (train.owners.empty())
    fail("partition: natural needs data with owners, and ", deal.data.name,
         " does not say whose an example is");
  std::vector<Indices> by_owner(deal.data.owner_names.size());
  for (const std::size_t i : deal.pool) {
    if (train.owners[i] >= by_owner.size())
      fail("partition: example ", i, " is of owner ", train.owners[i], ", but there are ", by_owner.size(),
           " owners");
    by_owner[train.owners[i]].push_back(i);
  }
  Indices owners;  // those with training examples: others may be in the test part alone
  for (std::size_t owner = 0; owner < by_owner.size(); ++owner)
    if (!by_owner[owner].empty()) owners.push_back(owner);
  if (deal.agents() > owners.size())
    fail("partition: ", deal.agents(), " agents, but ", deal.data.name, " has ", owners.size(),
         " owners of training examples");
  agent_stream(deal.seed, 0).shuffle(std::span(owners));
  owners.resize(deal.agents());
  std::sort(owners.begin(), owners.end());
  Shards shards;
  const std::size_t most = deal.settings.samples_per_agent;
  for (const std::size_t owner : owners) {
    Indices& all = by_owner[owner];
    if (most > 0 && all.size() > most) all.resize(most);  // any: the pool's order is random
    shards.push_back(std::move(all));
  }
  return shards;
}

}  // namespace fedval::harness::dealing
