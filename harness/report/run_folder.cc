#include "harness/report/run_folder.hpp"

#include <torch/version.h>
#include <charconv>
#include <nlohmann/json.hpp>

#include "harness/version.hpp"

namespace fedval::harness {

namespace {

using Json = nlohmann::ordered_json;

/// The shortest text that reads back as the same double.
std::string exact(double value) {
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

Json optional(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

std::ofstream create(const std::filesystem::path& path) {
  std::ofstream file(path, std::ios::binary);
  if (!file) fail(path.string(), ": cannot be written");
  return file;
}

void check(std::ofstream& file, const std::filesystem::path& path) {
  if (!file.flush()) fail(path.string(), ": cannot be written; is the disk full?");
}

Json summary(const Results& results) {
  Json agents = Json::array();
  for (const AgentResult& agent : results.agents)
    agents.push_back({{"id", agent.id},
                      {"samples", agent.samples},
                      {"classes", agent.classes},
                      {"standalone_accuracy", agent.standalone_accuracy}});
  Json methods = Json::object();
  for (const MethodResult& method : results.methods) {
    const RunResult& run = method.run;
    Json scores = Json::object();
    for (std::size_t reader = 0; reader < run.rounds.back().readers.size(); ++reader)
      scores[run.rounds.back().readers[reader].name] = {
          {"last", last_scores(run, reader)},
          {"pearson_with_standalone", optional(against_standalone(results, last_scores(run, reader)))}};
    methods[method.name] = {
        {"server_accuracy", run.server_accuracy},
        {"agent_accuracy", run.agent_accuracy},
        {"credit", {{"name", method.credit_name}, {"values", method.credit}}},
        {"pearson_credit_with_standalone", optional(against_standalone(results, method.credit))},
        {"pearson_accuracy_with_standalone", optional(against_standalone(results, run.agent_accuracy))},
        {"scores", scores},
        {"seconds", run.seconds},
        {"training_seconds", run.training_seconds},
        {"valuation_seconds", run.valuation_seconds},
        {"notes", method.notes}};
  }
  return {{"name", results.settings.name},
          {"seed", results.settings.seed},
          {"data", results.data},
          {"test_samples", results.test_samples},
          {"model",
           {{"name", results.settings.model.name},
            {"parameters", results.dimension},
            {"final_layer", results.final_layer}}},
          {"workers", results.workers},
          {"threads_a_worker", 1},
          {"seconds", results.seconds},
          {"agents", agents},
          {"methods", methods},
          {"versions",
           {{"fedval", version},
            {"libtorch", TORCH_VERSION},
            {"compiler", __VERSION__},
            {"built_for", instruction_set()}}}};
}

}  // namespace

RunFolder::RunFolder(const std::filesystem::path& parent, const Settings& settings)
    : parent_(parent), partial_(parent / ("." + settings.name + ".partial")), name_(settings.name) {
  const std::string config = to_toml(settings);
  std::error_code error;
  std::filesystem::create_directories(parent_, error);
  if (error) fail(parent_.string(), ": cannot be made: ", error.message());
  // Another run of this name may be going on, or may have been killed and left its folder.
  for (int number = 1; !std::filesystem::create_directory(partial_, error); ++number) {
    if (error) fail(partial_.string(), ": cannot be made: ", error.message());
    partial_ = parent_ / ("." + name_ + "." + std::to_string(number) + ".partial");
  }
  try {
    std::ofstream file = create(partial_ / "config.toml");
    file << config;
    check(file, partial_ / "config.toml");
    metrics_ = create(partial_ / "metrics.jsonl");
    scores_ = create(partial_ / "scores.csv");
    scores_ << "method,round,score,agent,value,variance\n";
  } catch (...) {  // the destructor of a half-made object does not run
    std::filesystem::remove_all(partial_, error);
    throw;
  }
}

RunFolder::~RunFolder() {
  if (finished_) return;
  metrics_.close();
  scores_.close();
  std::error_code ignored;
  std::filesystem::remove_all(partial_, ignored);
}

void RunFolder::round(const std::string& method, const RoundRecord& record) {
  metrics_ << Json{{"method", method},
                   {"round", record.round},
                   {"learning_rate", record.learning_rate},
                   {"server_accuracy", optional(record.server_accuracy)},
                   {"seconds", record.seconds},
                   {"training_seconds", record.training_seconds},
                   {"valuation_seconds", record.valuation_seconds}}
                  .dump()
           << '\n';
  for (const auto& reader : record.readers)
    for (const auto& [id, score] : reader.scores)
      scores_ << method << ',' << record.round << ',' << reader.name << ',' << id << ',' << exact(score.value)
              << ',' << (std::isnan(score.variance) ? "" : exact(score.variance)) << '\n';
  check(metrics_, partial_ / "metrics.jsonl");
  check(scores_, partial_ / "scores.csv");
}

std::filesystem::path RunFolder::finish(const Results& results) {
  std::ofstream file = create(partial_ / "summary.json");
  file << summary(results).dump(2) << '\n';
  check(file, partial_ / "summary.json");
  metrics_.close();
  scores_.close();
  for (int number = 1;; ++number) {
    const std::filesystem::path target =
        parent_ / (number == 1 ? name_ : name_ + "-" + std::to_string(number));
    std::error_code error;
    if (std::filesystem::exists(target)) continue;
    std::filesystem::rename(partial_, target, error);  // another run may take the name in this moment
    if (error == std::errc::directory_not_empty || error == std::errc::file_exists) continue;
    if (error) {
      finished_ = true;  // what was computed stays where it is
      fail(target.string(), ": cannot be made: ", error.message(), "; the results are in ",
           partial_.string());
    }
    finished_ = true;
    return target;
  }
}

}  // namespace fedval::harness
