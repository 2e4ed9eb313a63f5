#include "harness/federation/optimiser.hpp"

#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <numbers>

namespace fedval::harness {

Optimiser::Optimiser(const TrainingSettings& settings, const at::Tensor& like)
    : momentum_(settings.momentum),
      weight_decay_(settings.weight_decay),
      adam_(settings.optimiser == "adam") {
  if (adam_ || momentum_ > 0) first_ = at::zeros_like(like);
  if (adam_) second_ = at::zeros_like(like);
}

void Optimiser::step(const at::Tensor& parameters, const at::Tensor& gradient, double learning_rate) {
  if (weight_decay_ > 0) gradient.add_(parameters, weight_decay_);
  if (adam_) return adam(parameters, gradient, learning_rate);
  if (momentum_ > 0) first_.mul_(momentum_).add_(gradient);
  parameters.add_(momentum_ > 0 ? first_ : gradient, -learning_rate);
}

void Optimiser::adam(const at::Tensor& parameters, const at::Tensor& gradient, double learning_rate) {
  constexpr double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  ++steps_;
  first_.mul_(beta1).add_(gradient, 1 - beta1);
  second_.mul_(beta2).addcmul_(gradient, gradient, 1 - beta2);
  const double correction1 = 1 - std::pow(beta1, steps_), correction2 = 1 - std::pow(beta2, steps_);
  const at::Tensor scale = second_.sqrt().div_(std::sqrt(correction2)).add_(epsilon);
  parameters.addcdiv_(first_, scale, -learning_rate / correction1);
}

double cosine_rate(double learning_rate, std::size_t step, std::size_t steps) {
  return learning_rate *
         (1 + std::cos(std::numbers::pi * static_cast<double>(step) / static_cast<double>(steps))) / 2;
}

}  // namespace fedval::harness
