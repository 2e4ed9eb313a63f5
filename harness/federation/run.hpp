// One method's run, round by round: agents train from their own models, the readers score the updates, the
// method turns them into the next models. Between two rounds all of it can be saved.
//
// Attackers are either inside, where what they send takes the place of their update for everyone, or beside:
// then each attack has readers of its own, which see the round with that attack in it, and nothing else does.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "harness/checkpoint/archive.hpp"
#include "harness/federation/attacked.hpp"
#include "harness/federation/federation.hpp"
#include "harness/federation/method.hpp"
#include "harness/federation/method_run.hpp"
#include "harness/federation/run_result.hpp"
#include "harness/federation/uploads.hpp"

namespace fedval::harness {

class Run : public MethodRun {
 public:
  /// The federation must outlive it; `readers` makes a new set of the same readers at every call. Error where
  /// models are to be validated and too few examples are held out.
  Run(Federation& federation, std::unique_ptr<Method> method, const std::function<Readers()>& readers);

  std::size_t rounds() const override { return result_.rounds; }
  bool done() const override { return rounds() == federation_.settings().training.rounds; }

  /// One round more; counts optimiser steps in `counter`. An agent whose update is objected to
  /// (objection.hpp) is left out of the round and named in the record; a round in which nobody's can be used
  /// leaves the model, and has no scores. Error when so each agent was refused, naming them all, and from a
  /// reader or the method.
  RoundRecord next(std::atomic<std::size_t>& counter) override;

  /// Tests everyone's model. To be called when done.
  RunResult finish() override;

  /// Everything that the next round depends on, and the result so far. Reading: into a run of the same
  /// federation and method.
  void fields(Archive& archive) override;
  void collect() override;

 private:
  class RoundContext;

  Ranks& ranks() const { return federation_.ranks(); }
  std::size_t keeper(const ClientId& client) const;
  /// Whether an agent's model is not the server's.
  bool is_own(const at::Tensor& model) const;
  at::Tensor whole(const at::Tensor& parameters) const;
  at::Tensor parameters_of(const at::Tensor& state) const;
  void average_buffers(const Round& round, const Arrived& arrived);
  Arrived train(std::atomic<std::size_t>& counter, RoundRecord& record);
  bool objects(const ClientId& client, const std::string& objection, RoundRecord& record);
  std::vector<Sent> with_attackers(const Arrived& arrived, RoundRecord& record);
  double aggregate(const Arrived& arrived, const std::vector<Sent>& uploads, RoundRecord& record);
  void read(const Round& round, RoundContext& context, RoundRecord& record);
  void note_downloads(const Arrived& arrived);
  void read_attacks(const Arrived& arrived, const Round& honest, const RoundContext& context);

  Federation& federation_;
  std::unique_ptr<Method> method_;
  Readers readers_;
  std::vector<Readers> attack_readers_;  // one an entry of result_.attacks
  Models models_;
  at::Tensor buffers_;  // the server's running statistics, which everyone trains from; empty for most models
  at::Tensor last_update_;  // of the server's parameters; undefined before the first round
  RunResult result_;
  std::vector<ClientId> collected_;  // whose models are here only to be saved
};

}  // namespace fedval::harness
