// FedMD-like: clients that only answer, and examples that everyone has.
//
//   clients train; answer about B public examples; the server's model and the clients learn the mean answer
//
// "Like": the source's clients first train on labelled public data, and its server has no model; here nobody
// has public labels, and the server learns as in FedZGE, so that what differs is where the samples come from.
// Source: Li and Wang, "FedMD: heterogenous federated learning via model distillation", NeurIPS workshop
// 2019.
#pragma once

#include <vector>

#include "harness/blackbox/answering_clients.hpp"
#include "harness/blackbox/distillation_run.hpp"

namespace fedval::harness {

class FedMd : public DistillationRun {
 public:
  /// Error where there are not enough public examples, and from the models.
  explicit FedMd(Federation& federation);

 protected:
  void exchange(const std::vector<Participant>& participants, RoundRecord& record,
                std::atomic<std::size_t>& counter) override;
  std::vector<Tested> test_agents() override { return clients_.test(); }
  void collect() override { clients_.collect(); }
  void keep(Archive& archive) override { clients_.fields(archive); }

 private:
  AnsweringClients clients_;
};

}  // namespace fedval::harness
