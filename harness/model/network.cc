#include "harness/model/network.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/nn/modules/linear.h>
#include <torch/utils.h>

#include "fedval/error.hpp"
#include "harness/model/mnist_cnn.hpp"

namespace fedval::harness {

namespace {

/// The last linear layer in the order of registration, which is the order of the forward pass in our models.
FinalLayer find_final_layer(Network& network) {
  FinalLayer final;
  for (const auto& item : network.named_modules("", false))
    if (const auto* linear = item.value()->as<torch::nn::LinearImpl>()) {
      final.name = item.key();
      final.classes = linear->options.out_features();
      final.features = linear->options.in_features();
    }
  if (final.name.empty()) fail("the network has no linear layer, so it has no final layer to measure");
  return final;
}

}  // namespace

FlatNetwork::FlatNetwork(std::shared_ptr<Network> network)
    : network_(std::move(network)), final_(find_final_layer(*network_)) {
  const torch::NoGradGuard no_grad;
  std::int64_t dimension = 0;
  for (const auto& parameter : network_->parameters()) dimension += parameter.numel();
  state_ = at::empty({dimension});
  gradient_ = at::zeros({dimension});
  std::int64_t begin = 0;
  for (auto& item : network_->named_parameters()) {
    at::Tensor& parameter = item.value();
    const at::Tensor view = state_.narrow(0, begin, parameter.numel()).view(parameter.sizes());
    view.copy_(parameter);
    parameter.set_data(view);
    parameter.mutable_grad() = gradient_.narrow(0, begin, parameter.numel()).view(parameter.sizes());
    if (item.key() == final_.name + ".weight") final_.weight_begin = begin;
    if (item.key() == final_.name + ".bias") final_.bias_begin = begin;
    begin += parameter.numel();
  }
}

at::Tensor FlatNetwork::final_weight(const at::Tensor& flat) const {
  return flat.narrow(0, final_.weight_begin, final_.classes * final_.features)
      .view({final_.classes, final_.features});
}

at::Tensor FlatNetwork::final_bias(const at::Tensor& flat) const {
  return final_.bias_begin < 0 ? at::Tensor() : flat.narrow(0, final_.bias_begin, final_.classes);
}

FlatNetwork make_network(const std::string& name, std::uint64_t seed) {
  torch::manual_seed(
      seed);  // the only use of LibTorch's shared generator; workers draw from streams of their own
  if (name == "mnist_cnn") return FlatNetwork(std::make_shared<MnistCnn>());
  fail("there is no model named \"", name, "\"; known: mnist_cnn");
}

}  // namespace fedval::harness
