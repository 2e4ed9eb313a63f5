#include "harness/report/tables.hpp"

#include <algorithm>
#include <numeric>

#include "harness/report/table.hpp"
#include "harness/report/wording.hpp"

namespace fedval::harness {

namespace {

std::string optional_number(const std::optional<double>& value, int digits) {
  return value ? fixed(*value, digits) : "-";
}

Table agent_table(const Results& results) {
  std::vector<std::string> header{"agent", "samples", "classes", "alone"};
  for (const MethodResult& method : results.methods) header.push_back(method.name + " " + method.credit_name);
  for (const MethodResult& method : results.methods) header.push_back(method.name + " acc");
  Table table(header);
  for (std::size_t i = 0; i < results.agents.size(); ++i) {
    const AgentResult& agent = results.agents[i];
    std::vector<std::string> row{agent.id.text(), std::to_string(agent.samples),
                                 std::to_string(agent.classes), fixed(agent.standalone_accuracy, 4)};
    for (const MethodResult& method : results.methods)
      row.push_back(optional_number(by_agent(results, method.run.credit)[i], 4));
    for (const MethodResult& method : results.methods) row.push_back(fixed(method.run.agent_accuracy[i], 4));
    table.add(row);
  }
  return table;
}

Table method_table(const Results& results) {
  Table table({"method", "corr(credit)", "corr(acc)", "acc mean (max)", "server acc", "seconds", "s/round",
               "valuation"});
  for (const MethodResult& method : results.methods) {
    const std::vector<double>& accuracy = method.run.agent_accuracy;
    const double mean =
        std::accumulate(accuracy.begin(), accuracy.end(), 0.0) / static_cast<double>(accuracy.size());
    const double largest = *std::max_element(accuracy.begin(), accuracy.end());
    table.add({method.name, optional_number(against_standalone(results, method.run.credit), 3),
               optional_number(against_standalone(results, accuracy), 3),
               fixed(mean, 4) + " (" + fixed(largest, 4) + ")", fixed(method.run.server_accuracy, 4),
               fixed(method.run.seconds, 1),
               fixed(method.run.seconds / static_cast<double>(method.run.rounds), 2),
               fixed(100 * method.run.valuation_seconds / method.run.seconds, 2) + " %"});
  }
  return table;
}

Table score_table(const Results& results) {
  Table table({"score", "corr(score)", "ms/round"});
  const RunResult& run = results.methods.front().run;
  for (const RunResult::Reader& reader : run.readers)
    table.add({reader.name, optional_number(against_standalone(results, reader.scores), 3),
               fixed(1000 * reader.seconds / static_cast<double>(run.rounds), 2)});
  return table;
}

}  // namespace

void print_tables(std::ostream& out, const Results& results) {
  out << "Agents (alone: " << accuracy_name(results.settings.evaluation.accuracy)
      << " when trained alone; acc: of the model the agent ends with)\n"
      << agent_table(results)
      << "\nMethods (corr: Pearson correlation with alone, over the agents; - where undefined, as for equal "
         "accuracies;\nvaluation: share of the time spent scoring, weighing and aggregating)\n"
      << method_table(results);
  if (!results.methods.front().run.readers.empty())
    out << "\nScores after the last round, all read from the same rounds: those of "
        << results.methods.front().name << '\n'
        << score_table(results);
  for (const std::string& note : results.notes) out << "note: " << note << '\n';
  for (const MethodResult& method : results.methods)
    for (const std::string& note : method.run.notes) out << "note: " << method.name << ", " << note << '\n';
}

}  // namespace fedval::harness
