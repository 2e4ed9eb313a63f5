// Examples that server and clients all have, without labels: the first of the held-out part.
#pragma once

#include <cstdint>
#include <vector>

#include "harness/federation/federation.hpp"

namespace fedval::harness {

/// The numbers of `count` of them, drawn without replacement from (seed, round) alone. Error when the
/// settings name more than there are, or there are not `count`.
std::vector<std::uint32_t> public_batch(const Federation& federation, std::size_t count, std::size_t round);

}  // namespace fedval::harness
