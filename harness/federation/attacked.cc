#include "harness/federation/attacked.hpp"

#include <algorithm>

namespace fedval::harness {

std::vector<Upload> attacked(const Federation& federation, const Arrived& arrived,
                             const at::Tensor& last_update, std::size_t round, const std::string& kind,
                             std::size_t agent) {
  const ClientId& id = federation.agents()[agent].id;
  const auto own = std::ranges::find(arrived.honest, id, &Sent::id);
  if (own == arrived.honest.end()) return {};
  std::vector<Upload> honest;
  std::vector<double> samples;
  for (const Sent& each : arrived.honest) {
    honest.push_back({each.id, {}, each.samples});
    samples.push_back(each.samples);
  }
  const auto place = static_cast<std::size_t>(own - arrived.honest.begin());
  for (const std::size_t i : read_by(kind, samples, place))
    honest[i].update = arrived.honest[i].update.joined();
  constexpr std::uint64_t tag = 0x6174;  // "at": apart from every other use of the seed
  const auto number =
      static_cast<std::uint64_t>(std::ranges::find(attack_kinds(), kind) - attack_kinds().begin());
  Situation situation{.honest = honest,
                      .attacker = place,
                      .last_update = last_update,
                      .network = federation.network(),
                      .draws = {federation.settings().seed,
                                (tag << 48) | (number << 40) | (std::uint64_t{agent} << 20) | round}};
  if (const Poison poison = poison_of(kind); poison != Poison{})
    situation.poisoned = arrived.poisoned.at({agent, poison}).joined();
  return forge(kind, situation, federation.settings().attack);
}

void share_honest(const Round& honest, const shapley::Memo& known, const ClientId& attacker,
                  shapley::Memo& own) {
  constexpr std::size_t most = 16;  // clients whose 2^n coalitions are looked through
  if (known.size() == 0 || honest.size() > most || !honest.has(attacker)) return;
  std::size_t player = 0;
  while (honest.clients()[player].id != attacker) ++player;
  for (shapley::Mask mask = 0; mask < shapley::Mask{1} << honest.size(); ++mask) {
    if ((mask >> player & 1) != 0) continue;
    const shapley::Coalition coalition(mask);
    if (const double* value = known.find(coalition)) own.insert(coalition, *value);
  }
}

}  // namespace fedval::harness
