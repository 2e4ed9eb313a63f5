#include "harness/blackbox/fedzge.hpp"

#include <torch/utils.h>

#include <optional>
#include <utility>

#include "fedval/random/draws.hpp"
#include "fedval/tensor/torch.hpp"
#include "harness/blackbox/distil.hpp"
#include "harness/blackbox/generator_loss.hpp"
#include "harness/blackbox/query_options.hpp"
#include "harness/blackbox/tensors.hpp"

namespace fedval::harness {

namespace {

using black_box::Answers;
using black_box::Estimator;
using black_box::Logits;

Estimator estimator_of(const BlackBoxSettings& settings) {
  return settings.estimator == "chain"        ? Estimator::chain
         : settings.estimator == "per_sample" ? Estimator::per_sample
         : settings.estimator == "scalar"     ? Estimator::scalar
                                              : Estimator::reference;
}

/// The eight bytes that stand for a step's points.
std::uint64_t seed_of_points(std::uint64_t seed, std::size_t round, std::size_t step) {
  constexpr std::uint64_t tag = 0x7a67;  // "zg"
  random::Draws draws(seed, (tag << 48) | (std::uint64_t{round} << 24) | step);
  const std::uint64_t high = draws.word();
  return high << 32 | draws.word();
}

}  // namespace

FedZge::FedZge(Federation& federation) : FedZge(federation, AnsweringClients(federation)) {}

FedZge::FedZge(Federation& federation, std::vector<BlackBox*> clients)
    : FedZge(federation, AnsweringClients(federation, std::move(clients))) {}

FedZge::FedZge(Federation& federation, AnsweringClients clients)
    : DistillationRun(federation), clients_(std::move(clients)), synthesiser_(synthesiser_of(federation)) {
  // Says before the first round whether there are so many directions.
  const black_box::Queries tried(query_options(settings().black_box, settings().black_box.queries), 1,
                                 federation.data().shape.entries(), 0);
}

void FedZge::exchange(const std::vector<Participant>& participants, RoundRecord& record,
                      std::atomic<std::size_t>& counter) {
  const BlackBoxSettings& black_box = settings().black_box;
  const std::size_t round = result().rounds;
  Panel panel = clients_.panel(participants, record, result());
  phase("client training", [&] { clients_.train(panel, round, counter); });

  synthesiser_.begin_round();
  std::optional<Answered> last;
  for (std::size_t step = 0; step < black_box.generator_steps; ++step) {
    const std::uint64_t seed = seed_of_points(settings().seed, round, step);
    const black_box::Queries queries(query_options(black_box, black_box.queries), black_box.samples,
                                     federation().data().shape.entries(), seed);
    Answered answered = synthesise(panel, round, step, queries, seed);
    if (panel.members().empty()) {
      result().notes.push_back("round " + std::to_string(record.round) + ", step " +
                               std::to_string(step + 1) + " of the generator: nobody answered, so " +
                               (last ? "the global model learned from the step before"
                                     : "neither generator nor global model moved"));
      break;
    }
    const double rate = cosine_rate(black_box.generator_learning_rate, step, black_box.generator_steps);
    phase("generator", [&] { record.figures = improve_generator(answered, queries, rate); });
    last = std::move(answered);
  }
  if (!last) return;

  phase("distillation", [&] {
    const at::Tensor images = last->made.images.detach();
    distil(server(), federation().batches().normalised(images), last->ensemble.at_x, black_box,
           black_box.server_steps);
    if (black_box.client_steps > 0)
      panel.tell([&](const Panel::Member&) { return TeachMessage{tensor_of(last->ensemble.at_x)}; });
  });
}

FedZge::Answered FedZge::synthesise(Panel& panel, std::size_t round, std::size_t step,
                                    const black_box::Queries& queries, std::uint64_t seed) {
  const BlackBoxSettings& black_box = settings().black_box;
  Answered answered;
  phase("generator", [&] { answered.made = synthesiser_.make(round, step); });
  phase("queries", [&] {
    const at::Tensor images = answered.made.images.detach().contiguous();
    QueryMessage question{images, static_cast<std::uint32_t>(black_box.queries), seed};
    if (black_box.sending == "points")
      question.points =
          with_points(images, queries).narrow(0, 1, static_cast<std::int64_t>(black_box.queries));
    const auto answers = panel.ask(question, answer_form(black_box), 1 + black_box.queries, black_box.samples,
                                   federation().data().classes);
    if (panel.members().empty()) return;
    const black_box::EnsembleWeights ensemble = weights(agents_of(panel));
    for (std::size_t k = 0; k <= black_box.queries; ++k) {
      std::vector<Logits> each;
      each.reserve(answers.size());
      for (const std::vector<Logits>& one : answers) each.push_back(one[k]);
      Logits sum = ensemble(each, answered.made.classes);
      if (k == 0) {
        answered.ensemble.at_x = std::move(sum);
      } else {
        answered.ensemble.at_points.push_back(std::move(sum));
      }
    }
  });
  return answered;
}

/// The losses that it had.
std::vector<Figure> FedZge::improve_generator(const Answered& answered, const black_box::Queries& queries,
                                              double rate) {
  const Estimator estimator = estimator_of(settings().black_box);
  server().train(false);
  const at::Tensor images = answered.made.images.detach().contiguous();
  const at::Tensor leaf = images.clone().set_requires_grad(true);
  const at::Tensor logits = server().forward(federation().batches().normalised(leaf));
  Answers global{black_box::read_logits(logits.detach(), "the global model's logits"), {}};
  if (estimator != Estimator::chain) {
    const torch::NoGradGuard no_grad;
    const at::Tensor all = with_points(images, queries);
    for (std::int64_t k = 1; k < all.size(0); ++k)
      global.at_points.push_back(black_box::read_logits(
          server().forward(federation().batches().normalised(all[k])), "the global model's logits"));
  }
  const auto pullback = [&](const Logits& gradient) {
    logits.backward(tensor_of(gradient, server().device()));
    return leaf.grad().contiguous();
  };
  const at::Tensor gradient = at::empty_like(images);
  const black_box::GeneratorLoss loss = generator_loss(settings().black_box);
  const black_box::LossParts losses =
      black_box::generator_gradient(estimator, loss, {images, answered.made.noise, answered.made.classes},
                                    answered.ensemble, global, queries, pullback, gradient);
  synthesiser_.step(answered.made, gradient, rate);
  return figures_of(loss, losses);
}

void FedZge::keep(Archive& archive) {
  synthesiser_.fields(archive);
  clients_.fields(archive);
}

}  // namespace fedval::harness
