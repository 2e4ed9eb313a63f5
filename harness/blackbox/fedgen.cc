#include "harness/blackbox/fedgen.hpp"

#include <ATen/ops/isfinite.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/zeros.h>
#include <torch/utils.h>

#include "fedval/black_box/losses.hpp"
#include "fedval/tensor/torch.hpp"
#include "harness/blackbox/batch_draws.hpp"
#include "harness/blackbox/tensors.hpp"
#include "harness/blackbox/white_boxes.hpp"
#include "harness/federation/optimiser.hpp"

namespace fedval::harness {

namespace {

constexpr std::uint64_t server_tag = 0x6667, client_tag = 0x6668;

random::Key key_of(std::uint64_t tag, std::uint64_t seed, std::size_t agent, std::size_t round,
                   std::size_t step) {
  constexpr std::uint64_t most_steps = 1 << 20;
  return {seed ^ (tag << 48), (std::uint64_t{agent} << 44) | (std::uint64_t{round} * most_steps + step)};
}

FeatureGenerator made_for(const Federation& federation) {
  torch::manual_seed(federation.settings().seed);  // as networks draw their starts
  const FinalLayer& final = federation.network().final_layer();
  return {final.features, final.classes, static_cast<std::int64_t>(federation.settings().black_box.noise)};
}

}  // namespace

FedGen::FedGen(Federation& federation)
    : DistillationRun(federation), generator_(made_for(federation)), flat_(generator_, federation.device()) {
  if (federation.settings().black_box.samples < 2)
    fail("black_box.samples is 1, must be at least 2: FedGen's generator normalises what is made together");
}

void FedGen::exchange(const std::vector<Participant>& participants, RoundRecord& record,
                      std::atomic<std::size_t>& counter) {
  generator_.train(false);
  // Before its first lesson the generator knows nothing that is worth learning.
  const Regularisers regularisers = [&](std::size_t agent) -> std::function<void(FlatNetwork&, std::size_t)> {
    if (lessons_ == 0) return {};
    return
        [this, agent](FlatNetwork& network, std::size_t step) { add_feature_gradient(network, agent, step); };
  };
  OpenModels models;
  phase("client training", [&] {
    models = train_open(federation(), participants, server().state().clone(), record, result(), counter,
                        regularisers);
  });
  if (lessons_ > 0)
    add(result().bytes, "generator",
        static_cast<double>(participants.size()) * 4 * static_cast<double>(flat_.state().numel()));
  if (models.agents.empty()) return;
  {
    const torch::NoGradGuard no_grad;
    server().state().copy_(average(federation(), models));
  }
  phase("generator", [&] { improve_generator(models, record); });
  ++lessons_;
}

void FedGen::improve_generator(const OpenModels& models, RoundRecord& record) {
  const BlackBoxSettings& black_box = settings().black_box;
  const black_box::EnsembleWeights alpha = weights_by_class(models.agents);
  const std::size_t classes = federation().data().classes;
  generator_.train(true);
  Optimiser optimiser({.optimiser = "adam"}, flat_.parameters());
  for (std::size_t step = 0; step < black_box.generator_steps; ++step) {
    const BatchDraws draws = draw_batch(key_of(server_tag, settings().seed, 0, result().rounds, step),
                                        black_box.samples, black_box.noise, classes, federation().device());
    flat_.gradient().zero_();
    const at::Tensor features = generator_.forward(draws.noise, draws.class_tensor);
    const at::Tensor leaf = features.detach().clone().set_requires_grad(true);
    const at::Tensor answer = ensemble_of(alpha, draws.classes, [&](std::size_t k) {
      return at::linear(leaf, server().final_weight(models.states[k]), server().final_bias(models.states[k]));
    });
    const black_box::LogitLoss ordered =
        black_box::fidelity(black_box::read_logits(answer.detach(), "the heads' logits"), draws.classes);
    answer.backward(tensor_of(ordered.gradient, answer.device()));
    const at::Tensor gradient = leaf.grad().contiguous();
    const black_box::Diversity diversity(features.detach(), draws.noise);
    diversity.add_gradient(black_box.diversity, 1, gradient);
    features.backward(gradient);
    const torch::NoGradGuard no_grad;
    optimiser.step(flat_.parameters(), flat_.gradient(),
                   cosine_rate(black_box.generator_learning_rate, step, black_box.generator_steps));
    record.figures = {{"fidelity", ordered.value}, {"diversity", diversity.value()}};
  }
}

/// Adds the gradient of CE(head(G(z, y)), y) with respect to the final layer; the features are given.
void FedGen::add_feature_gradient(FlatNetwork& network, std::size_t agent, std::size_t step) {
  const BatchDraws draws = draw_batch(key_of(client_tag, settings().seed, agent, result().rounds, step),
                                      settings().training.batch_size, settings().black_box.noise,
                                      federation().data().classes, network.device());
  const at::Tensor features = generator_.forward(draws.noise, draws.class_tensor);
  const at::Tensor weight = network.final_weight(network.parameters()),
                   bias = network.final_bias(network.parameters());
  const at::Tensor logits = at::linear(features, weight, bias);
  // A model that has diverged stays so, and is left out when it comes.
  if (!at::isfinite(logits).all().item<bool>()) return;
  const at::Tensor gradient = tensor_of(
      black_box::fidelity(black_box::read_logits(logits, "the head's logits"), draws.classes).gradient,
      network.device());
  network.final_weight(network.gradient()).add_(gradient.t().matmul(features));
  if (bias.defined()) network.final_bias(network.gradient()).add_(gradient.sum(0));
}

void FedGen::keep(Archive& archive) {
  state_field(archive, "generator", flat_.state());
  archive.field("lessons", lessons_);
}

}  // namespace fedval::harness
