// One method's run as an experiment drives it: round by round, saved between two of them.
#pragma once

#include <atomic>
#include <cstddef>

#include "harness/checkpoint/archive.hpp"
#include "harness/federation/run_result.hpp"

namespace fedval::harness {

class MethodRun {
 public:
  virtual ~MethodRun() = default;

  virtual std::size_t rounds() const = 0;
  virtual bool done() const = 0;

  /// One round more; counts optimiser steps of agents' local training in `counter`.
  virtual RoundRecord next(std::atomic<std::size_t>& counter) = 0;

  /// Tests everyone's model. To be called when done.
  virtual RunResult finish() = 0;

  /// What only other ranks have comes to the leading one, to be saved there. All ranks call it.
  virtual void collect() {}
  /// Everything that the next round depends on, and the result so far. Reading: into a run of the same
  /// settings.
  virtual void fields(Archive& archive) = 0;
};

}  // namespace fedval::harness
