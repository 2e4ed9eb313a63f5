#include "harness/method/averaging.hpp"

#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/torch.hpp"
#include "harness/distributed/sliced.hpp"

namespace fedval::harness {

void hand_out(const at::Tensor& model, Models& models) {
  models.server = model;
  for (auto& [id, agent] : models.agents) agent = model;
}

void average(const Round& round, const std::vector<double>& weights, Models& models) {
  const at::Tensor next = models.server.clone();
  const Round::Parts updates = round.parts(&ClientParts::update, "update", "averaging");
  combine(weights, updates.tensors, 1.0, everywhere(next, updates.tensors));
  hand_out(next, models);
}

}  // namespace fedval::harness
