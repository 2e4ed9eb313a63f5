// The federation: agents with data, a test set, and the loop of rounds.
//
// Each round every agent trains from its own model on its own data, side by side on the workers; the readers
// score the updates; the method turns them into the next models. All runs start from the same parameters and
// shuffle in the same order, so methods differ by what they do and by nothing else.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "harness/config/settings.hpp"
#include "harness/data/dataset.hpp"
#include "harness/federation/method.hpp"
#include "harness/federation/samples.hpp"
#include "harness/federation/training.hpp"
#include "harness/federation/workers.hpp"
#include "harness/partition/partition.hpp"

namespace fedval::harness {

struct Agent {
  ClientId id;
  Samples samples;
  std::size_t classes = 0;  ///< different labels among its samples
};

/// What one round left behind.
struct RoundRecord {
  struct ReaderScores {
    std::string name;
    Scores scores;
    double seconds = 0;
  };

  std::size_t round = 0;  ///< from 1
  double learning_rate = 0;
  std::optional<double> server_accuracy;  ///< where the round was evaluated
  std::vector<ReaderScores> readers;
  double seconds = 0;            ///< of the whole round, evaluation included, the readers left out
  double training_seconds = 0;   ///< of the agents' training
  double valuation_seconds = 0;  ///< of the method's step: scoring, weighing, aggregating, rewarding
};

/// Called as a run goes on. All calls come from the thread that runs the federation.
struct Observer {
  std::function<void(const RoundRecord&)> round = [](const RoundRecord&) {};
  std::atomic<std::size_t>* steps = nullptr;  ///< counts optimiser steps while agents train
};

struct RunResult {
  std::vector<RoundRecord> rounds;
  double server_accuracy = 0;
  std::vector<double> agent_accuracy;  ///< of the model each agent ends with
  double seconds = 0, training_seconds = 0, valuation_seconds = 0;
};

class Federation {
 public:
  /// Cuts the data into agents. Error when the settings ask for more test samples than there are, or for a
  /// model that does not exist. The workers must outlive it.
  Federation(const Settings& settings, const Dataset& data, const Shards& shards, Workers& workers);

  const std::vector<Agent>& agents() const { return agents_; }
  std::size_t test_samples() const { return test_.size(); }
  std::int64_t dimension() const { return networks_.front().dimension(); }
  const FinalLayer& final_layer() const { return networks_.front().final_layer(); }
  /// Optimiser steps of a whole run, all agents together.
  std::size_t steps_a_run() const;

  /// Accuracy on the test set of each agent trained alone, as long and with the same steps as in a run.
  /// Error names the agent whose training diverged.
  std::vector<double> standalone(const Observer& observer);

  /// All rounds under a method. Error (from a reader or the method) names the agent whose update is refused.
  RunResult run(Method& method, const MakeReaders& make_readers, const Observer& observer);

 private:
  LocalTraining local_training(std::size_t round) const;
  at::Tensor train_from(const at::Tensor& state, std::size_t agent, std::size_t round, std::size_t worker,
                        std::atomic<std::size_t>& steps);
  std::vector<double> accuracies(const std::vector<at::Tensor>& states);
  Round make_round(const std::vector<at::Tensor>& updates) const;

  Settings settings_;
  Workers& workers_;
  std::vector<Agent> agents_;
  Samples test_;
  std::vector<FlatNetwork> networks_;  // one a worker
  at::Tensor start_;
};

}  // namespace fedval::harness
