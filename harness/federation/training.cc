#include "harness/federation/training.hpp"

#include <ATen/core/Reduction.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/zeros_like.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "fedval/error.hpp"

namespace fedval::harness {

namespace {

std::size_t batches_an_epoch(const TrainingSettings& settings, std::size_t samples) {
  return samples / settings.batch_size + (samples % settings.batch_size != 0 ? 1 : 0);
}

/// Where batch `number` of an epoch of so many begins.
std::size_t batch_begin(const TrainingSettings& settings, std::size_t samples, std::size_t number) {
  if (settings.batches == "full") return std::min(number * settings.batch_size, samples);
  const std::size_t count = batches_an_epoch(settings, samples);
  return number * (samples / count) + std::min(number, samples % count);
}

class Optimiser {
 public:
  Optimiser(const TrainingSettings& settings, double learning_rate, const at::Tensor& like)
      : settings_(settings), rate_(learning_rate), adam_(settings.optimiser == "adam") {
    if (adam_ || settings.momentum > 0) first_ = at::zeros_like(like);
    if (adam_) second_ = at::zeros_like(like);
  }

  void step(const at::Tensor& parameters, const at::Tensor& gradient) {
    if (settings_.weight_decay > 0) gradient.add_(parameters, settings_.weight_decay);
    if (adam_) return adam(parameters, gradient);
    if (settings_.momentum > 0) first_.mul_(settings_.momentum).add_(gradient);
    parameters.add_(settings_.momentum > 0 ? first_ : gradient, -rate_);
  }

 private:
  void adam(const at::Tensor& parameters, const at::Tensor& gradient) {
    constexpr double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
    ++steps_;
    first_.mul_(beta1).add_(gradient, 1 - beta1);
    second_.mul_(beta2).addcmul_(gradient, gradient, 1 - beta2);
    const double correction1 = 1 - std::pow(beta1, steps_), correction2 = 1 - std::pow(beta2, steps_);
    const at::Tensor scale = second_.sqrt().div_(std::sqrt(correction2)).add_(epsilon);
    parameters.addcdiv_(first_, scale, -rate_ / correction1);
  }

  const TrainingSettings& settings_;
  double rate_;
  bool adam_;
  at::Tensor first_, second_;
  int steps_ = 0;
};

}  // namespace

double learning_rate_of(const TrainingSettings& settings, std::size_t round) {
  const auto t = static_cast<double>(round);
  if (settings.schedule == "constant") return settings.learning_rate;
  if (settings.schedule == "cosine") {
    const double last = settings.final_learning_rate, turn = t / static_cast<double>(settings.rounds);
    return last + (settings.learning_rate - last) * (1 + std::cos(std::numbers::pi * turn)) / 2;
  }
  return settings.learning_rate * std::pow(settings.learning_rate_decay, t);
}

std::size_t steps_of(const TrainingSettings& settings, std::size_t samples, double share) {
  const std::size_t all = settings.local_epochs * batches_an_epoch(settings, samples);
  if (share >= 1) return all;
  return std::max<std::size_t>(1, static_cast<std::size_t>(share * static_cast<double>(all)));
}

void train(FlatNetwork& network, const Batches& batches, const Examples& examples,
           std::span<const std::size_t> shard, const TrainingSettings& settings, double learning_rate,
           std::size_t steps, random::Key draws, std::atomic<std::size_t>& counter, bool flipped) {
  network.train(true);
  network.draw_from(draws);
  random::Stream stream(draws.seed, draws.stream);  // dropout draws by another law, so apart from this
  Optimiser optimiser(settings, learning_rate, network.parameters());
  std::vector<std::size_t> order(shard.begin(), shard.end());
  const std::size_t an_epoch = batches_an_epoch(settings, order.size());
  try {
    for (std::size_t step = 0; step < steps; ++step) {
      if (step % an_epoch == 0) stream.shuffle(std::span<std::size_t>(order));
      const std::size_t begin = batch_begin(settings, order.size(), step % an_epoch),
                        end = batch_begin(settings, order.size(), step % an_epoch + 1);
      const auto batch = std::span<const std::size_t>(order).subspan(begin, end - begin);
      network.gradient().zero_();
      at::Tensor labels = Batches::labels(examples, batch);
      if (flipped) labels = network.final_layer().classes - 1 - labels;
      at::cross_entropy_loss(network.forward(batches.inputs(examples, batch)), labels).backward();
      const torch::NoGradGuard no_grad;
      optimiser.step(network.parameters(), network.gradient());
      counter.fetch_add(1, std::memory_order_relaxed);
    }
  } catch (const c10::Error& error) {
    fail("training: ", error.what_without_backtrace());
  }
}

Counted test(FlatNetwork& network, const Batches& batches, const Examples& examples,
             std::span<const std::size_t> indices) {
  const torch::NoGradGuard no_grad;
  network.train(false);
  const at::Tensor logits = network.forward(batches.inputs(examples, indices)),
                   labels = Batches::labels(examples, indices);
  return {static_cast<std::size_t>(logits.argmax(1).eq(labels).sum().item().toLong()),
          at::cross_entropy_loss(logits, labels, {}, at::Reduction::Sum).item().toDouble()};
}

}  // namespace fedval::harness
