#include "harness/blackbox/dense.hpp"

#include "fedval/black_box/estimator.hpp"
#include "fedval/tensor/torch.hpp"
#include "harness/blackbox/distil.hpp"
#include "harness/blackbox/generator_loss.hpp"
#include "harness/blackbox/open_clients.hpp"
#include "harness/blackbox/tensors.hpp"

namespace fedval::harness {

using black_box::Logits;

void Dense::exchange(const std::vector<Participant>& participants, RoundRecord& record,
                     std::atomic<std::size_t>& counter) {
  const BlackBoxSettings& black_box = settings().black_box;
  OpenModels models;
  phase("client training", [&] {
    models = train_open(federation(), participants, server().state().clone(), record, result(), counter);
  });
  if (models.agents.empty()) return;
  WhiteBoxes ensemble(federation(), models, weights(models.agents));
  synthesiser_.begin_round();
  Synthesiser::Made made;
  Logits teacher;
  phase("generator", [&] {
    for (std::size_t step = 0; step < black_box.generator_steps; ++step) {
      made = synthesiser_.make(result().rounds, step);
      teacher = improve_generator(
          made, ensemble, cosine_rate(black_box.generator_learning_rate, step, black_box.generator_steps),
          record);
    }
  });
  phase("distillation", [&] {
    distil(server(), federation().batches().normalised(made.images.detach()), teacher, black_box,
           black_box.server_steps);
  });
}

/// One step of the generator; what the ensemble says of its samples comes back.
Logits Dense::improve_generator(const Synthesiser::Made& made, WhiteBoxes& ensemble, double rate,
                                RoundRecord& record) {
  server().train(false);
  const at::Tensor images = made.images.detach().contiguous();
  const auto through = [&](const auto& model) {
    const at::Tensor leaf = images.clone().set_requires_grad(true);
    return std::pair(leaf, model(federation().batches().normalised(leaf)));
  };
  const auto [box_leaf, answers] =
      through([&](const at::Tensor& inputs) { return ensemble.answer(inputs, made.classes); });
  const auto [leaf, logits] = through([&](const at::Tensor& inputs) { return server().forward(inputs); });
  const auto back = [](const at::Tensor& from, const at::Tensor& to) {
    return [from, to](const Logits& gradient) {
      from.backward(tensor_of(gradient, from.device()));
      return to.grad().contiguous();
    };
  };
  Logits teacher = black_box::read_logits(answers.detach(), "the ensemble's logits");
  const at::Tensor gradient = at::empty_like(images);
  const black_box::GeneratorLoss loss = generator_loss(settings().black_box);
  const black_box::LossParts losses =
      black_box::exact_gradient(loss, {images, made.noise, made.classes}, teacher,
                                black_box::read_logits(logits.detach(), "the global model's logits"),
                                back(answers, box_leaf), back(logits, leaf), gradient);
  synthesiser_.step(made, gradient, rate);
  record.figures = figures_of(loss, losses);
  return teacher;
}

}  // namespace fedval::harness
