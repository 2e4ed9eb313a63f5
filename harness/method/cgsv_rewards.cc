#include "harness/method/cgsv_rewards.hpp"

#include <algorithm>

#include "fedval/tensor/std.hpp"
#include "fedval/tensor/torch.hpp"
#include "harness/distributed/sliced.hpp"

namespace fedval::harness {

std::vector<double> CgsvRewards::weights_of(const Round& round) const {
  std::vector<double> importance, sizes;
  for (const auto& client : round.clients()) {
    const auto known = score_.importance().find(client.id);
    importance.push_back(known == score_.importance().end() ? 0.0 : known->second);
    sizes.push_back(client.samples);
  }
  const bool first = std::ranges::none_of(importance, [](double r) { return r > 0; });
  const bool by_size = first && rewards_.mode == reward::Mode::authors_code;
  return reward::normalise_importance(by_size ? std::move(sizes) : std::move(importance)).values;
}

void CgsvRewards::step(const Round& round, Models& models, Context& context) {
  CosineGradientShapley score = score_;
  score.observe(round);
  const at::Tensor aggregate = models.server.new_empty(models.server.sizes());
  const Round::Parts updates = round.parts(&ClientParts::update, "update", "CGSV");
  score.aggregate(round, everywhere(aggregate, updates.tensors));

  std::vector<double> importance;
  for (const auto& client : round.clients()) importance.push_back(score.importance().at(client.id));
  const std::vector<at::Tensor> tensors = context.tensors_of(aggregate);
  const TensorView view = TensorView::concatenate(std::vector<TensorView>(tensors.begin(), tensors.end()));
  const std::vector<reward::Reward> rewards = reward::gradient_rewards(view, importance, rewards_);
  for (std::size_t i = 0; i < round.size(); ++i) {
    const ClientId& id = round.clients()[i].id;
    at::Tensor& model = models.agents.at(id);
    if (!context.keeps(id)) {
      model = at::Tensor();
      continue;
    }
    model = model.clone();  // the first round's agents share one tensor
    reward::add_reward(view, rewards[i], model);
  }
  models.server = models.server.add(aggregate);
  weights_ = weights_of(round);
  if (score.uniform()) note("nobody had a positive importance, r is uniform");
  score_ = std::move(score);
}

}  // namespace fedval::harness
