#include "harness/blackbox/feddf.hpp"

#include <torch/utils.h>

#include "fedval/tensor/torch.hpp"
#include "harness/blackbox/distil.hpp"
#include "harness/blackbox/open_clients.hpp"
#include "harness/blackbox/public_data.hpp"
#include "harness/blackbox/white_boxes.hpp"

namespace fedval::harness {

FedDf::FedDf(Federation& federation) : DistillationRun(federation) {
  public_batch(federation, settings().black_box.samples,
               0);  // says before the first round whether there are enough
}

void FedDf::exchange(const std::vector<Participant>& participants, RoundRecord& record,
                     std::atomic<std::size_t>& counter) {
  const BlackBoxSettings& black_box = settings().black_box;
  OpenModels models;
  phase("client training", [&] {
    models = train_open(federation(), participants, server().state().clone(), record, result(), counter);
  });
  if (models.agents.empty()) return;
  phase("distillation", [&] {
    const std::vector<std::uint32_t> batch = public_batch(federation(), black_box.samples, result().rounds);
    const std::vector<std::size_t> indices(batch.begin(), batch.end());
    const at::Tensor inputs = federation().batches().inputs(federation().data().held_out, indices);
    WhiteBoxes ensemble(federation(), models, weights_by_size(models.agents));
    at::Tensor teacher;
    {
      const torch::NoGradGuard no_grad;
      teacher = ensemble.answer(inputs, std::vector<std::uint32_t>(batch.size()));
      server().state().copy_(average(federation(), models));
    }
    distil(server(), inputs, black_box::read_logits(teacher, "the ensemble's logits"), black_box,
           black_box.server_steps);
  });
}

}  // namespace fedval::harness
