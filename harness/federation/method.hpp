// The two things that look at a round's updates: a method, which turns them into the next models, and a score
// reader, which only reads them. Both may ask for more than the updates tell, at a price. The round loop
// knows these interfaces and nothing behind them.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fedval/archive.hpp"
#include "fedval/contribution/round.hpp"
#include "fedval/shapley/memo.hpp"

namespace fedval::harness {

/// Everyone's parameters, each as one flat vector. Agents that hold the server's model share its tensor; of
/// several ranks only the one that keeps an agent has a model that is the agent's own, it may be undefined on
/// the others.
struct Models {
  at::Tensor server;
  std::map<ClientId, at::Tensor> agents;
};

/// How a model does on examples.
struct Tested {
  double accuracy = 0;  ///< how much it labels right, as `evaluation.accuracy` says
  double loss = 0;      ///< mean cross-entropy, nats
};

/// A round beyond its updates.
class Context {
 public:
  Context(std::size_t round_number, double rate, at::Tensor server)
      : number(round_number), learning_rate(rate), model(std::move(server)) {}
  virtual ~Context() = default;

  std::size_t number;    ///< of the round, from 0
  double learning_rate;  ///< of the agents' training in it
  at::Tensor model;      ///< the server's parameters before it

  /// Models with these parameters on the server's validation examples. Error where there are none.
  virtual std::vector<Tested> validate(const std::vector<at::Tensor>& parameters) = 0;
  /// The mean loss of the model that each of the round's clients started from on its own examples, in the
  /// order of the clients.
  virtual std::vector<double> own_losses(const Round& round) = 0;
  /// The rank that keeps what is this client's own, and whether it is this one.
  virtual std::size_t keeper(const ClientId&) const { return 0; }
  virtual bool keeps(const ClientId&) const { return true; }
  /// Those of all clients of a round, in their order.
  std::vector<std::size_t> keepers(const Round& round) const {
    std::vector<std::size_t> ranks;
    for (const auto& client : round.clients()) ranks.push_back(keeper(client.id));
    return ranks;
  }
  /// Vectors of the round's clients, each where its client is kept, for operations on all of them.
  virtual std::vector<TensorView> spread(const Round& round, const std::vector<at::Tensor>& own);
  /// The tensors that a vector of all parameters is made of, as views, in the order of the network.
  virtual std::vector<at::Tensor> tensors_of(const at::Tensor& parameters) = 0;

  /// What coalitions of this round's clients are worth, as far as anyone has asked.
  shapley::Memo coalitions;
};

/// What survives a stop: everything behind this interface can be saved as a text and restored, exactly.
class Kept {
 public:
  virtual ~Kept() = default;
  virtual std::string save() const = 0;
  /// Into one made from the same settings. Error for a text that is not its own.
  virtual void restore(std::string_view text) = 0;
};

/// How updates become models. One object a run; it keeps its state across rounds.
class Method : public Kept {
 public:
  /// Replaces the models by those the next round starts from. `round` holds the updates of those that took
  /// part, each measured from the agent's own model; agents that were away are in the models only.
  virtual void step(const Round& round, Models& models, Context& context) = 0;

  /// Whether every rank has all agents' models, not only of those that it keeps.
  virtual bool needs_all_models() const { return false; }

  /// Whether it asks for models to be validated, for which examples must be held out.
  virtual bool validates() const { return false; }

  /// The weights of the round's clients in the aggregate of the last step, in their order; the server
  /// averages running statistics with the same.
  virtual std::vector<double> weights() const = 0;

  /// What it credits each agent known so far with.
  virtual std::map<ClientId, double> credit() const = 0;

  /// What happened in steps since the last call that a reader of the results must know, such as a fall to
  /// uniform weights.
  std::vector<std::string> take_notes() { return std::exchange(notes_, {}); }

 protected:
  void note(std::string text) { notes_.push_back(std::move(text)); }

 private:
  std::vector<std::string> notes_;
};

/// A score computed on every run's rounds, whoever steers them. Its state lives across the rounds of one run.
class ScoreReader : public Kept {
 public:
  explicit ScoreReader(std::string name) : name_(std::move(name)) {}
  const std::string& name() const { return name_; }
  /// As a method's.
  virtual bool validates() const { return false; }
  /// Scores of the round's clients.
  virtual Scores observe(const Round& round, Context& context) = 0;

 private:
  std::string name_;
};

using Readers = std::vector<std::unique_ptr<ScoreReader>>;

}  // namespace fedval::harness
