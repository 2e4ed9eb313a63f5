// FedDF-like: clients send their models; the average of them learns their ensemble's answers about public
// examples.
//
//   w = sum_k w_k theta_k;   then distillation on B public examples towards sum_k w_k logits_k
//
// "Like": one group of equal networks, and a batch of public examples a round.
// Source: Lin, Kong, Stich, Jaggi, "Ensemble distillation for robust model fusion in federated learning",
// NeurIPS 2020.
#pragma once

#include <vector>

#include "harness/blackbox/distillation_run.hpp"

namespace fedval::harness {

class FedDf : public DistillationRun {
 public:
  /// Error where there are not enough public examples.
  explicit FedDf(Federation& federation);

 protected:
  void exchange(const std::vector<Participant>& participants, RoundRecord& record,
                std::atomic<std::size_t>& counter) override;
  std::vector<Tested> test_agents() override { return test_server_for_all(); }
  void keep(Archive&) override {}
};

}  // namespace fedval::harness
