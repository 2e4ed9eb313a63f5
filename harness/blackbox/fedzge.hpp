// FedZGE: federated learning with clients that only answer.
//
//   1 clients train on their own examples
//   2 the server's generator makes B samples x = G(z, y), and q points around each
//   3 clients answer both; yhat = the ensemble's logits
//   4 the generator steps along dL/dx dG/dtheta, dL/dx from the answers (black_box/estimator.hpp)
//   5 the global model learns yhat for x, and so do the clients
//
// Steps 2 to 4 are repeated where the generator has several steps; 5 uses the last samples. Optimisers are
// made anew every round. Samples are in [-1, 1] and are normalised as real images are. Source: Ma, Wang,
// Zhang, "Data-Free Black-Box Federated Learning via Zeroth-Order Gradient Estimation", AAAI 2025.
#pragma once

#include <vector>

#include "fedval/black_box/estimator.hpp"
#include "harness/blackbox/answering_clients.hpp"
#include "harness/blackbox/distillation_run.hpp"
#include "harness/blackbox/synthesiser.hpp"

namespace fedval::harness {

class FedZge : public DistillationRun {
 public:
  /// With the federation's agents as clients. Error for sentences, for more directions than a sample has, and
  /// from the models.
  explicit FedZge(Federation& federation);
  /// With other clients, one for each agent, that must outlive it; they are neither tested nor saved.
  FedZge(Federation& federation, std::vector<BlackBox*> clients);

 protected:
  void exchange(const std::vector<Participant>& participants, RoundRecord& record,
                std::atomic<std::size_t>& counter) override;
  std::vector<Tested> test_agents() override { return clients_.test(); }
  void collect() override { clients_.collect(); }
  void keep(Archive& archive) override;

 private:
  FedZge(Federation& federation, AnsweringClients clients);

  /// Samples, and what the ensemble says of them.
  struct Answered {
    Synthesiser::Made made;
    black_box::Answers ensemble;
  };

  Answered synthesise(Panel& panel, std::size_t round, std::size_t step, const black_box::Queries& queries,
                      std::uint64_t seed);
  std::vector<Figure> improve_generator(const Answered& answered, const black_box::Queries& queries,
                                        double rate);

  AnsweringClients clients_;
  Synthesiser synthesiser_;
};

}  // namespace fedval::harness
