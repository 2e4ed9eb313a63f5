#include "harness/method/fedavg.hpp"

#include "harness/method/averaging.hpp"

namespace fedval::harness {

void FedAvg::step(const Round& round, Models& models) {
  double total = 0;
  for (const auto& client : round.clients()) total += client.samples;
  shares_.clear();
  for (const auto& client : round.clients()) shares_.push_back(client.samples / total);
  average(round, shares_, models);
}

}  // namespace fedval::harness
