#include "harness/blackbox/white_boxes.hpp"

#include <ATen/ops/empty.h>
#include <torch/utils.h>

#include <utility>

namespace fedval::harness {

at::Tensor ensemble_of(const black_box::EnsembleWeights& weights, std::span<const std::uint32_t> classes,
                       const std::function<at::Tensor(std::size_t k)>& answer) {
  at::Tensor sum;
  for (std::size_t k = 0; k < weights.boxes(); ++k) {
    const at::Tensor share = at::empty({static_cast<std::int64_t>(classes.size()), 1});
    for (std::size_t i = 0; i < classes.size(); ++i)
      share.data_ptr<float>()[i] = static_cast<float>(weights(k, classes[i]));
    const at::Tensor logits = answer(k), part = logits.mul(share.to(logits.device()));
    sum = sum.defined() ? sum.add(part) : part;
  }
  return sum;
}

WhiteBoxes::WhiteBoxes(const Federation& federation, const OpenModels& models,
                       black_box::EnsembleWeights weights)
    : weights_(std::move(weights)) {
  const torch::NoGradGuard no_grad;
  for (const at::Tensor& state : models.states) {
    networks_.push_back(make_network(federation.settings().model, federation.data().shape,
                                     federation.data().classes, federation.settings().seed,
                                     federation.device()));
    networks_.back().state().copy_(state);
    networks_.back().train(false);
  }
}

at::Tensor WhiteBoxes::answer(const at::Tensor& inputs, std::span<const std::uint32_t> classes) {
  return ensemble_of(weights_, classes, [&](std::size_t k) { return networks_[k].forward(inputs); });
}

}  // namespace fedval::harness
