#include "harness/method/shapfed_averaging.hpp"

#include <ATen/ops/empty_like.h>

#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/torch.hpp"
#include "harness/distributed/sliced.hpp"

namespace fedval::harness {

namespace {

/// The models that the round's clients reached, in their order, each where its client is kept.
std::vector<at::Tensor> trained(const Round& round, const Models& models, const Context& context) {
  const Round::Parts updates = round.parts(&ClientParts::update, "update", "ShapFed");
  for (const auto& client : round.clients())
    if (!models.agents.contains(client.id)) fail("client ", client.id, ": sent an update, but has no model");
  const std::vector<TensorView> own = joined(updates.tensors, context.keepers(round));
  std::vector<at::Tensor> reached;
  for (std::size_t i = 0; i < round.size(); ++i) {
    const ClientId& id = round.clients()[i].id;
    reached.emplace_back();
    if (!context.keeps(id)) continue;
    reached.back() = models.agents.at(id).clone();
    axpy(1.0, own[i], reached.back());
  }
  return reached;
}

}  // namespace

void ShapFedAveraging::step(const Round& round, Models& models, Context& context) {
  if (round.size() == 0) return weights_.clear();
  ScoredClients<ShapFed> next = clients_;
  ScoreWeights weights = score_weights(next.observe(round), "gamma");
  const std::vector<at::Tensor> reached = trained(round, models, context);
  const at::Tensor server = at::empty_like(models.server);
  const std::vector<TensorView> all = context.spread(round, reached);
  combine(weights.values, all, 0.0, everywhere(server, all));

  const std::vector<double> shares = next.score.shares(round);
  for (std::size_t i = 0; i < round.size(); ++i) {
    const ClientId& id = round.clients()[i].id;
    if (context.keeps(id)) ShapFed::personalise(shares[i], server, reached[i]);
    models.agents.at(id) = shares[i] < 1 ? reached[i] : server;
  }
  models.server = server;
  for (std::string& text : weights.notes) note(std::move(text));
  clients_ = std::move(next);
  weights_ = std::move(weights.values);
}

}  // namespace fedval::harness
