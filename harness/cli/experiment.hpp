// Runs one experiment from its settings, or from where it stopped, to its run folder.
#pragma once

#include <atomic>
#include <filesystem>
#include <ostream>
#include <stdexcept>
#include <string>

#include "harness/cli/laboratory.hpp"

namespace fedval::harness {

/// Thrown when a run ended early because it was asked to, with everything saved.
class Stopped : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// How an experiment talks to whoever started it.
struct Terminal {
  std::ostream& out;        ///< tables
  std::ostream& progress;   ///< a line that is redrawn, or plain lines
  std::size_t columns = 0;  ///< of the terminal behind `progress`; 0: none
  /// Set by a signal: the run ends after the round, saves everything and throws Stopped.
  const std::atomic<bool>* stop = nullptr;
};

/// Trains every agent alone, runs every method, prints the tables, and returns the run folder. Error for bad
/// input: then no run folder is left. Error after the first checkpoint: the partial folder stays. Of several
/// ranks, which all call it with the same settings, the leading one writes and speaks; the others return an
/// empty path.
std::filesystem::path run_experiment(const Settings& settings, const Places& places, const Terminal& terminal,
                                     Ranks& ranks);

/// Goes on with a run that stopped, from its last checkpoint: the results are those of a run that never
/// stopped, bit for bit, also with another number of ranks; only the leading one needs the folder.
/// `overrides` may change the number of threads, nothing else. Error when the data are not those it began
/// with, and for a damaged folder.
std::filesystem::path resume_experiment(const std::filesystem::path& folder, const Places& places,
                                        const std::vector<Override>& overrides, const Terminal& terminal,
                                        Ranks& ranks);

/// What is left to do of an experiment, as one of a sweep that was killed: nothing where places.runs has a
/// finished run with these settings, whose folder is returned, or another program is at one; else
/// resume_experiment() where it has one that stopped, else run_experiment().
std::filesystem::path run_or_resume(const Settings& settings, const Places& places, const Terminal& terminal,
                                    Ranks& ranks);

}  // namespace fedval::harness
