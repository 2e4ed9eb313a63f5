#include "harness/method/fedavg.hpp"

#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/torch.hpp"

namespace fedval::harness {

void average(const Round& round, const std::vector<double>& weights, Models& models) {
  models.server = models.server.clone();
  combine(weights, round.parts(&ClientParts::update, "update", "averaging").tensors, 1.0, models.server);
  for (at::Tensor& agent : models.agents) agent = models.server;
}

void FedAvg::step(const Round& round, Models& models) {
  double total = 0;
  for (const auto& client : round.clients()) total += client.samples;
  shares_.clear();
  for (const auto& client : round.clients()) shares_.push_back(client.samples / total);
  average(round, shares_, models);
}

}  // namespace fedval::harness
