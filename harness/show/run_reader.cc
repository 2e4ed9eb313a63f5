#include "harness/show/run_reader.hpp"

#include <algorithm>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>
#include <string>
#include <string_view>

#include "fedval/error.hpp"
#include "harness/config/wording.hpp"
#include "harness/show/json_place.hpp"
#include "harness/show/scores_csv.hpp"

namespace fedval::harness {
namespace {

namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) fail(path.string(), ": no such file");
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file.peek() != std::ifstream::traits_type::eof()) text << file.rdbuf();
  if (!file) fail(path.string(), ": cannot be read");
  return text.str();
}

// "runs/a/" names the same folder as "runs/a", but has no file name.
fs::path without_slash(const fs::path& folder) {
  return folder.has_filename() ? folder : folder.parent_path();
}

void check_finished(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) fail(folder.string(), ": no such folder");
  if (!fs::exists(folder / "config.toml", ignored))
    fail(folder.string(), ": not the folder of a run: it has no config.toml");
  const std::string name = folder.filename().string();
  const bool partial = name.starts_with('.') && name.ends_with(".partial");
  if (partial || !fs::exists(folder / "summary.json", ignored))
    fail(folder.string(), ": this run is unfinished; `harness resume ", folder.string(), "` goes on with it");
}

void read_agents(RunData& run, const JsonPlace& summary) {
  for (const JsonPlace& agent : summary["agents"].elements()) {
    const auto name = agent.find("name");
    run.agents.push_back({.id = agent["id"].text(),
                          .name = name ? name->text() : "",
                          .samples = agent["samples"].count(),
                          .classes = agent["classes"].count(),
                          .standalone_accuracy = agent["standalone_accuracy"].number()});
  }
  if (run.agents.empty()) summary["agents"].refuse(" is empty");
}

void read_partition(RunData& run, const JsonPlace& summary) {
  const auto place = summary.find("partition");
  if (!place) return;
  RunPartition partition{.kind = (*place)["kind"].text(), .class_counts = {}};
  const JsonPlace counts = (*place)["class_counts"];
  for (const JsonPlace& row : counts.elements()) {
    partition.class_counts.push_back(row.list(&JsonPlace::count));
    if (partition.class_counts.back().size() != partition.class_counts.front().size())
      row.refuse(" has " + std::to_string(partition.class_counts.back().size()) + " classes, the first has " +
                 std::to_string(partition.class_counts.front().size()));
  }
  if (partition.class_counts.size() != run.agents.size())
    counts.refuse(" has " + std::to_string(partition.class_counts.size()) + " rows for " +
                  std::to_string(run.agents.size()) + " agents");
  run.partition = std::move(partition);
}

template <class Value>
std::vector<Value> one_each(const RunData& run, const JsonPlace& place, Value (JsonPlace::*read)() const) {
  std::vector<Value> values = place.list(read);
  if (values.size() != run.agents.size())
    place.refuse(" has " + std::to_string(values.size()) + " values for " +
                 std::to_string(run.agents.size()) + " agents");
  return values;
}

RunAttack read_attack(const RunData& run, const RunMethod& method, const JsonPlace& place) {
  RunAttack attack{.kind = place["kind"].text(), .agent = run.agents.size(), .scores = {}};
  const JsonPlace id = place["agent"];
  for (std::size_t i = 0; i < run.agents.size(); ++i)
    if (run.agents[i].id == id.text()) attack.agent = i;
  if (attack.agent == run.agents.size()) id.refuse(" is " + in_quotes(id.text()) + ", no agent of the run");
  for (const ScoreTrack& score : method.scores)
    attack.scores.push_back(one_each(run, place["scores"][score.name], &JsonPlace::number_or_null));
  return attack;
}

RunMethod read_method(const RunData& run, const std::string& name, const JsonPlace& place) {
  RunMethod method{.name = name,
                   .server_accuracy = place["server_accuracy"].number(),
                   .agent_accuracy = one_each(run, place["agent_accuracy"], &JsonPlace::number),
                   .credit_name = place["credit"]["name"].text(),
                   .credit = one_each(run, place["credit"]["values"], &JsonPlace::number_or_null),
                   .scores = {},
                   .seconds = place["seconds"].number(),
                   .training_seconds = place["training_seconds"].number(),
                   .valuation_seconds = place["valuation_seconds"].number(),
                   .notes = place["notes"].list(&JsonPlace::text),
                   .rounds = {}};
  for (const auto& [score, entry] : place["scores"].members()) {
    // A value for each agent, so that the memory of a track is no more than the file has bytes for.
    one_each(run, entry["last"], &JsonPlace::number_or_null);
    method.scores.push_back(
        {.name = score, .of_agent = std::vector<std::vector<ScorePoint>>(run.agents.size())});
    if (const auto seconds = entry.find("seconds")) method.scores.back().seconds = seconds->number();
  }
  if (const auto best = place.find("best_server_accuracy")) method.best_server_accuracy = best->number();
  const auto figures = [&](const char* key, std::vector<std::pair<std::string, double>>& into) {
    if (const auto found = place.find(key))
      for (const auto& [figure, value] : found->members()) into.emplace_back(figure, value.number());
  };
  figures("split", method.split);
  figures("bytes", method.bytes);
  if (const auto loss = place.find("agent_loss"))
    method.agent_loss = one_each(run, *loss, &JsonPlace::number_or_null);
  if (const auto download = place.find("download")) {
    method.download_energy = one_each(run, (*download)["energy"], &JsonPlace::number_or_null);
    method.download_entries = one_each(run, (*download)["entries"], &JsonPlace::number_or_null);
  }
  if (const auto attacks = place.find("attacks"))
    for (const JsonPlace& attack : attacks->elements())
      method.attacks.push_back(read_attack(run, method, attack));
  return method;
}

