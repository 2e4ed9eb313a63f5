// The plots of a run, drawn by gnuplot. Colours are those of Okabe and Ito, which the colour-blind tell apart
// ("Color Universal Design", 2008); lines differ in markers as well, for paper.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "harness/show/run_data.hpp"

namespace fedval::harness {

/// With more agents than this a plot of scores shows quantiles over agents instead of a line for each.
constexpr std::size_t most_lines = 10;
/// With more agents than this, points have no labels.
constexpr std::size_t most_labels = 20;

/// "3" or "3 (writer 2013)"; any text.
std::string label_of(const RunAgent& agent);
/// "agent 3" or "3 (writer 2013)", where nothing else says that it is an agent; any text.
std::string full_label_of(const RunAgent& agent);

// Each returns an <svg> element whose ids begin with `id`. Error when gnuplot is absent or fails.

/// The server's test accuracy by round, a line a method, and the agents' standalone accuracies.
std::string accuracy_plot(const RunData& run, const std::string& id);

/// Which colour and marker is whose, for the two plots below; of a run with at most `most_lines` agents.
std::string agent_key(const RunData& run, const std::string& id);

/// One score by round: a line an agent with bars of a standard deviation where there is a variance, or
/// quantiles over the agents.
std::string score_plot(const RunData& run, const RunMethod& method, const ScoreTrack& track,
                       const std::string& id);

/// A value of each agent, called `name`, against its standalone accuracy.
std::string scatter_plot(const RunData& run, std::span<const std::optional<double>> values,
                         const std::string& name, const std::string& id);

/// Where each method's time went.
std::string time_plot(const RunData& run, const std::string& id);

}  // namespace fedval::harness
