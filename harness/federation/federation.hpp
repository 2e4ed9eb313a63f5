// The federation: agents with data, a part to test on, and the workers that train and test models.
//
// All runs start from the same parameters and shuffle in the same order, so methods differ by what they do
// and by nothing else.
#pragma once

#include <atomic>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fedval/contribution/round.hpp"
#include "harness/config/settings.hpp"
#include "harness/data/dataset.hpp"
#include "harness/distributed/ranks.hpp"
#include "harness/federation/batches.hpp"
#include "harness/federation/method.hpp"
#include "harness/federation/participation.hpp"
#include "harness/federation/training.hpp"
#include "harness/federation/workers.hpp"
#include "harness/partition/partition.hpp"

namespace fedval::harness {

struct Agent {
  ClientId id;
  Indices shard;            ///< of the training part
  std::size_t classes = 0;  ///< different labels among its examples
};

class Federation {
 public:
  /// What an agent starts from in a round, and what it trains on.
  struct Task {
    Participant who;
    at::Tensor state;                                                ///< parameters and buffers
    bool flipped = false;                                            ///< with label C - 1 - y for y
    std::size_t examples = 0;                                        ///< the first ones of its shard; 0: all
    std::function<void(FlatNetwork&, std::size_t)> regularise = {};  ///< as TrainOptions
  };

  /// Error when the settings ask for more test examples than there are, or for a model that does not exist or
  /// does not fit the data, for a device that is not there, and for one that is not the CPU with several
  /// ranks. The data and the workers must outlive it. `normalisation`: given where data.train holds more than
  /// the training part, such as noisy copies; else that of data.train. `ranks`: the processes that share the
  /// work, all with the same federation; must outlive it.
  Federation(const Settings& settings, const Dataset& data, const Shards& shards, Workers& workers,
             const std::optional<Normalisation>& normalisation = std::nullopt, Ranks* ranks = nullptr);

  const Settings& settings() const { return settings_; }
  const Dataset& data() const { return data_; }
  at::Device device() const { return device_; }
  const Batches& batches() const { return batches_; }
  Workers& workers() { return workers_; }
  const std::vector<Agent>& agents() const { return agents_; }
  /// The part that models are tested on, and how many of its examples, the first ones.
  const Examples& tested() const { return tested_; }
  std::size_t test_samples() const { return test_samples_; }
  /// The classes that right answers are counted by: those of the data, or one for all examples.
  std::size_t counted_classes() const { return settings_.evaluation.accuracy == "plain" ? 1 : data_.classes; }
  std::int64_t dimension() const { return networks_.front().dimension(); }
  std::int64_t buffers() const { return networks_.front().buffers(); }
  const FlatNetwork& network() const { return networks_.front(); }
  /// Everyone's state before the first round.
  const at::Tensor& start() const { return start_; }
  Ranks& ranks() const { return ranks_; }
  /// The rank that an agent trains on and that keeps what is the agent's alone: agents are spread by size.
  std::size_t keeper(std::size_t agent) const { return keepers_[agent]; }

  /// Optimiser steps of rounds [begin, end) of a run, all agents together; `alone`: as trained alone, where
  /// everyone takes part.
  std::size_t steps(std::size_t begin, std::size_t end, bool alone) const;

  /// The states that agents reach in a round (from 0), in the order of the tasks; side by side on the
  /// workers of all ranks. Error names the agent that LibTorch refuses a batch of.
  std::vector<at::Tensor> train_all(const std::vector<Task>& tasks, std::size_t round,
                                    std::atomic<std::size_t>& counter);
  /// The same, each on the rank that keeps the agent, where alone the state is read; those of other ranks are
  /// undefined.
  std::vector<at::Tensor> train_kept(const std::vector<Task>& tasks, std::size_t round,
                                     std::atomic<std::size_t>& counter);
  std::vector<std::size_t> keepers(const std::vector<Task>& tasks) const;

  /// The mean loss of each task's state, read where the agent is kept, on the agent's own examples, in the
  /// order of the tasks.
  std::vector<double> own_losses(const std::vector<Task>& tasks);

  /// How fast it goes here and now.
  struct Pace {
    double seconds_a_step = 0;      ///< optimiser steps, all workers side by side
    double seconds_an_example = 0;  ///< tested, all workers side by side
  };
  /// Measured for about two seconds each on the largest agent's examples and on a batch of tests.
  Pace measure();

  /// Each state on the part that the settings name for evaluation. Equal tensors are tested once.
  std::vector<Tested> test(const std::vector<at::Tensor>& states);
  /// The accuracies alone.
  std::vector<double> accuracies(const std::vector<at::Tensor>& states);
  /// One state an agent; those that `kept` says are tested where the agent is kept, and may be undefined
  /// elsewhere.
  std::vector<Tested> test_agents(const std::vector<at::Tensor>& states, const std::vector<bool>& kept);

  /// Each state on the server's validation examples: the first of the held-out part. Error when there are
  /// none, or fewer than the settings ask for.
  std::vector<Tested> validate(const std::vector<at::Tensor>& states);

 private:
  std::span<const std::size_t> shard_of(const Task& task) const;
  /// body(task, worker) for every task that is this rank's, the most costly first.
  void for_each(std::span<const std::size_t> costs, std::span<const std::size_t> owners,
                const std::function<void(std::size_t, std::size_t)>& body);
  std::vector<std::size_t> steps_of_each(const std::vector<Task>& tasks) const;
  std::vector<at::Tensor> train_apart(const std::vector<Task>& tasks, std::span<const std::size_t> owners,
                                      std::size_t round, std::atomic<std::size_t>& counter);
  static constexpr std::size_t anywhere = static_cast<std::size_t>(-1);
  /// `holders`: the one rank that has the state, or anywhere.
  std::vector<Tested> test(const std::vector<at::Tensor>& states, std::span<const std::size_t> holders,
                           const Examples& part, std::size_t samples);

  std::size_t test_batch() const;

  Settings settings_;
  at::Device device_;
  const Dataset& data_;
  const Examples& tested_;
  Workers& workers_;
  Ranks alone_;
  Ranks& ranks_;
  Batches batches_;
  std::vector<Agent> agents_;
  std::vector<std::size_t> keepers_;  // a rank for each
  std::size_t test_samples_;
  std::vector<FlatNetwork> networks_;  // one a worker
  at::Tensor start_;
};

}  // namespace fedval::harness
