// A round as it came from the agents, and the same round with one of them as an attacker.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "fedval/contribution/round.hpp"
#include "fedval/shapley/memo.hpp"
#include "harness/attack/attack.hpp"
#include "harness/federation/federation.hpp"
#include "harness/federation/uploads.hpp"

namespace fedval::harness {

/// What came back from the agents, the updates that cannot be used left out.
struct Arrived {
  std::vector<Federation::Task> tasks;
  std::vector<Sent> honest;                                   ///< what training gave, in their order
  std::map<std::pair<std::size_t, Poison>, Sliced> poisoned;  ///< what it gave attackers, by agent
  std::map<ClientId, at::Tensor> buffers;
};

/// What an agent (from 0) sends that attacks in this way in this round (from 0); nothing when it is away.
std::vector<Upload> attacked(const Federation& federation, const Arrived& arrived,
                             const at::Tensor& last_update, std::size_t round, const std::string& kind,
                             std::size_t agent);

/// What coalitions without the attacker are worth is the same in its world: others are asked for once. Its
/// own name is in its world, and further names come behind all others', so the players have the same numbers.
void share_honest(const Round& honest, const shapley::Memo& known, const ClientId& attacker,
                  shapley::Memo& own);

}  // namespace fedval::harness
