// The folder an experiment leaves behind.
//
//   config.toml     every setting, the defaults included; running it again gives the same results
//   metrics.jsonl   one line a round, written as the run goes on
//   scores.csv      every score of every agent in every round of every run
//   summary.json    agents, methods, correlations, times, versions, seed
//
// While the experiment runs the folder is called .NAME.partial; it gets its name when everything is in it. An
// experiment that is refused leaves no folder.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "harness/report/results.hpp"

namespace fedval::harness {

class RunFolder {
 public:
  /// Makes the partial folder under `parent` (made if absent). Error when that cannot be done.
  RunFolder(const std::filesystem::path& parent, const Settings& settings);
  /// Removes the partial folder unless finish() was reached.
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  /// Appends a round to metrics.jsonl and scores.csv.
  void round(const std::string& method, const RoundRecord& record);

  /// Writes the summary and gives the folder its name: NAME, or NAME-2, NAME-3, ... where that is taken.
  std::filesystem::path finish(const Results& results);

 private:
  std::filesystem::path parent_, partial_;
  std::string name_;
  std::ofstream metrics_, scores_;
  bool finished_ = false;
};

}  // namespace fedval::harness
