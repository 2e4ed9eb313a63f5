#include "harness/method/rffl.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "fedval/contribution/client_states.hpp"
#include "fedval/reward/quota.hpp"
#include "fedval/reward/sparsify.hpp"
#include "fedval/shapley/cosine_gradient.hpp"
#include "fedval/tensor/direction_sum.hpp"
#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/torch.hpp"
#include "harness/distributed/sliced.hpp"
#include "harness/method/data_shares.hpp"

namespace fedval::harness {

RfflReputation::RfflReputation(const RfflOptions& options) : options_(options) {
  if (!(options.gamma > 0)) fail("RFFL: gamma is ", options.gamma, ", must be above 0");
  if (!(options.alpha >= 0 && options.alpha < 1))
    fail("RFFL: alpha is ", options.alpha, ", must be in [0, 1)");
}

RfflReputation::Seen RfflReputation::observe(const Round& round, std::size_t number) {
  Seen seen{.members = reputations_.members(round)};
  if (seen.members.size() == 0) return seen;
  const Round::Parts updates = seen.members.parts(&ClientParts::update, "update", name);
  std::optional<Gram> products;
  if (compared_in_pairs(updates.tensors)) products = gram(updates.tensors, updates.names);
  seen.norms = products ? VectorNorms(*products) : norms(updates.tensors, updates.names);
  const std::vector<double> before = reputations_.of(seen.members);
  if (reputations_.empty()) {
    seen.weights = DataShares(Weighing::by_data).take(seen.members);
  } else {
    reward::Importance scaled = reward::normalise_importance(before);
    if (scaled.uniform) seen.notes.push_back("nobody who took part had a reputation, weights are uniform");
    seen.weights = std::move(scaled.values);
  }
  for (std::size_t i = 0; i < seen.members.size(); ++i)
    seen.lengths.push_back(seen.weights[i] * std::min(seen.norms.norm(i), options_.gamma));
  const std::vector<double> cosines =
      products ? shapley::cosine_gradient(*products, seen.lengths)
               : shapley::cosine_gradient(updates.tensors, seen.norms, seen.lengths);
  for (std::string& text :
       reputations_.settle(seen.members, reward::smooth_importance(before, cosines, options_.alpha),
                           number < options_.grace_rounds ? 0 : options_.threshold))
    seen.notes.push_back(std::move(text));
  return seen;
}

Rffl::Rffl(const RfflOptions& options) : reputation_(options) {
  if (!(options.sharpness > 0)) fail("RFFL: sharpness is ", options.sharpness, ", must be above 0");
}

void Rffl::step(const Round& round, Models& models, Context& context) {
  const Round::Parts updates = round.parts(&ClientParts::update, "update", RfflReputation::name);
  RfflReputation next = reputation_;
  RfflReputation::Seen seen = next.observe(round, context.number);

  const VectorNorms lengths = norms(updates.tensors, updates.names);
  const std::vector<TensorView> own = joined(updates.tensors, context.keepers(round));
  std::map<ClientId, at::Tensor> agents;
  for (std::size_t i = 0; i < round.size(); ++i) {
    const ClientId& id = round.clients()[i].id;
    const double length = lengths.norm(i), gamma = next.options().gamma;
    at::Tensor& model = agents[id];
    if (!context.keeps(id)) continue;
    model = models.agents.at(id).clone();
    axpy(length > gamma ? gamma / length : 1.0, own[i], model);
  }

  const at::Tensor aggregate = models.server.new_empty(models.server.sizes());
  const Round::Parts members = seen.members.parts(&ClientParts::update, "update", "RFFL");
  combine_normalised(seen.lengths, members.tensors, seen.norms, everywhere(aggregate, members.tensors));
  const Round left = next.reputations().members(seen.members);
  const double sharpness = next.options().sharpness;
  std::vector<std::size_t> quotas;
  for (const double ratio : reward::reward_ratios(next.reputations().of(left), 0))  // r_i / max r
    quotas.push_back(
        reward::quota(static_cast<std::size_t>(aggregate.numel()), std::tanh(sharpness * ratio)));
  const std::vector<TopK> thresholds = top_k_thresholds(aggregate, quotas);
  for (std::size_t i = 0; i < left.size(); ++i)
    if (const ClientId& id = left.clients()[i].id; context.keeps(id))
      reward::add_sparsified(aggregate, thresholds[i], agents.at(id));

  for (auto& [id, model] : agents) models.agents.at(id) = std::move(model);
  models.server = models.server.add(aggregate);
  weights_ = for_all(round, seen.members, seen.weights);
  if (seen.members.size() == 0) note("everyone who took part had been removed, the server's model stays");
  for (std::string& text : seen.notes) note(std::move(text));
  reputation_ = std::move(next);
}

Scores RfflReader::observe(const Round& round, Context& context) {
  reputation_.observe(round, context.number);
  return make_scores(round, reputation_.reputations().of(round));
}

}  // namespace fedval::harness
