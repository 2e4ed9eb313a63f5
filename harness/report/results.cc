#include "harness/report/results.hpp"

#include "fedval/statistics/correlation.hpp"

namespace fedval::harness {

std::optional<double> against_standalone(const Results& results, const std::vector<double>& values) {
  std::vector<double> standalone;
  for (const AgentResult& agent : results.agents) standalone.push_back(agent.standalone_accuracy);
  return statistics::pearson(values, standalone);
}

std::optional<double> against_standalone(const Results& results, const std::map<ClientId, double>& values) {
  std::vector<double> there, standalone;
  for (const AgentResult& agent : results.agents)
    if (const auto value = values.find(agent.id); value != values.end()) {
      there.push_back(value->second);
      standalone.push_back(agent.standalone_accuracy);
    }
  return statistics::pearson(there, standalone);
}

std::vector<std::optional<double>> by_agent(const Results& results,
                                            const std::map<ClientId, double>& values) {
  std::vector<std::optional<double>> all;
  for (const AgentResult& agent : results.agents) {
    const auto value = values.find(agent.id);
    all.push_back(value == values.end() ? std::nullopt : std::optional(value->second));
  }
  return all;
}

}  // namespace fedval::harness
