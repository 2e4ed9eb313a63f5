// What several attacks are made of.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "fedval/random/sequence.hpp"
#include "harness/attack/attack.hpp"

namespace fedval::harness {

using Updates = std::vector<at::Tensor>;

/// What is not finite stays so, and whoever receives it refuses it.
double length(const at::Tensor& v);

/// The update that the attacker would send if it were honest.
const at::Tensor& own_update(const Situation& situation);

/// A vector of this length and of `like`'s shape; different numbers for every `k`.
at::Tensor noise(random::Law law, const Situation& situation, const at::Tensor& like, double wanted,
                 std::size_t k = 0);

/// u + n_k under `identities` names, with Gaussian n_k as long as gives pairs this cosine.
Updates sybils(const Situation& situation, const AttackSettings& settings, double cosine);

}  // namespace fedval::harness
