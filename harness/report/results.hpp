// Everything an experiment found, in the form that tables and files are made from.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "harness/config/settings.hpp"
#include "harness/federation/federation.hpp"

namespace fedval::harness {

struct AgentResult {
  std::string id;
  std::size_t samples = 0, classes = 0;
  double standalone_accuracy = 0;
};

struct MethodResult {
  std::string name;
  std::string credit_name;
  std::vector<double> credit;  ///< of each agent, when the run ended
  RunResult run;
  std::vector<std::string> notes;
};

struct Results {
  Settings settings;
  std::string data;  ///< which data was used, in words
  std::size_t test_samples = 0;
  std::int64_t dimension = 0;
  std::string final_layer;  ///< "fc2, 10 x 200"
  std::size_t workers = 0;
  std::vector<AgentResult> agents;
  std::vector<MethodResult> methods;
  double seconds = 0;
};

/// Pearson correlation of a value of each agent with its standalone accuracy; nothing where it is undefined.
std::optional<double> against_standalone(const Results& results, const std::vector<double>& values);

/// The scores of one reader in the last round of a run, in the order of the agents.
std::vector<double> last_scores(const RunResult& run, std::size_t reader);

}  // namespace fedval::harness
