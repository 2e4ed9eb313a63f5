#include "harness/method/averaging.hpp"

#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/torch.hpp"

namespace fedval::harness {

void average(const Round& round, const std::vector<double>& weights, Models& models) {
  models.server = models.server.clone();
  combine(weights, round.parts(&ClientParts::update, "update", "averaging").tensors, 1.0, models.server);
  for (auto& [id, agent] : models.agents) agent = models.server;
}

}  // namespace fedval::harness
