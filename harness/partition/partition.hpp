// How the training part is dealt to the agents: by quantity, by class, by owner.
//
//   uni, iid          equal shards; fewer examples than agents may be left over
//   pow               sizes by a power law: b = linspace(.01^(1/a), .99^(1/a), N), a = 1.65911332899;
//                     shard k gets ceil(b_k / sum b * pool), the last one what is left
//   step_quantity     shares 1/N - (N-1) g/2 + k g of every class, rounded down
//   free_rider        equal shards, but the last agent holds a few examples, repeated up to that size
//   cla               equal sizes, unequal classes: agent k holds classes 0 .. c_k - 1 with
//                     c = floor(linspace(1, classes, N)), drawn with replacement
//   cla_distinct      the same without replacement, over all agents
//   step_label_skew   agent k holds m + k floor((classes - m)/(N-1)) classes at random, each class cut
//                     equally among its holders
//   only_label_skew   as many classes; in turn, agent k takes least + (N-k) floor((most - least)/N) of each,
//                     passes over a class with fewer than `least` left, and stops above m most; then all are
//                     cut at random to the smallest
//   dirichlet         p_k ~ Dir(alpha 1); class c is cut in proportion to p_kc / sum_k p_kc, to the nearest
//   natural           an agent is one of the data's owners: a writer, a centre
//
// k counts from 0; messages name an agent by its number from 1. What is dealt is a pool: agents x
// samples-per-agent training examples drawn at random without replacement, or the whole training part where
// samples-per-agent is 0. cla_distinct draws its agents x samples-per-agent from the whole part, since such a
// pool has too few of class 0; in natural samples-per-agent is a cap. A class that nobody drew is unused.
// Sources: uni, pow, cla: Xu et al., "Gradient-Driven Rewards to Guarantee Fairness in Collaborative
// Machine Learning", NeurIPS 2021. step_*, only_label_skew, free_rider: Ukaye et al., "Data-Free Contribution
// Estimation in Federated Learning using Gradient von Neumann Entropy", arXiv:2604.22562, and the authors'
// public codes. dirichlet: Hsu, Qi, Brown, arXiv:1909.06335.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/config/settings.hpp"
#include "harness/data/dataset.hpp"

namespace fedval::harness {

using Indices = std::vector<std::size_t>;

/// Indices into the training part, one vector an agent.
using Shards = std::vector<Indices>;

/// The names that partition() knows.
std::vector<std::string_view> partition_names();

/// Deals the training part to settings.agents agents; the same arguments give the same shards. O(examples +
/// what is dealt), in dirichlet for each time it draws.
///
/// Shards are disjoint, except in "cla" (each of an agent's c classes gives floor(size / c) examples of the
/// pool drawn with replacement; the few that are missing come from class c - 1 without replacement) and in
/// "free_rider" (whose last shard repeats its own). "dirichlet" draws again until every agent has
/// settings.smallest_shard examples.
///
/// Error for an unknown kind (listing the known ones), no agents, more samples than the training part has, a
/// label out of range, a shard that would be empty, and for what a kind cannot do with these numbers.
Shards partition(const PartitionSettings& settings, const Dataset& data, std::uint64_t seed);

/// How many examples of each class each agent holds: [agent][class]. An example held twice counts twice.
std::vector<std::vector<std::size_t>> class_counts(const Shards& shards, const Dataset& data);

}  // namespace fedval::harness
