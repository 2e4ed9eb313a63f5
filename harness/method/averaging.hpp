// The step that every averaging method ends with.
//
//   w <- w + sum_i weight_i dw_i,  and every agent gets w
#pragma once

#include <vector>

#include "harness/federation/method.hpp"

namespace fedval::harness {

/// Moves the server by the weighted sum of the round's updates, weights in the order of its clients, and
/// hands its model to every agent. O(N D). Error when a client gave no update.
void average(const Round& round, const std::vector<double>& weights, Models& models);

}  // namespace fedval::harness
