// Everything an experiment needs before its first step, made from its settings: data, shards, workers,
// models.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <ostream>
#include <string>

#include "harness/federation/federation.hpp"

namespace fedval::harness {

/// Where things are.
struct Places {
  /// Folder with the data sets. Not given: default_data_folder(), and "auto" may fall back to built-in data.
  std::optional<std::filesystem::path> data;
  std::filesystem::path runs;  ///< folder that run folders go into
};

/// The data set that an experiment would load: its name, or what "auto" stands for here.
std::string data_set_of(const Settings& settings, const Places& places);

struct Laboratory {
  /// Loads the data, sets examples aside, deals them, adds noise, makes the models. Error for settings that
  /// do not fit the data or each other. `ranks`: of the processes that share the work; must outlive it.
  Laboratory(const Settings& asked, const Places& places, Ranks* ranks = nullptr);

  Workers workers;
  Dataset data;
  Settings settings;            ///< resolved: what is really used, so that it can be repeated elsewhere
  Normalisation normalisation;  ///< of the training part before any noise, which must not change others' data
  Shards shards;
  Federation federation;
};

/// Error where the memory that is left cannot hold one model for each agent that this rank keeps, which every
/// run does at its least: better now than when the kernel ends the process.
void check_memory(const Federation& federation);

/// A checksum of all examples with their labels and owners: a run can only go on with the data it began with.
/// O(bytes).
std::uint64_t digest_of(const Dataset& data);

/// What is about to be run, in a few lines.
void print_setting(std::ostream& out, const Laboratory& laboratory);

}  // namespace fedval::harness
