// DENSE-like: clients send their models; a generator is trained through them, without data, and the server's
// model learns the ensemble's answers about its samples. FedZGE with open boxes: the same losses, their exact
// gradient.
//
//   "Like": the source's loss of batch-norm statistics is left out, its boundary loss is the adversarial one
//   here, and its one round is many: clients go on from the server's model.
//
// Source: Zhang, Chen, Li, Xu, Qin, Gao, Xu, Zhu, "DENSE: data-free one-shot federated learning", NeurIPS
// 2022.
#pragma once

#include <vector>

#include "harness/blackbox/distillation_run.hpp"
#include "harness/blackbox/synthesiser.hpp"
#include "harness/blackbox/white_boxes.hpp"

namespace fedval::harness {

class Dense : public DistillationRun {
 public:
  explicit Dense(Federation& federation)
      : DistillationRun(federation), synthesiser_(synthesiser_of(federation)) {}

 protected:
  void exchange(const std::vector<Participant>& participants, RoundRecord& record,
                std::atomic<std::size_t>& counter) override;
  std::vector<Tested> test_agents() override { return test_server_for_all(); }
  void keep(Archive& archive) override { synthesiser_.fields(archive); }

 private:
  black_box::Logits improve_generator(const Synthesiser::Made& made, WhiteBoxes& ensemble, double rate,
                                      RoundRecord& record);

  Synthesiser synthesiser_;
};

}  // namespace fedval::harness
