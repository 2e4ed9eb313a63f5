#include "harness/attack/adaptive.hpp"

#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/torch.hpp"

namespace fedval::harness {

namespace {

using at::Tensor;
using random::Law;

bool moved(const Situation& s) { return s.last_update.defined() && length(s.last_update) > 0; }

/// sigma and the vectors of a final weight, in double; those below 1e-4 of the largest are 0.
struct Spectrum {
  Tensor left, sigma, right;
  explicit Spectrum(const Tensor& weight) {
    std::tie(left, sigma, right) = at::linalg_svd(weight.to(at::kDouble), /*full_matrices=*/false);
    sigma = at::where(sigma.gt(1e-4 * sigma.max()), sigma, 0.0);
  }
  /// With other singular values, as long as `wanted`.
  Tensor with(const Tensor& values, double wanted) const {
    const Tensor made = left.mul(values).matmul(right);
    const double present = length(made);
    return present > 0 ? made.mul(wanted / present) : made;
  }
};

/// What of `weight` is inside the spaces of the last global update's final weight, as long as `wanted`;
/// all of it where there is no such update.
Tensor confined(const Situation& s, const Tensor& weight, double wanted) {
  Tensor inside = weight.to(at::kDouble);
  if (moved(s)) {
    const Spectrum common(s.network.final_weight(s.last_update));
    const Tensor used = common.sigma.gt(0).to(at::kDouble), left = common.left.mul(used),
                 right = common.right.mul(used.unsqueeze(1));
    inside = left.matmul(left.t().matmul(inside).matmul(right.t())).matmul(right);
  }
  const double present = length(inside);
  return present > 0 ? inside.mul(wanted / present) : inside;
}

Updates with_spanned_noise(const Tensor& update, const Situation& s, const AttackSettings& settings) {
  const Tensor sent = update.clone(), weight = s.network.final_weight(sent);
  weight.add_(confined(s, noise(Law::gaussian, s, weight, 1), settings.noise * length(weight)));
  return {sent};
}

/// `direction` as an update that fits in: its final weight confined, with as much of the length as g's has,
/// plus `replayed` of g; of the honest update's length.
Tensor fitted(const Situation& s, const Tensor& direction, double replayed) {
  Tensor sent = direction.clone();
  if (moved(s)) {
    const Tensor weight = s.network.final_weight(sent);
    const double global = length(s.last_update),
                 share = length(s.network.final_weight(s.last_update)) / global;
    const Tensor layer = confined(s, weight, share);
    weight.zero_();
    scale(std::sqrt(std::max(0.0, 1 - share * share)) / length(sent), sent);
    weight.copy_(layer);
    axpy(replayed / global, s.last_update, sent);
  }
  scale(length(own_update(s)) / length(sent), sent);
  return sent;
}

}  // namespace

Updates spanned_noise(const Situation& s, const AttackSettings& settings) {
  return with_spanned_noise(own_update(s), s, settings);
}

Updates spanned_few_samples(const Situation& s, const AttackSettings& settings) {
  return with_spanned_noise(s.poisoned, s, settings);
}

Updates flatten(const Situation& s, const AttackSettings&) {
  const Tensor sent = own_update(s).clone(), weight = s.network.final_weight(sent);
  if (!std::isfinite(length(weight))) return {sent};  // whoever receives it refuses it
  const Spectrum own(weight);
  weight.copy_(own.with(own.sigma.sqrt(), length(weight)));
  return {sent};
}

Updates loose_sybil(const Situation& s, const AttackSettings& settings) { return sybils(s, settings, 0.5); }

Updates spanned_sybil(const Situation& s, const AttackSettings& settings) {
  Updates sent;
  for (std::size_t k = 0; k < settings.identities; ++k) {
    Tensor added = noise(Law::gaussian, s, own_update(s), 1, k);
    const Tensor weight = s.network.final_weight(added), own = s.network.final_weight(own_update(s));
    const Tensor layer = confined(s, weight, settings.noise * length(own));
    weight.zero_();
    const double rest =
        std::sqrt(std::max(0.0, fedval::dot(own_update(s), own_update(s)) - fedval::dot(own, own)));
    scale(rest / length(added), added);
    weight.copy_(layer);
    sent.push_back(added.add_(own_update(s)));
  }
  return sent;
}

Updates whitened_replay(const Situation& s, const AttackSettings&) {
  if (!moved(s)) return {at::zeros_like(own_update(s))};
  const Tensor sent = s.last_update.clone(), weight = s.network.final_weight(sent);
  const Spectrum common(weight);
  weight.copy_(common.with(common.sigma.gt(0).to(at::kDouble), length(weight)));
  sent.add_(noise(Law::gaussian, s, sent, 0.2 * length(s.last_update)));
  scale(length(own_update(s)) / length(sent), sent);
  return {sent};
}

Updates forge_update(const Situation& s, const AttackSettings&) {
  return {fitted(s, noise(Law::gaussian, s, own_update(s), 1), 0.35)};
}

Updates collusion(const Situation& s, const AttackSettings& settings) {
  const Tensor secret = noise(Law::gaussian, s, own_update(s), 0.75);
  Updates sent;
  for (std::size_t k = 1; k <= settings.identities; ++k)
    sent.push_back(fitted(s, noise(Law::gaussian, s, own_update(s), 1, k).add_(secret), 0.4));
  return sent;
}

}  // namespace fedval::harness
