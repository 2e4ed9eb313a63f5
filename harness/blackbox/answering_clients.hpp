// The clients of a run that only answer, each on the rank that keeps its agent.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "harness/blackbox/local_client.hpp"
#include "harness/blackbox/panel.hpp"

namespace fedval::harness {

class AnsweringClients {
 public:
  /// One for each agent that this rank keeps; the federation must outlive them. Error from their networks.
  explicit AnsweringClients(Federation& federation);
  /// Others, one for each agent, that must outlive this; they are neither tested nor saved. Error when there
  /// are not as many.
  AnsweringClients(Federation& federation, std::vector<BlackBox*> boxes);

  /// The participants of a round, ready to be asked.
  Panel panel(const std::vector<Participant>& participants, RoundRecord& record, RunResult& result) const;
  /// They train for a round, from 0.
  void train(Panel& panel, std::size_t round, std::atomic<std::size_t>& counter);
  /// All on the part that the settings name for evaluation.
  std::vector<Tested> test();
  /// As MethodRun::collect().
  void collect();
  void fields(Archive& archive);

 private:
  std::vector<std::size_t> keepers() const;

  Federation& federation_;
  std::vector<std::unique_ptr<LocalClient>> local_;  // null where another rank keeps it
  std::map<std::size_t, ClientState> collected_;     // of other ranks, here only to be saved
  std::vector<std::int64_t> sizes_;                  // of their networks' states
  std::vector<BlackBox*> boxes_;
};

/// Agents of a panel's members.
std::vector<std::size_t> agents_of(const Panel& panel);

}  // namespace fedval::harness
