#include "harness/method/fedavg.hpp"

#include "harness/method/averaging.hpp"

namespace fedval::harness {

void FedAvg::step(const Round& round, Models& models) {
  double total = 0;
  for (const auto& client : round.clients()) total += client.samples;
  weights_.clear();
  for (const auto& client : round.clients()) {
    weights_.push_back(client.samples / total);
    samples_.of.insert_or_assign(client.id, client.samples);
  }
  average(round, weights_, models);
}

std::map<ClientId, double> FedAvg::credit() const {
  double total = 0;
  for (const auto& [id, samples] : samples_.of) total += samples;
  std::map<ClientId, double> shares;
  for (const auto& [id, samples] : samples_.of) shares.emplace(id, samples / total);
  return shares;
}

}  // namespace fedval::harness
