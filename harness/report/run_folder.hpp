// The folder an experiment leaves behind.
//
//   config.toml     every setting, the defaults included; running it again gives the same results
//   metrics.jsonl   one line a round, written as the run goes on
//   scores.csv      every score of every agent in every round of every run
//   summary.json    agents, methods, correlations, times, versions, seed
//
// While the experiment runs the folder is called .NAME.partial and holds the last checkpoint; it gets its
// name when everything is in it. An experiment that is refused before its first checkpoint leaves no folder;
// one that stops later leaves the partial folder, which can be resumed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "harness/checkpoint/checkpoint.hpp"
#include "harness/files/output_file.hpp"
#include "harness/report/results.hpp"

namespace fedval::harness {

/// Of fedval, LibTorch and the compiler, and the processor they were built for, as a summary has them.
std::map<std::string, std::string> versions();

class RunFolder {
 public:
  /// How much of the growing files belongs to a checkpoint.
  struct Lengths {
    std::uint64_t metrics = 0, scores = 0;
  };

  /// Makes a partial folder under `parent` (made if absent). Error when that cannot be done.
  RunFolder(const std::filesystem::path& parent, const Settings& settings);
  /// Opens the partial folder of a run that stopped: the folder itself, or the name that the run would have
  /// got. Error when there is none, it has no settings, or another program is at it.
  explicit RunFolder(const std::filesystem::path& stopped);
  /// Removes the partial folder unless a checkpoint is in it or finish() was reached.
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  /// The partial folder.
  const std::filesystem::path& path() const { return partial_; }
  /// The settings in it.
  Settings settings() const;

  /// Appends a round to metrics.jsonl and scores.csv.
  void round(const std::string& method, const RoundRecord& record);

  /// Waits until what was appended is on the disk; how much that is.
  Lengths sync();
  /// Throws away what was appended later.
  void rewind(const Lengths& lengths);
  /// Throws away all that was appended, but for the header.
  void restart();

  /// Replaces the checkpoint, the old one is kept. Error when it cannot be written; the old one stays.
  void save(const std::string& checkpoint);
  /// The last checkpoint that can be read; nothing when there was none.
  std::optional<LastCheckpoint> checkpoint() const;

  /// Writes the summary and publishes the folder.
  std::filesystem::path finish(const Results& results);
  /// Whether the summary is there: all is done but to publish.
  bool complete() const;
  /// Removes the checkpoint and gives the folder its name: NAME, or NAME-2, NAME-3, ... where that is taken.
  /// Only the name says that a run is finished, so it comes last.
  std::filesystem::path publish();

 private:
  void lock();
  void open();

  std::filesystem::path parent_, partial_;
  std::string name_;
  int lock_ = -1;
  std::unique_ptr<OutputFile> metrics_, scores_;
  bool kept_ = false;
};

}  // namespace fedval::harness
