#include "harness/blackbox/answering_clients.hpp"

#include <utility>

#include "fedval/error.hpp"

namespace fedval::harness {

AnsweringClients::AnsweringClients(Federation& federation) : federation_(federation) {
  for (std::size_t agent = 0; agent < federation.agents().size(); ++agent) {
    local_.push_back(std::make_unique<LocalClient>(federation, agent));
    boxes_.push_back(local_.back().get());
  }
}

AnsweringClients::AnsweringClients(Federation& federation, std::vector<BlackBox*> boxes)
    : federation_(federation), boxes_(std::move(boxes)) {
  if (boxes_.size() != federation.agents().size())
    fail(boxes_.size(), " clients for ", federation.agents().size(), " agents");
}

Panel AnsweringClients::panel(const std::vector<Participant>& participants, RoundRecord& record,
                              RunResult& result) const {
  std::vector<Panel::Member> members;
  for (const Participant& who : participants)
    members.push_back({who.agent, federation_.agents()[who.agent].id, boxes_[who.agent], who.share});
  return {federation_.workers(), std::move(members), record, result};
}

void AnsweringClients::train(Panel& panel, std::size_t round, std::atomic<std::size_t>& counter) {
  panel.tell([&](const Panel::Member& member) {
    return TrainMessage{static_cast<std::uint32_t>(round), member.share};
  });
  for (const auto& client : local_) counter.fetch_add(client->take_steps(), std::memory_order_relaxed);
}

std::vector<Tested> AnsweringClients::test() {
  std::vector<Tested> tested(local_.size());
  federation_.workers().for_each(local_.size(),
                                 [&](std::size_t i, std::size_t) { tested[i] = local_[i]->test(); });
  return tested;
}

void AnsweringClients::fields(Archive& archive) {
  for (const auto& client : local_) client->fields(archive);
}

std::vector<std::size_t> agents_of(const Panel& panel) {
  std::vector<std::size_t> agents;
  for (const Panel::Member& member : panel.members()) agents.push_back(member.agent);
  return agents;
}

}  // namespace fedval::harness
