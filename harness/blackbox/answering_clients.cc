#include "harness/blackbox/answering_clients.hpp"

#include <ATen/ops/empty.h>

#include <cmath>
#include <utility>

#include "fedval/error.hpp"
#include "harness/federation/training.hpp"

namespace fedval::harness {

AnsweringClients::AnsweringClients(Federation& federation) : federation_(federation) {
  for (std::size_t agent = 0; agent < federation.agents().size(); ++agent) {
    auto client = std::make_unique<LocalClient>(federation, agent);
    sizes_.push_back(client->state().network.numel());
    if (federation.keeper(agent) != federation.ranks().rank()) client.reset();
    boxes_.push_back(client.get());
    local_.push_back(std::move(client));
  }
}

AnsweringClients::AnsweringClients(Federation& federation, std::vector<BlackBox*> boxes)
    : federation_(federation), boxes_(std::move(boxes)) {
  if (boxes_.size() != federation.agents().size())
    fail(boxes_.size(), " clients for ", federation.agents().size(), " agents");
}

std::vector<std::size_t> AnsweringClients::keepers() const {
  std::vector<std::size_t> keepers;
  for (std::size_t agent = 0; agent < local_.size(); ++agent) keepers.push_back(federation_.keeper(agent));
  return keepers;
}

Panel AnsweringClients::panel(const std::vector<Participant>& participants, RoundRecord& record,
                              RunResult& result) const {
  std::vector<Panel::Member> members;
  members.reserve(participants.size());
  for (const Participant& who : participants)
    members.push_back({who.agent, federation_.agents()[who.agent].id, boxes_[who.agent],
                       federation_.keeper(who.agent), who.share});
  return {federation_.workers(), federation_.ranks(), std::move(members), record, result};
}

void AnsweringClients::train(Panel& panel, std::size_t round, std::atomic<std::size_t>& counter) {
  panel.tell([&](const Panel::Member& member) {
    return TrainMessage{static_cast<std::uint32_t>(round), member.share};
  });
  for (const auto& client : local_)
    if (client) counter.fetch_add(client->take_steps(), std::memory_order_relaxed);
  for (const Panel::Member& member : panel.members())  // those of other ranks did what they were told
    if (member.keeper != federation_.ranks().rank())
      counter.fetch_add(steps_of(federation_.settings().training,
                                 federation_.agents()[member.agent].shard.size(), member.share),
                        std::memory_order_relaxed);
}

std::vector<Tested> AnsweringClients::test() {
  std::vector<double> accuracies(local_.size()), losses(local_.size());
  federation_.ranks().together([&] {
    federation_.workers().for_each(local_.size(), [&](std::size_t i, std::size_t) {
      if (!local_[i]) return;
      const Tested tested = local_[i]->test();
      accuracies[i] = tested.accuracy;
      losses[i] = tested.loss;
    });
  });
  const std::vector<std::size_t> owners = keepers();
  federation_.ranks().share(accuracies, owners);
  federation_.ranks().share(losses, owners);
  std::vector<Tested> tested;
  for (std::size_t i = 0; i < local_.size(); ++i) tested.push_back({accuracies[i], losses[i]});
  return tested;
}

void AnsweringClients::collect() {
  Ranks& ranks = federation_.ranks();
  if (ranks.count() == 1) return;
  const std::vector<std::size_t> owners = keepers();
  std::vector<double> answered;
  for (const auto& client : local_)
    answered.push_back(client ? static_cast<double>(client->state().answered) : 0.0);
  ranks.share(answered, owners);
  std::map<std::int64_t, std::vector<std::size_t>> alike;  // agents by the size of their networks' states
  for (std::size_t agent = 0; agent < local_.size(); ++agent) alike[sizes_[agent]].push_back(agent);
  for (const auto& [size, agents] : alike) {
    std::vector<at::Tensor> states;
    std::vector<std::size_t> from;
    for (const std::size_t agent : agents) {
      states.push_back(local_[agent] ? local_[agent]->state().network : at::Tensor());
      from.push_back(owners[agent]);
    }
    ranks.collect(states, from, at::empty({size}));
    for (std::size_t k = 0; k < agents.size() && ranks.leads(); ++k) {
      const double images = answered[agents[k]];
      if (!(images >= 0 && images <= 0x1p53 && images == std::trunc(images)))
        fail("client ", federation_.agents()[agents[k]].id, ": its rank says that it has answered ", images,
             " images");
      collected_[agents[k]] = {states[k], static_cast<std::uint64_t>(images)};
    }
  }
}

void AnsweringClients::fields(Archive& archive) {
  for (std::size_t agent = 0; agent < local_.size(); ++agent) {
    if (local_[agent]) {
      local_[agent]->fields(archive);
    } else if (archive.reading()) {  // the rank that keeps it reads it, too
      ClientState elsewhere{at::empty({sizes_[agent]})};
      elsewhere.fields(archive);
    } else {
      collected_.at(agent).fields(archive);
    }
  }
  collected_.clear();
}

std::vector<std::size_t> agents_of(const Panel& panel) {
  std::vector<std::size_t> agents;
  for (const Panel::Member& member : panel.members()) agents.push_back(member.agent);
  return agents;
}

}  // namespace fedval::harness
