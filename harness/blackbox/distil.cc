#include "harness/blackbox/distil.hpp"

#include <torch/utils.h>

#include "fedval/black_box/losses.hpp"
#include "fedval/tensor/torch.hpp"
#include "harness/blackbox/tensors.hpp"
#include "harness/federation/optimiser.hpp"

namespace fedval::harness {

void distil(FlatNetwork& network, const at::Tensor& inputs, const black_box::Logits& teacher,
            const BlackBoxSettings& settings, std::size_t steps) {
  network.train(true);
  Optimiser optimiser({.optimiser = "adam"}, network.parameters());
  for (std::size_t step = 0; step < steps; ++step) {
    network.gradient().zero_();
    const at::Tensor logits = network.forward(inputs);
    const black_box::LogitLoss loss = black_box::distillation(
        teacher, black_box::read_logits(logits.detach(), "the student's logits"), settings.temperature);
    logits.backward(tensor_of(loss.gradient, network.device()));
    const torch::NoGradGuard no_grad;
    optimiser.step(network.parameters(), network.gradient(),
                   cosine_rate(settings.distillation_learning_rate, step, steps));
  }
}

}  // namespace fedval::harness
