// One method's run, round by round: agents train from their own models, the readers score the updates, the
// method turns them into the next models. Between two rounds all of it can be saved.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/checkpoint/archive.hpp"
#include "harness/federation/federation.hpp"
#include "harness/federation/method.hpp"

namespace fedval::harness {

/// What one round left behind.
struct RoundRecord {
  struct ReaderScores {
    std::string name;
    Scores scores;
    double seconds = 0;
  };
  struct Refused {
    ClientId id;
    std::string reason;  ///< "update[17] is NaN"
  };

  std::size_t round = 0;  ///< from 1
  double learning_rate = 0;
  std::optional<double> server_accuracy = {};  ///< where the round was evaluated
  std::vector<ClientId> participants = {};     ///< whose updates were used
  std::vector<ClientId> stragglers = {};       ///< those of them that did a part of their steps
  std::vector<Refused> refused = {};           ///< whose updates were not, and why
  std::vector<ReaderScores> readers = {};
  double seconds = 0;            ///< of the whole round, evaluation included, the readers left out
  double training_seconds = 0;   ///< of the agents' training
  double valuation_seconds = 0;  ///< of the method's step: scoring, weighing, aggregating, rewarding
};

/// What a run found.
struct RunResult {
  struct Reader {
    std::string name;
    std::map<ClientId, double> scores;  ///< the last of each agent
    double seconds = 0;                 ///< of all rounds
  };

  std::size_t rounds = 0;
  double server_accuracy = 0;
  std::vector<double> agent_accuracy;  ///< of the model each agent ends with
  std::map<ClientId, double> credit;   ///< of the agents that ever took part
  std::vector<Reader> readers;
  std::vector<std::string> notes;
  double seconds = 0, training_seconds = 0, valuation_seconds = 0;
};
void fields(Archive& archive, RunResult& result);

class Run {
 public:
  /// The federation must outlive it.
  Run(Federation& federation, std::unique_ptr<Method> method, Readers readers);

  std::size_t rounds() const { return result_.rounds; }
  bool done() const { return rounds() == federation_.settings().training.rounds; }

  /// One round more; counts optimiser steps in `counter`. An agent whose update is not finite is left out of
  /// the round and named in the record. Error when nobody's update can be used, naming them all, and from a
  /// reader or the method.
  RoundRecord next(std::atomic<std::size_t>& counter);

  /// Tests everyone's model. To be called when done.
  RunResult finish();

  /// Everything that the next round depends on, and the result so far. Reading: into a run of the same
  /// federation and method.
  void fields(Archive& archive);

 private:
  at::Tensor whole(const at::Tensor& parameters) const;
  at::Tensor parameters_of(const at::Tensor& state) const;
  void average_buffers(const std::vector<at::Tensor>& buffers, const std::vector<double>& weights);
  void read(const Round& round, RoundRecord& record);

  Federation& federation_;
  std::unique_ptr<Method> method_;
  Readers readers_;
  Models models_;
  at::Tensor buffers_;  // the server's running statistics, which everyone trains from; empty for most models
  at::Tensor last_update_;  // of the server's parameters; undefined before the first round
  RunResult result_;
};

}  // namespace fedval::harness
