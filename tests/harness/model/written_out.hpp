// A network against its layers written out: parameters cut from the flat vector in the order of the layers,
// plain operations, double precision.
#pragma once

#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn_like.h>
#include <torch/utils.h>

#include <string>
#include <vector>

#include "harness/model/network.hpp"
#include "tests/doctest_torch.hpp"

namespace fedval::harness {

/// Hands out copies of the entries of a flat vector, one tensor after the other, and gathers their gradients.
class Cut {
 public:
  explicit Cut(const at::Tensor& flat) : flat_(flat) {}

  at::Tensor operator()(at::IntArrayRef shape) {
    const std::int64_t count = c10::multiply_integers(shape);
    taken_ += count;
    pieces_.push_back(flat_.narrow(0, taken_ - count, count).view(shape).clone().detach().requires_grad_());
    return pieces_.back();
  }
  bool all_taken() const { return taken_ == flat_.numel(); }

  /// Of all that was handed out, laid out as the vector.
  at::Tensor gradient() const {
    std::vector<at::Tensor> gradients;
    for (const at::Tensor& piece : pieces_) gradients.push_back(piece.grad().flatten());
    return at::cat(gradients);
  }

 private:
  const at::Tensor& flat_;
  std::int64_t taken_ = 0;
  std::vector<at::Tensor> pieces_;
};

inline ModelSettings model(const std::string& name) {
  ModelSettings settings;
  settings.name = name;
  return settings;
}

inline double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  return ((found - expected).norm() / expected.norm()).item().toDouble();
}

/// Moves every parameter a little, so that no bias is 0 and no scale 1.
inline void shake(FlatNetwork& network) {
  const torch::NoGradGuard no_grad;
  network.parameters().add_(at::randn_like(network.parameters()), 0.02);
}

/// Logits and gradient of the network against those of written_out(cut, examples). Single precision leaves
/// about 1e-6 in the logits; where a relu or a maximum is nearly tied, rounding may turn a few entries of the
/// gradient the other way. A wrong layer is off by the size of the values themselves.
template <class WrittenOut>
void check_against(FlatNetwork& network, const at::Tensor& examples, const WrittenOut& written_out) {
  const at::Tensor flat = network.parameters().to(at::kDouble);
  Cut cut(flat);
  const at::Tensor expected =
      written_out(cut, examples.is_floating_point() ? examples.to(at::kDouble) : examples);
  CHECK(cut.all_taken());
  const at::Tensor logits = network.forward(examples);
  REQUIRE(logits.sizes() == expected.sizes());
  CHECK(relative_error(logits, expected) < 1e-5);

  const at::Tensor labels = at::randint(expected.size(1), {expected.size(0)}, at::kLong);
  at::cross_entropy_loss(expected, labels).backward();
  network.gradient().zero_();
  at::cross_entropy_loss(logits, labels).backward();
  const at::Tensor gradient = cut.gradient();
  CHECK(gradient.norm().item().toDouble() > 1e-3);
  CHECK(relative_error(network.gradient(), gradient) < 5e-3);
}

}  // namespace fedval::harness
