// An experiment as data: every setting, its default, and the way from a TOML file and back.
//
// A setting exists once as a member here and once as a line of the table in keys.hpp, which gives its name in
// the file, the values it accepts and its description. A file may leave out any setting, and may hold nothing
// else: an unknown key is an error, because a misspelt setting that is silently ignored ruins an experiment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace fedval::harness {

/// Where the examples come from: table [data].
struct DataSettings {
  std::string set = "auto";
  bool operator==(const DataSettings&) const = default;
};

/// How the examples are dealt to the agents: table [partition].
struct PartitionSettings {
  std::string kind = "uni";
  std::size_t agents = 5;
  std::size_t samples_per_agent = 600;
  bool operator==(const PartitionSettings&) const = default;
};

/// What is trained: table [model].
struct ModelSettings {
  std::string name = "mnist_cnn";
  bool operator==(const ModelSettings&) const = default;
};

/// How each agent trains: table [training].
struct TrainingSettings {
  std::size_t rounds = 12;
  std::size_t local_epochs = 3;
  std::size_t batch_size = 32;
  double learning_rate = 0.15;
  double learning_rate_decay = 0.977;
  bool operator==(const TrainingSettings&) const = default;
};

/// When and on what the models are tested: table [evaluation].
struct EvaluationSettings {
  std::size_t test_samples = 0;
  std::size_t every = 1;
  bool operator==(const EvaluationSettings&) const = default;
};

/// Which methods run side by side: table [methods].
struct MethodSettings {
  std::vector<std::string> run = {"fedavg", "cgsv", "spectral_fed"};
  bool operator==(const MethodSettings&) const = default;
};

/// The cosine gradient Shapley value and its rewards: table [cgsv].
struct CgsvSettings {
  std::string mode = "paper";
  double gamma = 0.5;
  double alpha = 0.95;
  double beta = 1.0;
  bool operator==(const CgsvSettings&) const = default;
};

/// Aggregation by spectral entropy: table [spectral_fed].
struct SpectralFedSettings {
  double momentum = 0.9;
  std::string normaliser = "log_min_dim";
  bool operator==(const SpectralFedSettings&) const = default;
};

/// One experiment. describe_settings() tells what each member means.
struct Settings {
  std::string name = "experiment";
  std::uint64_t seed = 1;
  std::size_t threads = 0;
  std::string device = "cpu";
  DataSettings data;
  PartitionSettings partition;
  ModelSettings model;
  TrainingSettings training;
  EvaluationSettings evaluation;
  MethodSettings methods;
  CgsvSettings cgsv;
  SpectralFedSettings spectral_fed;
  bool operator==(const Settings&) const = default;
};

/// The settings in a TOML file; what the file leaves out has its default. Throws Error when the file cannot
/// be read, and as parse_settings() does when its text is wrong.
Settings read_settings(const std::filesystem::path& path);

/// The settings in a TOML text, which messages call `source`. Throws Error with everything that is wrong, one
/// line each, in the order of the text: "quickstart.toml:7: training.learning_rate is -0.1, must be above 0".
Settings parse_settings(std::string_view text, const std::string& source);

/// Every setting as TOML; parse_settings() gives back equal settings, to the last bit. Throws Error when a
/// value is one that parse_settings() would refuse.
std::string to_toml(const Settings& settings);

/// The documentation of every key: a TOML text of the defaults, with what each key means and accepts as
/// comments.
std::string describe_settings();

}  // namespace fedval::harness
