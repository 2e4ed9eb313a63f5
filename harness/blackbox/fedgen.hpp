// FedGen-like: clients send their models and how many examples of each class they have; the server averages
// the models and trains a generator of features that the clients' final layers agree on; clients train on
// those features too.
//
//   server   w = sum_k w_k theta_k
//            min_G  CE(sum_k alpha_{k,y} head_k(G(z, y)), y) + b2 diversity(G(z, y), z)
//   client   L_k(theta) + CE(head(G(z, y)), y)
//
// "Like": the source's second client loss, on the predictions for its own classes, is left out, and its
// weights do not decay. Source: Zhu, Hong, Zhou, "Data-free knowledge distillation for heterogeneous
// federated learning", ICML 2021.
#pragma once

#include <vector>

#include "harness/blackbox/distillation_run.hpp"
#include "harness/blackbox/open_clients.hpp"
#include "harness/model/feature_generator.hpp"
#include "harness/model/flat_module.hpp"

namespace fedval::harness {

class FedGen : public DistillationRun {
 public:
  explicit FedGen(Federation& federation);

 protected:
  void exchange(const std::vector<Participant>& participants, RoundRecord& record,
                std::atomic<std::size_t>& counter) override;
  std::vector<Tested> test_agents() override { return test_server_for_all(); }
  void keep(Archive& archive) override;

 private:
  void improve_generator(const OpenModels& models, RoundRecord& record);
  void add_feature_gradient(FlatNetwork& network, std::size_t agent, std::size_t step);

  FeatureGenerator generator_;
  FlatModule flat_;
  std::size_t lessons_ = 0;  // rounds in which the generator learned
};

}  // namespace fedval::harness
