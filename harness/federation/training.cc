#include "harness/federation/training.hpp"

#include <ATen/core/Reduction.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "fedval/error.hpp"
#include "harness/federation/optimiser.hpp"

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

/// How many of each class are chosen as what they are; of one class, how many of all. Without atomics, so
/// that a GPU, too, may be asked for repeatable operations only.
std::vector<std::size_t> correct_by_class(const at::Tensor& chosen, const at::Tensor& labels,
                                          std::size_t classes) {
  if (classes == 1) return {static_cast<std::size_t>(chosen.eq(labels).sum().item().toLong())};
  const at::Tensor right = labels.masked_fill(chosen.ne(labels), -1).unsqueeze(1);  // -1: of no class
  const at::Tensor counts =
      right.eq(at::arange(static_cast<std::int64_t>(classes), labels.options())).sum(0).cpu();
  const std::int64_t* const first = counts.data_ptr<std::int64_t>();
  return {first, first + classes};
}

}  // namespace

double learning_rate_of(const TrainingSettings& settings, std::size_t round) {
  const auto t = static_cast<double>(round);
  if (settings.schedule == "constant" || settings.schedule == "cosine_in_round")
    return settings.learning_rate;
  if (settings.schedule == "cosine") {
    const double last = settings.final_learning_rate, turn = t / static_cast<double>(settings.rounds);
    return last + (settings.learning_rate - last) * (1 + std::cos(std::numbers::pi * turn)) / 2;
  }
  return settings.learning_rate * std::pow(settings.learning_rate_decay, t);
}

random::Key training_key(std::uint64_t seed, std::size_t agent, std::size_t round) {
  constexpr std::uint64_t tag = 0x7366;  // "sf"
  return {seed, (tag << 48) | (std::uint64_t{agent} << 24) | round};
}

std::size_t steps_of(const TrainingSettings& settings, std::size_t samples, double share) {
  const std::size_t all = settings.local_epochs * batches_an_epoch(settings, samples);
  if (share >= 1) return all;
  return std::max<std::size_t>(1, static_cast<std::size_t>(share * static_cast<double>(all)));
}

void train(FlatNetwork& network, const Batches& batches, const Examples& examples,
           std::span<const std::size_t> shard, const TrainingSettings& settings, double learning_rate,
           std::size_t steps, random::Key draws, std::atomic<std::size_t>& counter,
           const TrainOptions& options) {
  network.train(true);
  network.draw_from(draws);
  random::Stream stream(draws.seed, draws.stream);  // dropout draws by another law, so apart from this
  Optimiser optimiser(settings, network.parameters());
  std::vector<std::size_t> order(shard.begin(), shard.end());
  const std::size_t an_epoch = batches_an_epoch(settings, order.size());
  try {
    for (std::size_t step = 0; step < steps; ++step) {
      if (step % an_epoch == 0) stream.shuffle(std::span<std::size_t>(order));
      const std::size_t begin = batch_begin(settings, order.size(), step % an_epoch),
                        end = batch_begin(settings, order.size(), step % an_epoch + 1);
      const auto batch = std::span<const std::size_t>(order).subspan(begin, end - begin);
      network.gradient().zero_();
      at::Tensor labels = batches.labels(examples, batch);
      if (options.flipped) labels = network.final_layer().classes - 1 - labels;
      at::cross_entropy_loss(network.forward(batches.inputs(examples, batch)), labels).backward();
      const torch::NoGradGuard no_grad;
      if (options.regularise) options.regularise(network, step);
      const double rate = settings.schedule == "cosine_in_round"
                              ? cosine_rate(learning_rate, step / an_epoch, settings.local_epochs)
                              : learning_rate;
      optimiser.step(network.parameters(), network.gradient(), rate);
      counter.fetch_add(1, std::memory_order_relaxed);
    }
  } catch (const c10::Error& error) {
    fail("training: ", error.what_without_backtrace());
  }
}

Counted test(FlatNetwork& network, const Batches& batches, const Examples& examples,
             std::span<const std::size_t> indices, std::size_t classes) {
  const torch::NoGradGuard no_grad;
  network.train(false);
  const at::Tensor logits = network.forward(batches.inputs(examples, indices)),
                   labels = batches.labels(examples, indices);
  return {correct_by_class(logits.argmax(1), labels, classes),
          at::cross_entropy_loss(logits, labels, {}, at::Reduction::Sum).item().toDouble()};
}

}  // namespace fedval::harness
