// What a backend may implement so that its tensors are filled where they lie.
#pragma once

#include <cstdint>

#include "fedval/random/sequence.hpp"
#include "fedval/tensor/device.hpp"

namespace fedval {

/// The part of a backend's table that draws; a backend without one is written to from the host.
struct RandomOperations {
  /// The piece's entry i = number (begin + i) of the sequence.
  void (*fill)(const random::Sequence& sequence, std::uint64_t begin, const Piece& piece);
};

}  // namespace fedval
