// Every agent trained alone, as long and with the same steps as in a run where it always takes part: what it
// reaches without the others.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "harness/checkpoint/archive.hpp"
#include "harness/federation/federation.hpp"

namespace fedval::harness {

class Standalone {
 public:
  /// The federation must outlive it.
  explicit Standalone(Federation& federation);

  std::size_t rounds() const { return rounds_; }
  bool done() const { return rounds_ == federation_.settings().training.rounds; }

  /// What an agent does in one round. One that diverges stays with its last finite model, trains no more and
  /// is named in the notes. Error when nobody is left, naming them all.
  void next(std::atomic<std::size_t>& counter);

  /// Who diverged, when, and how it showed.
  const std::vector<std::string>& notes() const { return notes_; }

  /// The accuracy of each agent's model.
  std::vector<double> accuracies();

  /// As MethodRun::collect().
  void collect();

  /// Everything that the next round depends on.
  void fields(Archive& archive);

 private:
  std::vector<std::size_t> keepers() const;
  /// Of the states of agents that are kept elsewhere.
  void let_go();

  Federation& federation_;
  std::size_t rounds_ = 0;
  std::vector<at::Tensor> states_;  // each where the agent is kept
  std::vector<std::uint8_t> diverged_;
  std::vector<std::string> notes_;
};

}  // namespace fedval::harness
