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
  std::size_t held_out = 0;
  bool operator==(const DataSettings&) const = default;
};

/// How the examples are dealt to the agents: table [partition].
struct PartitionSettings {
  std::string kind = "uni";
  std::size_t agents = 5;
  std::size_t samples_per_agent = 0;
  double alpha = 0.1;
  std::size_t smallest_shard = 1;
  double step = 0.05;
  std::size_t fewest_classes = 2;
  std::size_t most_of_class = 2000;
  std::size_t least_of_class = 100;
  std::size_t free_rider_samples = 10;
  bool operator==(const PartitionSettings&) const = default;
};

/// Agents whose data is worse than the others': table [noise].
struct NoiseSettings {
  std::vector<std::size_t> label_agents = {};
  double label_share = 0.4;
  std::vector<std::size_t> feature_agents = {};
  double feature_deviation = 0.2;
  bool operator==(const NoiseSettings&) const = default;
};

/// What is trained: table [model].
struct ModelSettings {
  std::string name = "mnist_cnn";
  std::string norm = "batch";
  std::size_t groups = 32;
  std::string stem = "cifar";
  std::size_t width = 16;
  std::size_t embedding = 300;
  std::size_t kernels = 128;
  std::vector<std::size_t> kernel_widths = {3, 4, 5};
  double dropout = 0.5;
  bool operator==(const ModelSettings&) const = default;
};

/// How each agent trains: table [training].
struct TrainingSettings {
  std::size_t rounds = 12;
  std::size_t local_epochs = 3;
  std::size_t batch_size = 32;
  std::string batches = "equal";
  std::string optimiser = "sgd";
  double learning_rate = 0.15;
  std::string schedule = "exponential";
  double learning_rate_decay = 0.977;
  double final_learning_rate = 1e-6;
  double momentum = 0;
  double weight_decay = 0;
  bool operator==(const TrainingSettings&) const = default;
};

/// Who takes part in a round: table [participation].
struct ParticipationSettings {
  double fraction = 1;
  double dropout = 0;
  double stragglers = 0;
  double longest_update = 1e6;
  bool operator==(const ParticipationSettings&) const = default;
};

/// When and on what the models are tested: table [evaluation].
struct EvaluationSettings {
  std::string on = "test";
  std::string accuracy = "plain";
  std::size_t test_samples = 0;
  std::size_t every = 1;
  bool operator==(const EvaluationSettings&) const = default;
};

/// What is kept so that a run can go on: table [checkpoint].
struct CheckpointSettings {
  std::size_t every = 1;
  bool operator==(const CheckpointSettings&) const = default;
};

/// Which methods run side by side: table [methods].
struct MethodSettings {
  std::vector<std::string> run = {"fedavg", "cgsv", "spectral_fed"};
  bool operator==(const MethodSettings&) const = default;
};

/// Which scores are read on every method's rounds: table [scores].
struct ScoreSettings {
  std::vector<std::string> read = {"cgsv",    "spectral_fed",  "spectral_fuse",
                                   "shapfed", "gated_entropy", "confirmed_entropy"};
  bool operator==(const ScoreSettings&) const = default;
};

/// What the server may test models on while they are trained: table [validation].
struct ValidationSettings {
  std::size_t samples = 0;
  std::string utility = "accuracy";
  bool operator==(const ValidationSettings&) const = default;
};

/// Agents that do not send what they should: table [attack].
struct AttackSettings {
  std::vector<std::string> kinds = {};
  std::vector<std::size_t> agents = {};
  std::string role = "beside";
  double noise = 1;
  double factor = 10;
  std::size_t identities = 3;
  bool operator==(const AttackSettings&) const = default;
};

/// What the scores are judged by beside standalone accuracy: table [truth].
struct TruthSettings {
  std::string coalitions = "none";
  bool operator==(const TruthSettings&) const = default;
};

