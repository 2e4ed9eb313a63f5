// What a client does on its own: stochastic gradient steps on its examples, and a test of a model.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "fedval/random/philox.hpp"
#include "harness/config/settings.hpp"
#include "harness/federation/batches.hpp"
#include "harness/model/network.hpp"

namespace fedval::harness {

/// The learning rate of a round (from 0):
///   exponential  lr decay^round
///   cosine       final + (lr - final) (1 + cos(pi round / rounds)) / 2
///   constant, cosine_in_round  lr
double learning_rate_of(const TrainingSettings& settings, std::size_t round);

/// Optimiser steps of an agent with so many examples; a straggler does a share of them, one at least.
std::size_t steps_of(const TrainingSettings& settings, std::size_t samples, double share = 1);

/// The draws of one agent in one round, apart from every other use of the seed.
random::Key training_key(std::uint64_t seed, std::size_t agent, std::size_t round);

struct TrainOptions {
  /// With label C - 1 - y for y, as a label-flipping attacker does.
  bool flipped = false;
  /// Adds to the network's gradient what is not in the examples; called with the number of the step, from 0.
  std::function<void(FlatNetwork&, std::size_t)> regularise = {};
};

/// So many steps on the mean cross-entropy of batches of the agent's examples, reshuffled every epoch, by an
/// Optimiser made anew; how an epoch is cut, `training.batches` says. `draws` gives the order and the
/// dropout. In epoch e of E cosine_in_round goes with lr (1 + cos(pi e / E)) / 2, all others with lr. Counts
/// finished steps in `counter`. Error when LibTorch refuses a batch.
void train(FlatNetwork& network, const Batches& batches, const Examples& examples,
           std::span<const std::size_t> shard, const TrainingSettings& settings, double learning_rate,
           std::size_t steps, random::Key draws, std::atomic<std::size_t>& counter,
           const TrainOptions& options = {});

/// What a network in evaluation mode makes of some examples.
struct Counted {
  std::vector<std::size_t> correct;  ///< labelled right, of each class
  double loss = 0;                   ///< sum of the cross-entropies
};
/// `classes`: those of the data, or 1, which takes all for one class. Only the counts leave the device.
Counted test(FlatNetwork& network, const Batches& batches, const Examples& examples,
             std::span<const std::size_t> indices, std::size_t classes);

}  // namespace fedval::harness
