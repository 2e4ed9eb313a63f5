// What a client does on its own: plain stochastic gradient descent, and a test of a model.
#pragma once

#include <atomic>
#include <cstddef>

#include "fedval/random/philox.hpp"
#include "harness/federation/samples.hpp"
#include "harness/model/network.hpp"

namespace fedval::harness {

struct LocalTraining {
  std::size_t epochs = 1, batch_size = 32;
  double learning_rate = 0.1;
};

/// Optimiser steps of one call of train().
std::size_t steps_of(const LocalTraining& training, std::size_t samples);

/// w <- w - lr grad of the mean cross-entropy, batch after batch, reshuffled every epoch by `stream`; the
/// last batch of an epoch may be smaller. Counts finished steps in `steps`.
void train(FlatNetwork& network, const Samples& samples, const LocalTraining& training, random::Stream stream,
           std::atomic<std::size_t>& steps);

/// How many of samples [begin, end) the network labels right.
std::size_t count_correct(FlatNetwork& network, const Samples& samples, std::size_t begin, std::size_t end);

}  // namespace fedval::harness
