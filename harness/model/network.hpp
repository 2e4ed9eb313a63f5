// A network as the federation sees it: logits out, and all that training changes in one flat vector.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fedval/random/sequence.hpp"
#include "harness/config/settings.hpp"
#include "harness/data/dataset.hpp"
#include "harness/model/flat_module.hpp"

namespace fedval::harness {

/// A torch module with a plain forward pass.
class Network : public torch::nn::Module {
 public:
  /// (batch, channels, height, width) normalised images, or (batch, length) numbers of words -> (batch,
  /// classes) logits.
  virtual at::Tensor forward(const at::Tensor& examples) = 0;

  /// From where dropout draws next. LibTorch's generator is one for all threads, so what it gave would depend
  /// on timing.
  void draw_from(random::Key key) {
    key_ = key;
    drawn_ = 0;
  }

 protected:
  /// In training: each entry is 0 with probability p, the others are divided by 1 - p. Otherwise x.
  at::Tensor dropout(const at::Tensor& x, double p);

 private:
  random::Key key_;
  std::uint64_t drawn_ = 0;
};

/// Where the final linear layer lies in the flat vector.
struct FinalLayer {
  std::string name;  ///< of the layer, "fc2"
  std::int64_t classes = 0, features = 0;
  std::int64_t weight_begin = 0;
  std::int64_t bias_begin = -1;  ///< -1: no bias
};

/// A network whose parameters and buffers live in one flat tensor; what is not said here, FlatModule says.
class FlatNetwork {
 public:
  explicit FlatNetwork(std::shared_ptr<Network> network, at::Device device = at::kCPU);

  at::Tensor forward(const at::Tensor& examples) { return network_->forward(examples); }
  void train(bool on) { network_->train(on); }
  void draw_from(random::Key key) { network_->draw_from(key); }

  at::Device device() const { return state().device(); }
  const at::Tensor& state() const { return flat_.state(); }
  const at::Tensor& parameters() const { return flat_.parameters(); }
  const at::Tensor& gradient() const { return flat_.gradient(); }
  std::int64_t dimension() const { return flat_.dimension(); }
  std::int64_t buffers() const { return flat_.buffers(); }
  std::vector<at::Tensor> tensors(const at::Tensor& flat) const { return flat_.tensors(flat); }
  const FinalLayer& final_layer() const { return final_; }

  /// The final layer's weight (classes x features) inside a vector laid out as the parameters; a view.
  at::Tensor final_weight(const at::Tensor& flat) const;
  /// Its bias (classes); undefined where there is none.
  at::Tensor final_bias(const at::Tensor& flat) const;

 private:
  std::shared_ptr<Network> network_;
  FlatModule flat_;
  FinalLayer final_;
};

/// The names that make_network() knows.
std::vector<std::string_view> model_names();

/// A new network for examples of a shape, its parameters drawn from `seed` alone, the same on every device.
/// Error for an unknown name (with the known ones), for examples that the network cannot take, and for
/// options it cannot have.
FlatNetwork make_network(const ModelSettings& settings, const ExampleShape& shape, std::size_t classes,
                         std::uint64_t seed, at::Device device = at::kCPU);

}  // namespace fedval::harness
