// The two things that look at a round's updates: a method, which turns them into the next models, and a score
// reader, which only reads them. The round loop knows these interfaces and nothing behind them.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fedval/contribution/round.hpp"

namespace fedval::harness {

/// Everyone's model, each as one flat vector. Agents that hold the server's model share its tensor.
struct Models {
  at::Tensor server;
  std::vector<at::Tensor> agents;  ///< in the order of the round's clients
};

/// How updates become models. One object a run; it keeps its state across rounds.
class Method {
 public:
  virtual ~Method() = default;

  /// Replaces the models by those the next round starts from. `round` holds every agent's update, measured
  /// from the agent's own model; the models themselves do not contain it.
  virtual void step(const Round& round, Models& models) = 0;

  /// What it credits each agent with after the rounds so far.
  virtual std::vector<double> credit() const = 0;

  /// What happened that a reader of the results must know, such as a fall to uniform weights.
  std::vector<std::string> notes;
};

/// A score computed on every run's rounds, whoever steers them. Its state lives across the rounds of one run.
struct ScoreReader {
  std::string name;
  std::function<Scores(const Round&)> observe;
};

/// Makes fresh readers, one set a run.
using MakeReaders = std::function<std::vector<ScoreReader>()>;

}  // namespace fedval::harness
