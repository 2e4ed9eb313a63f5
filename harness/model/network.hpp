// A network as the federation sees it: logits out, and all parameters in one flat vector.
//
// Every parameter is a view into that vector, so a model's state is copied, subtracted and aggregated as one
// tensor of D entries, and nothing has to be gathered or scattered.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace fedval::harness {

/// A torch module with a plain forward pass.
class Network : public torch::nn::Module {
 public:
  /// (batch, 1, height, width) normalised images -> (batch, classes) logits.
  virtual at::Tensor forward(const at::Tensor& images) = 0;
};

/// Where the final linear layer lies in the flat vector.
struct FinalLayer {
  std::string name;  ///< of the layer, "fc2"
  std::int64_t classes = 0, features = 0;
  std::int64_t weight_begin = 0;
  std::int64_t bias_begin = -1;  ///< -1: no bias
};

/// A network whose parameters live in one flat tensor.
class FlatNetwork {
 public:
  explicit FlatNetwork(std::shared_ptr<Network> network);

  at::Tensor forward(const at::Tensor& images) { return network_->forward(images); }

  /// The D parameters; writing to it changes the network.
  const at::Tensor& state() const { return state_; }
  /// The gradient of the last backward pass, laid out as the state; zeroed by the caller.
  const at::Tensor& gradient() const { return gradient_; }
  std::int64_t dimension() const { return state_.numel(); }
  const FinalLayer& final_layer() const { return final_; }

  /// The final layer's weight (classes x features) inside a vector laid out as the state; a view.
  at::Tensor final_weight(const at::Tensor& flat) const;
  /// Its bias (classes); undefined where there is none.
  at::Tensor final_bias(const at::Tensor& flat) const;

 private:
  std::shared_ptr<Network> network_;
  at::Tensor state_, gradient_;
  FinalLayer final_;
};

/// A new network by name, its parameters drawn from `seed` alone. Error names the known ones.
FlatNetwork make_network(const std::string& name, std::uint64_t seed);

}  // namespace fedval::harness