/// The cosine gradient Shapley value and its rewards: table [cgsv].
struct CgsvSettings {
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

/// An optimiser on the server: table [fedopt].
struct FedOptSettings {
  std::string optimiser = "adam";
  double learning_rate = 0.01;
  double beta1 = 0.9;
  double beta2 = 0.99;
  double tau = 1e-3;
  bool operator==(const FedOptSettings&) const = default;
};

/// q-FedAvg: table [qffl].
struct QfflSettings {
  double q = 1;
  bool operator==(const QfflSettings&) const = default;
};

/// Agnostic federated learning: table [afl].
struct AflSettings {
  double learning_rate = 0.1;
  bool operator==(const AflSettings&) const = default;
};

/// Collaborative fair federated learning: table [cffl].
struct CfflSettings {
  double upload_share = 0.1;
  double clip = 0.01;
  double memory = 0.2;
  double sharpness = 5;
  double threshold = 1.0 / 3;
  bool operator==(const CfflSettings&) const = default;
};

/// Robust and fair federated learning: table [rffl].
struct RfflSettings {
  double sharpness = 2;
  std::size_t grace_rounds = 10;
  double threshold = 1.0 / 3;
  bool operator==(const RfflSettings&) const = default;
};

/// Federated learning with clients that only answer queries, and its rivals: table [black_box].
struct BlackBoxSettings {
  std::vector<std::string> client_models = {};
  std::vector<std::size_t> client_widths = {};
  std::size_t samples = 64;
  std::size_t noise = 100;
  std::string estimator = "chain";
  std::size_t queries = 5;
  std::string directions = "orthogonal";
  double epsilon = 1e-3;
  std::string sending = "seed";
  std::string ensemble = "size";
  double temperature = 5;
  double adversarial = 1;
  double diversity = 1;
  double information = 1;
  std::size_t generator_steps = 1;
  double generator_learning_rate = 0.001;
  std::size_t server_steps = 10;
  std::size_t client_steps = 10;
  double distillation_learning_rate = 0.01;
  std::string answers = "logits";
  double answer_noise = 0;
  std::size_t query_budget = 0;
  std::size_t images_a_pass = 512;
  std::size_t public_samples = 0;
  bool operator==(const BlackBoxSettings&) const = default;
};

/// One experiment. describe_settings() tells what each member means.
struct Settings {
  std::string name = "experiment";
  std::uint64_t seed = 1;
  std::size_t threads = 0;
  std::string device = "cpu";
  DataSettings data = {};
  PartitionSettings partition = {};
  NoiseSettings noise = {};
  ModelSettings model = {};
  TrainingSettings training = {};
  ParticipationSettings participation = {};
  EvaluationSettings evaluation = {};
  CheckpointSettings checkpoint = {};
  MethodSettings methods = {};
  ScoreSettings scores = {};
  ValidationSettings validation = {};
  AttackSettings attack = {};
  TruthSettings truth = {};
  CgsvSettings cgsv = {};
  SpectralFedSettings spectral_fed = {};
  FedOptSettings fedopt = {};
  QfflSettings qffl = {};
  AflSettings afl = {};
  CfflSettings cffl = {};
  RfflSettings rffl = {};
  BlackBoxSettings black_box = {};
  bool operator==(const Settings&) const = default;
};

/// A key and its value in place of what a file says: "training.rounds=5", "cgsv.beta=[0.5, 1]". The value is
/// TOML; what is no TOML is a text, so that data.set=mnist needs no quotes.
struct Override {
  std::string text;    ///< KEY=VALUE
  std::string source;  ///< what messages call it: "--set training.rounds=5"
};

/// The experiments that a TOML text stands for: one, or a sweep where a key that takes one value has a list
/// of them. Of several such keys every combination is an experiment (the last key changes fastest), whose
/// name ends with its place in the grid: "mnist_pow_seed-2_cgsv.beta-0.5". What the text leaves out has its
/// default.
///
/// A text may have two sizes: `size = "small"` puts what stands in the table [small] (training.rounds = 10)
/// in place of what stands outside, and "full" does the same with [full].
///
/// Error, before anything starts, with everything that is wrong, one line each, in the order of the
/// text: "quickstart.toml:7: training.learning_rate is -0.1, must be above 0".
std::vector<Settings> parse_experiments(std::string_view text, const std::string& source,
                                        const std::vector<Override>& overrides = {});

/// The same for a file. Error when it cannot be read.
std::vector<Settings> read_experiments(const std::filesystem::path& path,
                                       const std::vector<Override>& overrides = {});

/// The one experiment of a text that has no sweep. Error as parse_experiments(), and for a sweep.
Settings parse_settings(std::string_view text, const std::string& source);

/// The same for a file.
Settings read_settings(const std::filesystem::path& path);

/// Every setting as TOML; parse_settings() gives back equal settings, to the last bit. Throws Error when a
/// value is one that parse_settings() would refuse.
std::string to_toml(const Settings& settings);

/// The documentation of every key: a TOML text of the defaults, with what each key means and accepts as
/// comments.
std::string describe_settings();

/// The same as a page in Markdown: a table for each table of the file.
std::string settings_page();

}  // namespace fedval::harness
