// What an attacker sends in place of its honest update u, by kind; s and f are attack.noise and .factor, g
// the last global update, W the final layer's weight.
//
//   uniform_noise   s ||u|| n / ||n||, entries of n uniform in [-1, 1)
//   gaussian_noise  the same, entries of n standard normal
//   zero            0
//   replay          g
//   label_flip      an update trained on labels C - 1 - y
//   sign_flip       -u
//   sign_random     |u| with random signs, + and - equally likely
//   rescale         f u
//   overclaim       u, said to come from f times the samples
//   duplicate       u under its own name and under a second one
//   copy            the update of the agent with the most samples among the others, the first of equals
//   sybil           u + n_k under `identities` names, n_k Gaussian of length r ||u||, r^2 = 1 / .94 - 1
//   inflate         u with Gaussian noise of length s ||W|| added to its W
//   mixed_replay    .3 u / ||u|| + .7 g / ||g||, scaled to length ||u||
//   few_samples     an update trained on ten examples, noise added to its own W as in inflate
//
// Those that know how scores work (spanned_noise, spanned_few_samples, flatten, loose_sybil, spanned_sybil,
// whitened_replay, forge, collusion) are in adaptive.hpp.
//
// Independent noise in many dimensions is orthogonal to u and to other noise, so Sybils have the cosine
// 1 / (1 + r^2) = .94 in pairs, with a deviation of .063 / sqrt(D): just under .95, from where on scores take
// updates for copies.
//
// Where there is nothing to take (no g in the first round, no other agent) replay and copy send 0; without g,
// or with g = 0, mixed_replay sends u. For u = 0 noise relative to u is 0, and so is what is scaled to its
// length.
//
// Every other attacker claims the samples it has, also for what it took elsewhere; several names claim equal
// parts.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fedval/random/sequence.hpp"
#include "harness/config/settings.hpp"
#include "harness/federation/uploads.hpp"

namespace fedval::harness {

/// All kinds, in the order of the settings' documentation.
std::span<const std::string_view> attack_kinds();

/// What an attacker of this kind trains on in the place of its examples.
struct Poison {
  bool flipped = false;                             ///< labels C - 1 - y
  std::size_t examples = 0;                         ///< the first ones only; 0: all
  auto operator<=>(const Poison&) const = default;  // NOLINT(modernize-use-nullptr): clang 14 sees a 0 in it
};
/// Error for an unknown kind.
Poison poison_of(std::string_view kind);

/// What an agent (from 0) that attacks in these ways trains on beside its own examples; each once. Error as
/// poison_of().
std::vector<Poison> poisons_of(const AttackSettings& settings, std::size_t agent);

/// A name that an attacker made up from its own: "3", 2 -> "3-2". Agents are numbered, so no own name has a
/// '-'.
ClientId alias_of(const ClientId& attacker, std::size_t number);
/// Whose name it is: "3" of "3-2", and of "3".
ClientId owner_of(const ClientId& name);

/// What an attacker knows when it has to send something.
struct Situation {
  std::span<const Upload> honest;  ///< what everyone would send, itself included; the updates of those only
                                   ///< that read_by() names, the others are undefined
  std::size_t attacker = 0;        ///< its place there
  at::Tensor poisoned = {};        ///< what training on poison_of() gave; undefined where that is {}
  at::Tensor last_update = {};     ///< of the server's parameters; undefined in the first round
  const FlatNetwork& network;
  random::Key draws = {};  ///< of this attack in this round alone
};

/// Whose honest updates it takes to attack in this way: the attacker's own first.
std::vector<std::size_t> read_by(std::string_view kind, std::span<const double> samples,
                                 std::size_t attacker);

/// What the attacker sends: one upload under its own name, or others after it under aliases, from number 2.
/// The updates are tensors of their own. O(D), sybil O(identities D). Error for an unknown kind.
std::vector<Upload> forge(std::string_view kind, const Situation& situation, const AttackSettings& settings);

}  // namespace fedval::harness