void read_truth(RunData& run, const JsonPlace& summary) {
  const auto truth = summary.find("truth");
  if (!truth) return;
  const JsonPlace shapley = (*truth)["shapley"];
  run.truth = RunTruth{.by_accuracy = one_each(run, shapley["accuracy"], &JsonPlace::number),
                       .by_loss = one_each(run, shapley["loss"], &JsonPlace::number)};
}

void read_methods(RunData& run, const JsonPlace& summary) {
  const JsonPlace methods = summary["methods"];
  const std::vector<std::string>& asked = run.settings.methods.run;
  for (const std::string& name : asked) run.methods.push_back(read_method(run, name, methods[name]));
  for (const auto& [name, place] : methods.members())
    if (std::find(asked.begin(), asked.end(), name) == asked.end())
      place.refuse(" is none of the methods in config.toml");
}

void read_summary(RunData& run, const fs::path& path) {
  const OrderedJson json = parse_json(read_text(path), path.string());
  const JsonPlace summary(json, path.string());
  run.data = summary["data"].text();
  run.test_samples = summary["test_samples"].count();
  run.model_name = summary["model"]["name"].text();
  run.parameters = summary["model"]["parameters"].count();
  run.final_layer = summary["model"]["final_layer"].text();
  run.workers = summary["workers"].count();
  run.seconds = summary["seconds"].number();
  if (summary["seed"].count() != run.settings.seed)
    summary["seed"].refuse(" is " + std::to_string(summary["seed"].count()) + ", config.toml says " +
                           std::to_string(run.settings.seed));
  read_agents(run, summary);
  read_partition(run, summary);
  read_truth(run, summary);
  read_methods(run, summary);
  for (const auto& [name, version] : summary["versions"].members())
    run.versions.emplace_back(name, version.text());
}

class RoundReader {
 public:
  explicit RoundReader(RunData& run) : run_(run) {
    for (std::size_t i = 0; i < run.agents.size(); ++i)
      if (!agents_.emplace(run.agents[i].id, i).second)
        fail((run.folder / "summary.json").string(), ": agent ", in_quotes(run.agents[i].id),
             " is there twice");
  }

  const std::map<std::string, std::size_t>& agents() const { return agents_; }

  void read(const fs::path& path) {
    std::istringstream lines(read_text(path));
    std::string line;
    for (std::size_t number = 1; std::getline(lines, line); ++number) {
      const std::string source = path.string() + ":" + std::to_string(number);
      const OrderedJson json = parse_json(line, source);
      add(JsonPlace(json, source));
    }
    for (const RunMethod& method : run_.methods)
      if (method.rounds.empty()) fail(path.string(), ": no round of ", in_quotes(method.name));
  }

 private:
  std::size_t agent(const JsonPlace& id) const {
    const auto found = agents_.find(id.text());
    if (found == agents_.end()) id.refuse(" is " + in_quotes(id.text()) + ", no agent of summary.json");
    return found->second;
  }

  void add(const JsonPlace& line) {
    const JsonPlace name = line["method"];
    const auto method = std::find_if(run_.methods.begin(), run_.methods.end(),
                                     [&](const RunMethod& m) { return m.name == name.text(); });
    if (method == run_.methods.end())
      name.refuse(" is " + in_quotes(name.text()) + ", no method of summary.json");
    RunRound round{.round = line["round"].count(),
                   .learning_rate = line["learning_rate"].number(),
                   .server_accuracy = line["server_accuracy"].number_or_null(),
                   .seconds = line["seconds"].number(),
                   .training_seconds = line["training_seconds"].number(),
                   .valuation_seconds = line["valuation_seconds"].number(),
                   .participants = {},
                   .refused = {}};
    const std::size_t before = method->rounds.empty() ? 0 : method->rounds.back().round;
    if (round.round <= before)
      line["round"].refuse(" is " + std::to_string(round.round) + ", expected more than " +
                           std::to_string(before));
    if (const auto participants = line.find("participants")) {
      for (const JsonPlace& id : participants->elements()) round.participants.push_back(agent(id));
    } else {
      for (std::size_t i = 0; i < run_.agents.size(); ++i) round.participants.push_back(i);
    }
    if (const auto refused = line.find("refused"))
      for (const JsonPlace& refusal : refused->elements())
        round.refused.push_back({.agent = agent(refusal["agent"]), .reason = refusal["reason"].text()});
    method->rounds.push_back(std::move(round));
  }

  RunData& run_;
  std::map<std::string, std::size_t> agents_;
};

}  // namespace

RunData read_run(const fs::path& given) {
  const fs::path folder = without_slash(given);
  check_finished(folder);
  RunData run;
  run.folder = folder;
  run.settings = read_settings(folder / "config.toml");
  read_summary(run, folder / "summary.json");
  RoundReader rounds(run);
  rounds.read(folder / "metrics.jsonl");
  read_scores(read_text(folder / "scores.csv"), (folder / "scores.csv").string(), rounds.agents(),
              run.methods);
  return run;
}

std::vector<RunData> read_runs(std::span<const fs::path> folders) {
  if (folders.empty()) fail("no run folder was given");
  std::vector<RunData> runs;
  for (const fs::path& folder : folders) {
    for (const RunData& before : runs)
      if (std::error_code ignored; fs::equivalent(before.folder, folder, ignored))
        fail(folder.string(), ": this run is given twice");
    runs.push_back(read_run(folder));
  }
  return runs;
}

}  // namespace fedval::harness
