// A run in which what clients know reaches the server's model by distillation: the round around what a method
// exchanges.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "fedval/black_box/logits.hpp"
#include "harness/federation/federation.hpp"
#include "harness/federation/method_run.hpp"
#include "harness/model/network.hpp"

namespace fedval::harness {

class DistillationRun : public MethodRun {
 public:
  /// The federation must outlive it.
  explicit DistillationRun(Federation& federation);

  std::size_t rounds() const final { return result_.rounds; }
  bool done() const final { return rounds() == settings().training.rounds; }
  RoundRecord next(std::atomic<std::size_t>& counter) final;
  RunResult finish() final;
  void fields(Archive& archive) final;

 protected:
  /// One round of the method: agents train, the server's model moves. Whoever is left out is noted in the
  /// record.
  virtual void exchange(const std::vector<Participant>& participants, RoundRecord& record,
                        std::atomic<std::size_t>& counter) = 0;
  /// Everyone's model on the part that the settings name for evaluation.
  virtual std::vector<Tested> test_agents() = 0;
  /// What the method keeps from round to round beside the server's model.
  virtual void keep(Archive& archive) = 0;

  /// A phase of the round: its seconds are added under its name.
  template <class Body>
  void phase(const std::string& name, Body&& body) {
    const auto start = std::chrono::steady_clock::now();
    body();
    add(result_.split, name, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }

  /// The server's model, as everyone has it.
  std::vector<Tested> test_server_for_all() {
    return federation_.test(std::vector<at::Tensor>(federation_.agents().size(), server_.state()));
  }

  Federation& federation() { return federation_; }
  const Settings& settings() const { return federation_.settings(); }
  FlatNetwork& server() { return server_; }
  RunResult& result() { return result_; }

  black_box::EnsembleWeights weights_by_size(const std::vector<std::size_t>& agents) const;
  /// Needs to know how many examples of each class they have: four bytes a class and agent, once a round.
  black_box::EnsembleWeights weights_by_class(const std::vector<std::size_t>& agents);
  /// One of these, as the settings say.
  black_box::EnsembleWeights weights(const std::vector<std::size_t>& agents);

 private:
  Federation& federation_;
  FlatNetwork server_;
  RunResult result_;
  bool told_classes_ = false;  // in this round
};

}  // namespace fedval::harness
