#include "harness/report/results.hpp"

#include "fedval/statistics/correlation.hpp"

namespace fedval::harness {

std::optional<double> against_standalone(const Results& results, const std::vector<double>& values) {
  std::vector<double> standalone;
  for (const AgentResult& agent : results.agents) standalone.push_back(agent.standalone_accuracy);
  return statistics::pearson(values, standalone);
}

std::vector<double> last_scores(const RunResult& run, std::size_t reader) {
  std::vector<double> values;
  for (const auto& [id, score] : run.rounds.back().readers[reader].scores) values.push_back(score.value);
  return values;
}

}  // namespace fedval::harness
