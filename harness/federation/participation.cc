#include "harness/federation/participation.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "fedval/random/philox.hpp"

namespace fedval::harness {

std::vector<Participant> participants_of(const ParticipationSettings& settings, std::size_t agents,
                                         std::uint64_t seed, std::size_t round) {
  constexpr std::uint64_t tag = 0x7061;  // "pa": apart from every other use of the seed
  random::Stream draw(seed, (tag << 48) | round);
  std::vector<std::size_t> order(agents);
  std::iota(order.begin(), order.end(), std::size_t{0});
  draw.shuffle(std::span(order));
  // 0.1 x 10 agents is one agent, though the product in floating point may be a little more.
  const double wanted = std::ceil(settings.fraction * static_cast<double>(agents) - 1e-9);
  order.resize(std::clamp<std::size_t>(static_cast<std::size_t>(std::max(wanted, 1.0)), 1, agents));

  std::vector<Participant> answering;
  for (const std::size_t agent : order) {
    const bool answers = draw.uniform() >= settings.dropout;
    const bool straggles = draw.uniform() < settings.stragglers;
    const double share = draw.uniform();
    if (answers) answering.push_back({agent, straggles ? share : 1});
  }
  if (answering.empty()) answering.push_back({order.front(), 1});
  std::ranges::sort(answering, {}, &Participant::agent);
  return answering;
}

}  // namespace fedval::harness
