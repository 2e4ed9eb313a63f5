#include "harness/method/cffl.hpp"

#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <numeric>

#include "fedval/reward/quota.hpp"
#include "fedval/reward/sparsify.hpp"
#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/torch.hpp"
#include "harness/distributed/sliced.hpp"
#include "harness/federation/objection.hpp"

namespace fedval::harness {

Cffl::Cffl(const CfflOptions& options) : kept_{options} {
  if (!(options.upload_share > 0 && options.upload_share <= 1))
    fail("CFFL: upload_share is ", options.upload_share, ", must be in (0, 1]");
  if (!(options.clip > 0)) fail("CFFL: clip is ", options.clip, ", must be above 0");
  if (!(options.memory >= 0 && options.memory < 1))
    fail("CFFL: memory is ", options.memory, ", must be in [0, 1)");
  if (!(options.sharpness > 0 && options.sharpness <= 300))
    fail("CFFL: sharpness is ", options.sharpness, ", must be in (0, 300]");
  if (options.rounds == 0) fail("CFFL: rounds is 0, must be at least 1");
}

at::Tensor Cffl::upload(const at::Tensor& update, const std::string& name) const {
  check_finite_there(update, name);
  at::Tensor sent = update.clone();
  sent.clamp_(-kept_.options.clip, kept_.options.clip);
  const auto entries = static_cast<double>(update.numel()) * kept_.options.upload_share;
  reward::sparsify(sent, top_k_threshold(sent, static_cast<std::size_t>(entries)), sent);
  return sent;
}

std::vector<double> Cffl::reputations_after(const Round& members, const std::vector<double>& accuracies,
                                            std::size_t number) const {
  const CfflOptions& options = kept_.options;
  std::vector<double> c = kept_.reputations.of(members);
  double all = 1;  // with the newcomers'
  for (std::size_t i = 0; i < c.size(); ++i)
    if (!kept_.reputations.knows(members.clients()[i].id)) all += c[i];
  for (double& value : c) value /= all;
  const double held = kept_.reputations.empty() ? 1.0 : std::accumulate(c.begin(), c.end(), 0.0);
  const std::vector<double> shares = reward::normalise_importance(accuracies).values;
  const double sharpness =
      options.sharpness * (1 + static_cast<double>(number) / static_cast<double>(options.rounds));
  for (std::size_t i = 0; i < c.size(); ++i)
    c[i] = std::sinh(sharpness * (options.memory * c[i] + (1 - options.memory) * held * shares[i]));
  c = reward::normalise_importance(std::move(c)).values;
  for (double& value : c) value *= held;
  return c;
}

void Cffl::step(const Round& round, Models& models, Context& context) {
  const Round::Parts updates = round.parts(&ClientParts::update, "update", Kept::name);
  const Round members = kept_.reputations.members(round);
  std::map<ClientId, at::Tensor> agents, uploads;
  std::vector<at::Tensor> candidates;
  for (std::size_t i = 0; i < round.size(); ++i) {
    const ClientId& id = round.clients()[i].id;
    const at::Tensor& start = models.agents.at(id);
    // The server tests each agent's own model, so every rank has all updates and models.
    const at::Tensor update = at::zeros_like(start);
    axpy(1.0, updates.tensors[i], everywhere(update, updates.tensors));
    agents.emplace(id, start.add(update));
    if (!members.has(id)) continue;
    const at::Tensor& sent = uploads.emplace(id, upload(update, updates.names[i])).first->second;
    candidates.push_back((kept_.options.upload_share < 1 ? context.model : start).add(sent));
  }

  std::vector<std::string> notes;
  Reputations next = kept_.reputations;
  if (members.size() > 0) {
    std::vector<double> accuracies;
    double sum = 0;
    for (const Tested& tested : context.validate(candidates)) sum += accuracies.emplace_back(tested.accuracy);
    if (sum == 0) notes.push_back("no upload had any accuracy, all get the same share");
    for (std::string& text : next.settle(members, reputations_after(members, accuracies, context.number),
                                         kept_.options.threshold))
      notes.push_back(std::move(text));
  }

  const Round left = next.members(members);
  const at::Tensor aggregate = at::zeros_like(models.server);
  for (const auto& client : left.clients()) aggregate.add_(uploads.at(client.id));
  const std::vector<std::size_t> quotas =
      reward::reward_quotas(next.of(left), 0, static_cast<std::size_t>(aggregate.numel()));  // D c_i / max c
  for (std::size_t i = 0; i < left.size(); ++i) {
    const ClientId& id = left.clients()[i].id;
    const at::Tensor others = aggregate.sub(uploads.at(id));
    reward::add_sparsified(others, top_k_threshold(others, quotas[i]), agents.at(id));
  }
  if (left.size() == 0) notes.push_back("everyone who took part was removed, the server's model stays");

  for (auto& [id, model] : agents) models.agents.at(id) = std::move(model);
  models.server = models.server.add(aggregate);
  weights_ = for_all(round, left, std::vector<double>(left.size(), 1.0 / static_cast<double>(left.size())));
  kept_.reputations = std::move(next);
  for (std::string& text : notes) note(std::move(text));
}

}  // namespace fedval::harness
