// What a run folder holds, in the form that pages and tables are made from. Agents are named by their place
// in RunData::agents.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/config/settings.hpp"

namespace fedval::harness {

struct RunAgent {
  std::string id = {};
  std::string name = {};  ///< "writer 2013"; empty where the data gives none
  std::size_t samples = 0, classes = 0;
  double standalone_accuracy = 0;
};

struct Refusal {
  std::size_t agent = 0;
  std::string reason;
};

struct RunRound {
  std::size_t round = 0;  ///< from 1
  double learning_rate = 0;
  std::optional<double> server_accuracy;  ///< where the round was evaluated
  double seconds = 0, training_seconds = 0, valuation_seconds = 0;
  std::vector<std::size_t> participants;
  std::vector<Refusal> refused;
};

struct ScorePoint {
  std::size_t round = 0;
  double value = 0;
  std::optional<double> variance;  ///< infinite where nothing is known of it yet
};

/// One score of one method's rounds.
struct ScoreTrack {
  std::string name;
  std::vector<std::vector<ScorePoint>> of_agent;  ///< rounds ascending; empty where it was never scored
  std::optional<double> seconds = {};             ///< it took, over all rounds
};

/// What the scores became of in a world where one agent attacked.
struct RunAttack {
  std::string kind;
  std::size_t agent = 0;
  std::vector<std::vector<std::optional<double>>> scores;  ///< [score of the method][agent], the last of each
};

struct RunMethod {
  std::string name;
  double server_accuracy = 0;
  std::optional<double> best_server_accuracy = {};  ///< nothing where the run was made before it was kept
  std::vector<double> agent_accuracy;
  /// Empty where the run was made before it was kept; nothing for an agent whose loss is no finite number.
  std::vector<std::optional<double>> agent_loss = {};
  /// Of the server's step, mean over the agent's rounds (RunResult::Download); empty as agent_loss is, and
  /// nothing for an agent that never took part.
  std::vector<std::optional<double>> download_energy = {}, download_entries = {};
  std::string credit_name;
  std::vector<std::optional<double>> credit;  ///< nothing for an agent that never took part
  std::vector<ScoreTrack> scores;
  std::vector<RunAttack> attacks = {};
  double seconds = 0, training_seconds = 0, valuation_seconds = 0;
  std::vector<std::pair<std::string, double>> split = {};  ///< seconds of a round's phases, over all rounds
  std::vector<std::pair<std::string, double>> bytes = {};  ///< sent, by what the messages carry
  std::vector<std::string> notes;
  std::vector<RunRound> rounds;  ///< ascending, at least one
};

struct RunPartition {
  std::string kind;
  std::vector<std::vector<std::size_t>> class_counts;  ///< agents x classes
};

/// The Shapley values of retrained coalitions, one for each agent.
struct RunTruth {
  std::vector<double> by_accuracy, by_loss;
};

struct RunData {
  std::filesystem::path folder;
  Settings settings;
  std::string data;  ///< which data was used, in words
  std::size_t test_samples = 0;
  std::string model_name, final_layer;
  std::size_t parameters = 0;
  std::size_t workers = 0;
  double seconds = 0;
  std::vector<RunAgent> agents;  ///< at least one
  std::optional<RunPartition> partition;
  std::optional<RunTruth> truth;
  std::vector<RunMethod> methods;  ///< those of settings.methods.run
  std::vector<std::pair<std::string, std::string>> versions;
};

}  // namespace fedval::harness
