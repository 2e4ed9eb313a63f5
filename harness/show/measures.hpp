// The numbers by which runs are judged. Tables on a page and in a terminal show the same ones.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/show/run_data.hpp"

namespace fedval::harness {

/// How far values of the agents agree with the agents' standalone accuracies; nothing where undefined.
struct Agreement {
  std::optional<double> pearson, spearman;
};

/// Over the agents that have a value.
Agreement agreement(const RunData& run, std::span<const std::optional<double>> values);

/// Of a method's last scores of that name; nothing where it has no such score.
Agreement agreement(const RunData& run, const RunMethod& method, const std::string& score);

/// What every agent was scored last; nothing for an agent that never was.
std::vector<std::optional<double>> last_values(const ScoreTrack& track);

/// The names of all scores of a run, each once.
std::vector<std::string> score_names(const RunData& run);

/// A column of a table about methods.
struct Measure {
  std::string_view name;     ///< "Pearson credit"
  std::string_view meaning;  ///< a sentence
  int digits;                ///< behind the point
  std::string_view unit;     ///< follows a number: " %" or nothing
  std::optional<double> (*of)(const RunData& run, const RunMethod& method);
};

std::span<const Measure> measures();

/// What accuracy is called in runs: "balanced accuracy" where it is that in all of them, else "accuracy".
std::string accuracy_name(std::span<const RunData> runs);
inline std::string accuracy_name(const RunData& run) { return accuracy_name(std::span(&run, 1)); }

/// A sentence that says what it is; empty where in all of them it is the share that is labelled right.
std::string accuracy_meaning(std::span<const RunData> runs);

/// Figures that methods have names of their own for: seconds of phases, bytes by what messages carry.
using NamedFigures = std::vector<std::pair<std::string, double>> RunMethod::*;

/// Their names in any of the runs, each once, in the order in which they come.
std::vector<std::string> figure_names(std::span<const RunData> runs, NamedFigures figures);

/// Nothing where the method has none of that name.
std::optional<double> find_figure(const RunMethod& method, NamedFigures figures, const std::string& name);

/// The number, or "-" where there is none.
std::string written(const std::optional<double>& value, int digits, std::string_view unit = "");

}  // namespace fedval::harness
