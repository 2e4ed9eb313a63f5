// Attackers that know what scores of the final layer look at. G = U S V^T is the final weight of the last
// global update g, without singular values below 1e-4 of the largest; P(N) = U U^T N V V^T, at length 1, lies
// inside the spaces that all clients know; h = ||G|| / ||g||; u, W and s as in attack.hpp; n is Gaussian.
//
//   spanned_noise        u with s ||W|| P(N) added to its W: noise where everyone's layer has something
//   spanned_few_samples  the same with an update trained on ten examples: a true gradient of little data
//   flatten              u with the singular values of its W replaced by their square roots, ||W|| kept
//   loose_sybil          u + n_k under `identities` names, of the length that gives them a cosine of .5
//   spanned_sybil        under each of `identities` names u with its own s ||W|| P(N) in its W, and noise as
//                        long as the rest of u in the rest: names that are less alike than honest clients
//   whitened_replay      no data: g with U V^T, as long as G, in the place of G, and .2 ||g|| of noise
//   forge                no data: n with a body of length sqrt(1 - h^2) and h P(N) as final weight, and
//                        .35 g / ||g||
//   collusion            no data: `identities` names; as forge with .4 of g, n / ||n|| being .75 of a secret
//                        direction that they share and 1 of their own (cosine .36), in the final weight too
//
// The last three are scaled to length ||u||. Without g, or with g = 0, noise is not confined, and
// whitened_replay sends 0.
//
// The names of a collusion stand for as many clients: what they earn together, divided by their number, is
// what one gets for taking part.
#pragma once

#include "harness/attack/forging.hpp"

namespace fedval::harness {

Updates spanned_noise(const Situation& situation, const AttackSettings& settings);
Updates spanned_few_samples(const Situation& situation, const AttackSettings& settings);
Updates flatten(const Situation& situation, const AttackSettings& settings);
Updates loose_sybil(const Situation& situation, const AttackSettings& settings);
Updates spanned_sybil(const Situation& situation, const AttackSettings& settings);
Updates whitened_replay(const Situation& situation, const AttackSettings& settings);
Updates forge_update(const Situation& situation, const AttackSettings& settings);
Updates collusion(const Situation& situation, const AttackSettings& settings);

}  // namespace fedval::harness
