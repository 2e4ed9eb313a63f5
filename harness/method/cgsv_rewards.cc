#include "harness/method/cgsv_rewards.hpp"

#include "fedval/reward/gradient_reward.hpp"
#include "fedval/reward/sparsify.hpp"
#include "fedval/tensor/torch.hpp"

namespace fedval::harness {

void CgsvRewards::step(const Round& round, Models& models) {
  std::vector<double> before;
  for (const auto& client : round.clients()) {
    const auto known = score_.importance().find(client.id);
    before.push_back(known == score_.importance().end() ? 0.0 : known->second);
  }
  weights_ = reward::normalise_importance(std::move(before)).values;
  score_.observe(round);
  if (score_.uniform()) note("nobody had a positive importance, r is uniform");
  at::Tensor aggregate = models.server.new_empty(models.server.sizes());
  score_.aggregate(round, aggregate);

  std::vector<double> importance;
  for (const auto& client : round.clients()) importance.push_back(score_.importance().at(client.id));
  const std::vector<TopK> thresholds = top_k_thresholds(
      aggregate, reward::reward_quotas(importance, beta_, static_cast<std::size_t>(aggregate.numel())));
  for (std::size_t i = 0; i < round.size(); ++i) {
    at::Tensor& model = models.agents.at(round.clients()[i].id);
    model = model.clone();  // the first round's agents share one tensor
    reward::axpy(1.0, reward::sparsify(aggregate, thresholds[i]), model);
  }
  models.server = models.server.add(aggregate);
}

}  // namespace fedval::harness
