// What a person sees while an experiment runs: one line that is redrawn on a terminal (bar, rate, time left,
// accuracy), plain lines elsewhere.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <ostream>
#include <string>
#include <thread>

#include "harness/federation/run.hpp"

namespace fedval::harness {

class Progress {
 public:
  /// `total_steps` optimiser steps are to come. On a terminal, which has `columns`, a thread of its own
  /// redraws the line; 0 columns: not a terminal. `accuracy`: what the accuracies shown are called.
  Progress(std::ostream& out, std::size_t columns, std::size_t total_steps,
           std::string accuracy = "accuracy");
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// What trains next: "fedavg", over so many rounds, some of which may be done.
  void begin(const std::string& what, std::size_t rounds, std::size_t done = 0);
  /// A round that nothing is known of but that it ended.
  void round(std::size_t number);
  void round(const RoundRecord& record);
  /// Counts optimiser steps.
  std::atomic<std::size_t>& steps() { return steps_; }

 private:
  std::string bar() const;
  std::string rate_and_rest() const;

  std::ostream& out_;
  std::size_t columns_;
  std::size_t total_;
  std::string accuracy_name_;
  std::atomic<std::size_t> steps_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  mutable std::mutex mutex_;  // guards what follows, which the drawing thread reads
  std::string what_, accuracy_;
  std::size_t round_ = 0, rounds_ = 0;
  bool stop_ = false;
  std::condition_variable wake_;
  std::thread drawer_;
};

}  // namespace fedval::harness
