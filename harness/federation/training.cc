#include "harness/federation/training.hpp"

#include <ATen/ops/argmax.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/from_blob.h>
#include <torch/utils.h>

#include <numeric>
#include <vector>

namespace fedval::harness {

std::size_t steps_of(const LocalTraining& training, std::size_t samples) {
  return training.epochs * ((samples + training.batch_size - 1) / training.batch_size);
}

void train(FlatNetwork& network, const Samples& samples, const LocalTraining& training, random::Stream stream,
           std::atomic<std::size_t>& steps) {
  std::vector<std::int64_t> order(samples.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  for (std::size_t epoch = 0; epoch < training.epochs; ++epoch) {
    stream.shuffle(std::span<std::int64_t>(order));
    for (std::size_t begin = 0; begin < order.size(); begin += training.batch_size) {
      const auto count = static_cast<std::int64_t>(std::min(training.batch_size, order.size() - begin));
      const at::Tensor batch = at::from_blob(order.data() + begin, {count}, at::kLong);
      network.gradient().zero_();
      at::cross_entropy_loss(network.forward(samples.images.index_select(0, batch)),
                             samples.labels.index_select(0, batch))
          .backward();
      const torch::NoGradGuard no_grad;
      network.state().add_(network.gradient(), -training.learning_rate);
      steps.fetch_add(1, std::memory_order_relaxed);
    }
  }
}

std::size_t count_correct(FlatNetwork& network, const Samples& samples, std::size_t begin, std::size_t end) {
  const torch::NoGradGuard no_grad;
  const auto first = static_cast<std::int64_t>(begin), count = static_cast<std::int64_t>(end - begin);
  const at::Tensor chosen = network.forward(samples.images.narrow(0, first, count)).argmax(1);
  return static_cast<std::size_t>(chosen.eq(samples.labels.narrow(0, first, count)).sum().item().toLong());
}

}  // namespace fedval::harness
