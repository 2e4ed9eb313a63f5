// Training examples set aside before anything is dealt: for choices made while training, never for training
// and never for reported accuracies.
#pragma once

#include <cstddef>
#include <cstdint>

#include "harness/data/dataset.hpp"

namespace fedval::harness {

/// Moves `count` training examples, drawn at random without replacement, to the held-out part, where they
/// follow those that are there; all parts keep their order. O(examples). Error when no training example would
/// be left.
void set_aside(Dataset& data, std::size_t count, std::uint64_t seed);

}  // namespace fedval::harness
