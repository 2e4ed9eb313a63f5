// Clients' models in the server's hands: what an ensemble answers, and the way back through it.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "fedval/black_box/logits.hpp"
#include "harness/blackbox/open_clients.hpp"

namespace fedval::harness {

/// sum_k w_k(y_i) answer(k)_i of tensors [B, classes], differentiable where gradients are recorded.
at::Tensor ensemble_of(const black_box::EnsembleWeights& weights, std::span<const std::uint32_t> classes,
                       const std::function<at::Tensor(std::size_t k)>& answer);

class WhiteBoxes {
 public:
  /// Networks with these states, in evaluation mode.
  WhiteBoxes(const Federation& federation, const OpenModels& models, black_box::EnsembleWeights weights);

  /// yhat [B, classes] of inputs as networks read them; differentiable where gradients are recorded.
  /// classes[i]: what sample i was made for.
  at::Tensor answer(const at::Tensor& inputs, std::span<const std::uint32_t> classes);

 private:
  std::vector<FlatNetwork> networks_;
  black_box::EnsembleWeights weights_;
};

}  // namespace fedval::harness
