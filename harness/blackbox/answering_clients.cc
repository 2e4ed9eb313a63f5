#include "harness/blackbox/answering_clients.hpp"

#include <ATen/ops/empty.h>

#include <utility>

#include "fedval/error.hpp"

namespace fedval::harness {

AnsweringClients::AnsweringClients(Federation& federation) : federation_(federation) {
  for (std::size_t agent = 0; agent < federation.agents().size(); ++agent) {
    auto client = std::make_unique<LocalClient>(federation, agent);
    sizes_.push_back(client->state().numel());
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
  std::vector<double> answered;
  for (const auto& client : local_)
    answered.push_back(client ? static_cast<double>(client->answered()) : 0.0);
  const std::vector<std::size_t> owners = keepers();
  ranks.share(answered, owners);
  collected_.resize(local_.size());
  for (std::size_t agent = 0; agent < local_.size(); ++agent) {  // their models may differ in size
    std::vector<at::Tensor> state{local_[agent] ? local_[agent]->state() : at::Tensor()};
    ranks.collect(state, std::span(owners).subspan(agent, 1), at::empty({sizes_[agent]}));
    if (!ranks.leads() || local_[agent]) continue;
    collected_[agent] = std::make_unique<LocalClient>(federation_, agent);
    collected_[agent]->become(state.front(), static_cast<std::uint64_t>(answered[agent]));
  }
}

void AnsweringClients::fields(Archive& archive) {
  collected_.resize(local_.size());
  for (std::size_t agent = 0; agent < local_.size(); ++agent) {
    // Who reads keeps what is its own.
    if (!local_[agent] && !collected_[agent])
      collected_[agent] = std::make_unique<LocalClient>(federation_, agent);
    (local_[agent] ? local_ : collected_)[agent]->fields(archive);
  }
  collected_.clear();
}

std::vector<std::size_t> agents_of(const Panel& panel) {
  std::vector<std::size_t> agents;
  for (const Panel::Member& member : panel.members()) agents.push_back(member.agent);
  return agents;
}

}  // namespace fedval::harness
