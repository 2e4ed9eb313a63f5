#include "harness/blackbox/open_clients.hpp"

#include <algorithm>

#include "fedval/error.hpp"
#include "harness/federation/objection.hpp"

namespace fedval::harness {

OpenModels train_open(Federation& federation, const std::vector<Participant>& participants,
                      const at::Tensor& server, RoundRecord& record, RunResult& result,
                      std::atomic<std::size_t>& counter, const Regularisers& regularisers) {
  std::vector<Federation::Task> tasks;
  for (const Participant& who : participants) {
    tasks.push_back({who, server});
    if (regularisers) tasks.back().regularise = regularisers(who.agent);
  }
  const std::vector<at::Tensor> reached = federation.train_all(tasks, record.round - 1, counter);
  add(result.bytes, "models",
      static_cast<double>(2 * participants.size()) * 4 * static_cast<double>(server.numel()));
  OpenModels models;
  const Objections objections(server, federation.settings().participation.longest_update);
  for (std::size_t i = 0; i < participants.size(); ++i) {
    const ClientId& id = federation.agents()[participants[i].agent].id;
    const std::string objection = objections.to(reached[i], "model");
    if (!objection.empty()) {
      record.refused.push_back({id, objection});
      std::erase(record.participants, id);
      std::erase(record.stragglers, id);
      result.notes.push_back("round " + std::to_string(record.round) + ": client " + id.text() +
                             " was left out: " + objection);
      continue;
    }
    models.agents.push_back(participants[i].agent);
    models.states.push_back(reached[i]);
  }
  note_refused(record, federation.agents().size(), result);
  return models;
}

at::Tensor average(const Federation& federation, const OpenModels& models) {
  double samples = 0;
  for (const std::size_t agent : models.agents)
    samples += static_cast<double>(federation.agents()[agent].shard.size());
  at::Tensor sum = models.states.front().new_zeros(models.states.front().sizes());
  for (std::size_t k = 0; k < models.agents.size(); ++k)
    sum.add_(models.states[k],
             static_cast<double>(federation.agents()[models.agents[k]].shard.size()) / samples);
  return sum;
}

}  // namespace fedval::harness
