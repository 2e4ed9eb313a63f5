// Owners from the ids that a file gives its people: writers, centres.
//
// Those of the training part come first, so that they are owners 0 .. k - 1 of what is dealt to the agents;
// those that only the test part has follow. Both ascend by id.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "harness/data/dataset.hpp"

namespace fedval::harness {

/// Replaces the ids in the owners of both parts by numbers 0, 1, ... and names owner 0, 1, ... name(id).
/// O(n log owners).
void name_owners(Dataset& data, const std::function<std::string(std::uint32_t)>& name);

}  // namespace fedval::harness
