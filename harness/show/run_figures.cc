#include "harness/show/run_figures.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "harness/show/markup.hpp"
#include "harness/show/measures.hpp"
#include "harness/show/partition_picture.hpp"

namespace fedval::harness {
namespace {

const std::string nothing = element("p", "No agent has a value.");

}  // namespace

std::string RunFigures::figure(const std::string& content, std::string_view caption) {
  const std::string number = element("b", "Figure " + std::to_string(++figures_) + ".") + " ";
  return element("figure", "\n" + content + element("figcaption", number + std::string(caption))) + "\n";
}

std::string RunFigures::panel(const std::string& title, const std::string& detail,
                              const std::string& svg) const {
  return element("div class='panel'", element("p", element("b", escaped(title)) + " " + detail) + svg) + "\n";
}

std::string RunFigures::partition() {
  if (!run_->partition) return "";
  return figure(partition_picture(*run_, *run_->partition, next_id()),
                "Training examples of each agent (rows) by class (columns). The darker, the more; the shade "
                "grows with the square root of the number, white is none.");
}

std::string RunFigures::accuracy() {
  return figure(accuracy_plot(*run_, next_id()),
                "Test " + accuracy_name(*run_) +
                    " of the server's model in the rounds in which it was tested, by method. Grey: what "
                    "agents reach when each trains alone on its own examples.");
}

std::string RunFigures::time() {
  return figure(
      time_plot(*run_, next_id()),
      "Wall-clock seconds of each method: training of the agents; valuation, which is scoring, "
      "weighing, aggregating and rewarding; the rest is testing, and what a method's phases say below.");
}

std::string RunFigures::against_standalone() {
  std::string markup;
  for (const RunMethod& method : run_->methods) {
    std::string panels;
    const auto add = [&](const std::string& name, std::span<const std::optional<double>> values) {
      const Agreement found = agreement(*run_, values);
      const bool any = std::any_of(values.begin(), values.end(), [](const auto& v) { return v.has_value(); });
      panels +=
          panel(name, "Pearson " + written(found.pearson, 3) + ", Spearman " + written(found.spearman, 3),
                any ? scatter_plot(*run_, values, name, next_id()) : nothing);
    };
    add("credit: " + method.credit_name, method.credit);
    add("final " + accuracy_name(*run_),
        std::vector<std::optional<double>>(method.agent_accuracy.begin(), method.agent_accuracy.end()));
    for (const ScoreTrack& score : method.scores) add(score.name, last_values(score));
    const std::string who =
        run_->agents.size() <= most_labels ? "Every point is labelled by its agent." : "One point an agent.";
    markup += figure(
        (lines() ? agent_key(*run_, next_id()) + "\n" : "") + element("div class='panels'", "\n" + panels),
        element("b", escaped(method.name)) + ": its credit, the " + accuracy_name(*run_) +
            " of the model an agent ends with, and every agent's last score (upwards) against the test " +
            accuracy_name(*run_) + " that the agent reaches alone (to the right). " + who +
            " Correlations are - where undefined.");
  }
  return markup;
}

std::string RunFigures::scores_by_round() {
  std::string markup;
  for (const RunMethod& method : run_->methods) {
    if (method.scores.empty()) continue;
    std::string panels;
    for (const ScoreTrack& score : method.scores) {
      const bool any =
          std::any_of(score.of_agent.begin(), score.of_agent.end(), [](const auto& p) { return !p.empty(); });
      panels += panel(score.name, "", any ? score_plot(*run_, method, score, next_id()) : nothing);
    }
    const std::string what =
        lines() ? "A line joins the rounds in which an agent was scored; bars are one standard deviation to "
                  "either side, for scores that estimate it."
                : "Over the agents scored in a round: the line is the median, the dark band holds the middle "
                  "half, the light one the middle 80 %.";
    markup += figure(
        (lines() ? agent_key(*run_, next_id()) + "\n" : "") + element("div class='panels'", "\n" + panels),
        element("b", escaped(method.name)) + ": scores by round, each in its own unit. " + what);
  }
  return markup;
}

}  // namespace fedval::harness
