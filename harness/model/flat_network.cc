#include <ATen/ops/empty.h>
#include <torch/nn/modules/linear.h>

#include "fedval/error.hpp"
#include "fedval/random/fill.hpp"
#include "fedval/tensor/torch.hpp"
#include "harness/model/network.hpp"

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

at::Tensor Network::dropout(const at::Tensor& x, double p) {
  if (!is_training() || p == 0) return x;
  at::Tensor uniform = at::empty(x.sizes(), x.device());
  random::fill(random::Sequence{random::Law::uniform, key_}, uniform, drawn_);
  drawn_ += static_cast<std::uint64_t>(x.numel());
  return x * uniform.ge(p).to(x.scalar_type()).mul_(1 / (1 - p));
}

FlatNetwork::FlatNetwork(std::shared_ptr<Network> network, at::Device device)
    : network_(std::move(network)), flat_(*network_, device), final_(find_final_layer(*network_)) {
  final_.weight_begin = flat_.begin_of(final_.name + ".weight");
  final_.bias_begin = flat_.begin_of(final_.name + ".bias");
}

at::Tensor FlatNetwork::final_weight(const at::Tensor& flat) const {
  return flat.narrow(0, final_.weight_begin, final_.classes * final_.features)
      .view({final_.classes, final_.features});
}

at::Tensor FlatNetwork::final_bias(const at::Tensor& flat) const {
  return final_.bias_begin < 0 ? at::Tensor() : flat.narrow(0, final_.bias_begin, final_.classes);
}

}  // namespace fedval::harness
