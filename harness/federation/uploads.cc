#include "harness/federation/uploads.hpp"

#include <ATen/ops/cat.h>

#include "fedval/tensor/torch.hpp"

namespace fedval::harness {

Sent::Sent(const Upload& upload, const FlatNetwork& network, Ranks& ranks)
    : id(upload.id),
      update(Sliced::cut(ranks, upload.update)),
      samples(upload.samples),
      final_weight(network.final_weight(upload.update)),
      final_bias(network.final_bias(upload.update)) {}

std::vector<Sent> Sent::all(const std::vector<Upload>& uploads, std::span<const std::size_t> owners,
                            const at::Tensor& like, const FlatNetwork& network, Ranks& ranks) {
  std::vector<Sent> sent;
  if (ranks.count() == 1) {
    for (const Upload& upload : uploads) sent.emplace_back(upload, network, ranks);
    return sent;
  }
  std::vector<at::Tensor> updates, layers;  // a layer: the final weight, then the bias
  const at::Tensor weight = network.final_weight(like), bias = network.final_bias(like);
  const auto layer_of = [&](const at::Tensor& update) {
    const at::Tensor own = network.final_weight(update).reshape({-1});
    return bias.defined() ? at::cat({own, network.final_bias(update).reshape({-1})}) : own.clone();
  };
  for (const Upload& upload : uploads) {
    updates.push_back(upload.update);
    layers.push_back(upload.update.defined() ? layer_of(upload.update) : at::Tensor());
  }
  ranks.share(layers, owners, layer_of(like));
  const std::vector<Sliced> cut = Sliced::cut(ranks, updates, owners, like);
  for (std::size_t i = 0; i < uploads.size(); ++i) {
    Sent& each = sent.emplace_back(Sent(uploads[i], cut[i]));
    each.final_weight = layers[i].narrow(0, 0, weight.numel()).view(weight.sizes());
    if (bias.defined()) each.final_bias = layers[i].narrow(0, weight.numel(), bias.numel());
  }
  return sent;
}

Round make_round(std::span<const Sent> sent, const at::Tensor& last_update, const FlatNetwork& network,
                 Ranks& ranks) {
  Round round;
  for (const Sent& each : sent) {
    ClientParts parts{.update = each.update, .final_weight = each.final_weight};
    if (each.final_bias.defined()) parts.final_bias = each.final_bias;
    round.add(each.id, std::move(parts), each.samples);
  }
  if (last_update.defined()) {
    round.global_update = Sliced::cut(ranks, last_update);
    round.global_final_weight = network.final_weight(last_update);
  }
  return round;
}

}  // namespace fedval::harness
