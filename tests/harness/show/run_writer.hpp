// Run folders as an experiment leaves them, with numbers that a formula makes up, so that tests know them.
#pragma once

#include <cmath>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "harness/config/settings.hpp"
#include "tests/harness/data/files.hpp"

namespace fedval::harness::test_runs {

using Json = nlohmann::ordered_json;

using Temporary = test_files::Folder;

inline void write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The content of a run folder, to be changed and written.
struct Run {
  Settings settings;
  Json summary;
  std::vector<Json> metrics;
  std::string scores = "method,round,score,agent,value,variance\n";

  void write_to(const std::filesystem::path& folder) const {
    std::filesystem::create_directories(folder);
    write(folder / "config.toml", to_toml(settings));
    write(folder / "summary.json", summary.dump(2) + "\n");
    std::string lines;
    for (const Json& line : metrics) lines += line.dump() + "\n";
    write(folder / "metrics.jsonl", lines);
    write(folder / "scores.csv", scores);
  }
};

struct Shape {
  std::size_t agents = 5, classes = 10, rounds = 12, scores = 7;
  std::uint64_t seed = 1;
  bool equal_accuracies = false;
  std::vector<std::string> score_names = {"CGSV psi",        "CGSV r",        "SpectralFed s",
                                          "SpectralFuse x",  "ShapFed gamma", "GatedEntropy",
                                          "ConfirmedEntropy"};
};

/// A number in [0, 1) that looks random.
inline double scatter(std::size_t a, std::size_t b) {
  const double x = std::sin(12.9898 * static_cast<double>(a) + 78.233 * static_cast<double>(b)) * 43758.5453;
  return x - std::floor(x);
}

/// A run of fedavg, cgsv and spectral_fed in which everything is present that a folder may hold.
inline Run made_up(const Shape& shape) {
  Run run;
  run.settings.name = "made_up";
  run.settings.seed = shape.seed;
  run.settings.partition.agents = shape.agents;
  run.settings.training.rounds = shape.rounds;
  const auto offset = static_cast<std::size_t>(shape.seed) * 1000;
  Json agents = Json::array(), counts = Json::array();
  std::vector<double> alone;
  for (std::size_t i = 0; i < shape.agents; ++i) {
    const double share = static_cast<double>(i + 1) / static_cast<double>(shape.agents);
    std::size_t samples = 0, classes = 0;
    Json row = Json::array();
    for (std::size_t c = 0; c < shape.classes; ++c) {
      const auto count = static_cast<std::size_t>(std::max(0.0, 150 * share * (scatter(i, c) - 0.15)));
      row.push_back(count);
      samples += count;
      classes += count > 0;
    }
    counts.push_back(row);
    alone.push_back(shape.equal_accuracies ? 0.5 : 0.6 + 0.3 * std::sqrt(share) + 0.03 * scatter(i, offset));
    agents.push_back({{"id", std::to_string(i + 1)},
                      {"samples", samples},
                      {"classes", classes},
                      {"standalone_accuracy", alone.back()}});
  }
  Json methods = Json::object();
  for (std::size_t m = 0; m < run.settings.methods.run.size(); ++m) {
    const std::string& name = run.settings.methods.run[m];
    const auto accuracy = [&](std::size_t round) {
      return 0.96 - 0.02 * static_cast<double>(m) - 0.5 * std::exp(-0.5 * static_cast<double>(round)) +
             0.01 * scatter(round, offset + m);
    };
    Json credit = Json::array(), final_accuracy = Json::array(), scores = Json::object();
    for (std::size_t i = 0; i < shape.agents; ++i) {
      credit.push_back(alone[i] / static_cast<double>(shape.agents) + 0.02 * scatter(i, offset + m + 50));
      final_accuracy.push_back(m == 1 ? 0.9 + 0.05 * alone[i] : accuracy(shape.rounds));
    }
    for (std::size_t s = 0; s < shape.scores; ++s)
      scores[shape.score_names[s]] = {{"last", std::vector<Json>(shape.agents)}};
    for (std::size_t t = 1; t <= shape.rounds; ++t) {
      Json line{{"method", name},
                {"round", t},
                {"learning_rate", 0.15},
                {"server_accuracy", t % 5 == 2 && t < shape.rounds ? Json() : Json(accuracy(t))},
                {"seconds", 1.5},
                {"training_seconds", 1.2},
                {"valuation_seconds", 0.1 + 0.1 * static_cast<double>(m)}};
      if (shape.agents > 2 && m == 1 && t >= 2 && t <= 4)
        line["refused"] = {{{"agent", "2"}, {"reason", "update[17] is NaN"}}};
      run.metrics.push_back(line);
      for (std::size_t s = 0; s < shape.scores; ++s)
        for (std::size_t i = 0; i < shape.agents; ++i) {
          const double noise = (scatter(i + 31 * t, s + offset + m) - 0.5) / static_cast<double>(t);
          const double value = (alone[i] - 0.5) * static_cast<double>(s + 1) + 0.3 * noise;
          run.scores += name + "," + std::to_string(t) + "," + shape.score_names[s] + "," +
                        std::to_string(i + 1) + "," + std::to_string(value) + "," +
                        (s == 3 ? std::to_string(0.01 / static_cast<double>(t)) : "") + "\n";
        }
    }
    const auto rounds = static_cast<double>(shape.rounds);
    methods[name] = {{"server_accuracy", accuracy(shape.rounds)},
                     {"agent_accuracy", final_accuracy},
                     {"credit", {{"name", "share"}, {"values", credit}}},
                     {"scores", scores},
                     {"seconds", 1.5 * rounds},
                     {"training_seconds", 1.2 * rounds},
                     {"valuation_seconds", (0.1 + 0.1 * static_cast<double>(m)) * rounds},
                     {"notes", m == 2 ? Json{"round 1: weights are uniform"} : Json::array()}};
  }
  run.summary = {{"name", run.settings.name},
                 {"seed", shape.seed},
                 {"data", "made-up numbers"},
                 {"test_samples", 1000},
                 {"model", {{"name", "mnist_cnn"}, {"parameters", 64000}, {"final_layer", "fc2, 10 x 200"}}},
                 {"workers", 2},
                 {"threads_a_worker", 1},
                 {"seconds", 60.5},
                 {"agents", agents},
                 {"partition", {{"kind", "pow"}, {"class_counts", counts}}},
                 {"methods", methods},
                 {"versions", {{"fedval", "0"}, {"compiler", "12"}}}};
  return run;
}

/// Puts the scores of a method's agents in the place of all that were read: the last of each, by score name.
inline void set_scores(Run& run, const std::string& method,
                       const std::vector<std::pair<std::string, std::vector<Json>>>& scores) {
  std::string kept;
  for (std::size_t begin = 0; begin < run.scores.size();) {
    const std::size_t end = run.scores.find('\n', begin) + 1;
    if (!run.scores.substr(begin, end - begin).starts_with(method + ","))
      kept.append(run.scores, begin, end - begin);
    begin = end;
  }
  run.scores = kept;
  run.summary["methods"][method]["scores"] = Json::object();
  for (const auto& [name, values] : scores) {
    run.summary["methods"][method]["scores"][name] = {{"last", values}};
    for (std::size_t i = 0; i < values.size(); ++i)
      if (!values[i].is_null())
        run.scores += method + ",1," + name + "," + std::to_string(i + 1) + "," + values[i].dump() + ",\n";
  }
}

/// Adds what the scores became of when an agent, by number from 1, attacked beside a method's rounds.
inline void add_attack(Run& run, const std::string& method, const std::string& kind, std::size_t agent,
                       const std::vector<std::pair<std::string, std::vector<Json>>>& scores) {
  Json values = Json::object();
  for (const auto& [name, of_agents] : scores) values[name] = of_agents;
  run.summary["methods"][method]["attacks"].push_back(
      {{"kind", kind}, {"agent", std::to_string(agent)}, {"scores", values}});
}

/// Adds Shapley values of retrained coalitions.
inline void add_truth(Run& run, const std::vector<double>& accuracy, const std::vector<double>& loss) {
  run.summary["truth"] = {{"shapley", {{"accuracy", accuracy}, {"loss", loss}}}};
}

}  // namespace fedval::harness::test_runs
