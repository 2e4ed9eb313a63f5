#include "harness/method/cgsv_rewards.hpp"

#include "fedval/reward/gradient_reward.hpp"
#include "fedval/reward/sparsify.hpp"
#include "fedval/tensor/torch.hpp"

namespace fedval::harness {

std::vector<double> CgsvRewards::credit() const {
  std::vector<double> importance;
  for (const auto& [id, r] : score_.importance()) importance.push_back(r);
  return importance;
}

void CgsvRewards::step(const Round& round, Models& models) {
  ++rounds_;
  score_.observe(round);
  if (score_.uniform())
    notes.push_back("round " + std::to_string(rounds_) + ": nobody had a positive importance, r is uniform");
  at::Tensor aggregate = models.server.new_empty(models.server.sizes());
  score_.aggregate(round, aggregate);

  const std::vector<std::size_t> quotas =
      reward::reward_quotas(credit(), beta_, static_cast<std::size_t>(aggregate.numel()));
  const std::vector<TopK> thresholds = top_k_thresholds(aggregate, quotas);
  for (std::size_t i = 0; i < models.agents.size(); ++i) {
    models.agents[i] = models.agents[i].clone();  // the first round's agents share one tensor
    reward::axpy(1.0, reward::sparsify(aggregate, thresholds[i]), models.agents[i]);
  }
  models.server = models.server.add(aggregate);
}

}  // namespace fedval::harness
