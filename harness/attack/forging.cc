#include "harness/attack/forging.hpp"

#include <ATen/ops/empty_like.h>

#include <cmath>
#include <cstdint>

#include "fedval/random/fill.hpp"
#include "fedval/tensor/operations.hpp"
#include "fedval/tensor/torch.hpp"

namespace fedval::harness {

double length(const at::Tensor& v) { return std::sqrt(fedval::dot(v, v)); }  // at::dot sums in float

const at::Tensor& own_update(const Situation& s) { return s.honest[s.attacker].update; }

at::Tensor noise(random::Law law, const Situation& s, const at::Tensor& like, double wanted, std::size_t k) {
  at::Tensor drawn = at::empty_like(like);
  random::fill({law, s.draws}, drawn, k * static_cast<std::uint64_t>(like.numel()));
  if (law == random::Law::uniform) drawn.mul_(2).sub_(1);
  scale(wanted / length(drawn), drawn);
  return drawn;
}

Updates sybils(const Situation& s, const AttackSettings& settings, double cosine) {
  // Two vectors u + n with independent n of length r ||u|| have a cosine of 1 / (1 + r^2).
  const double r = std::sqrt(1 / cosine - 1);
  Updates sent;
  for (std::size_t k = 0; k < settings.identities; ++k)
    sent.push_back(
        noise(random::Law::gaussian, s, own_update(s), r * length(own_update(s)), k).add_(own_update(s)));
  return sent;
}

}  // namespace fedval::harness
