#include "harness/show/run_section.hpp"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "harness/config/wording.hpp"
#include "harness/show/markup.hpp"
#include "harness/show/measure_definitions.hpp"
#include "harness/show/measures.hpp"
#include "harness/show/run_figures.hpp"

namespace fedval::harness {
namespace {

std::string learning_rate(const TrainingSettings& training) {
  std::string first = number(training.learning_rate);
  if (training.schedule == "exponential")
    return first + " times " + number(training.learning_rate_decay) + " a round";
  if (training.schedule == "cosine")
    return first + ", falling as a cosine to " + number(training.final_learning_rate);
  return first;
}

std::string participation(const RunData& run) {
  std::size_t least = run.agents.size(), most = 0;
  for (const RunMethod& method : run.methods)
    for (const RunRound& round : method.rounds) {
      least = std::min(least, round.participants.size());
      most = std::max(most, round.participants.size());
    }
  if (least == run.agents.size()) return "all of them in every round";
  return (least == most ? std::to_string(least) : std::to_string(least) + " to " + std::to_string(most)) +
         " of them in a round";
}

std::string setting(const RunData& run) {
  const Settings& s = run.settings;
  std::string list;
  const auto say = [&](std::string_view what, const std::string& text) {
    list += element("dt", what) + element("dd", escaped(text)) + "\n";
  };
  say("Data", run.data + "; tested on " + std::to_string(run.test_samples) + " examples");
  say("Agents", std::to_string(run.agents.size()) + ", partition " + in_quotes(s.partition.kind) + ", " +
                    participation(run));
  say("Model",
      run.model_name + ", " + std::to_string(run.parameters) + " parameters, final layer " + run.final_layer);
  say("Training", std::to_string(s.training.rounds) +
                      " rounds, local epochs: " + std::to_string(s.training.local_epochs) + ", batches of " +
                      std::to_string(s.training.batch_size) + ", " + s.training.optimiser +
                      ", learning rate " + learning_rate(s.training));
  say("Run", "seed " + std::to_string(s.seed) + ", " + std::to_string(run.workers) +
                 " agents trained side by side, " + written(run.seconds, 1) + " s in all");
  std::string versions;
  for (const auto& [name, version] : run.versions)
    versions.append(versions.empty() ? "" : "; ").append(name).append(" ").append(version);
  say("Built from", versions);
  return element("dl", "\n" + list) + "\n" +
         element("details", element("summary", "All settings (config.toml)") +
                                element("pre", escaped_lines(to_toml(s)))) +
         "\n";
}

std::string methods_table(const RunData& run) {
  std::vector<std::string> header{"method"};
  for (const Measure& measure : measures()) header.emplace_back(measure.name);
  HtmlTable table(header);
  for (const RunMethod& method : run.methods) {
    std::vector<std::string> row{escaped(method.name)};
    for (const Measure& measure : measures())
      row.push_back(written(measure.of(run, method), measure.digits, measure.unit));
    table.add(row);
  }
  return table.markup("What each method reaches, how it values the agents, and what it costs.") +
         measure_definitions({&run, 1});
}

/// Nothing where no method has such figures.
std::string figures_table(const RunData& run, NamedFigures figures, int digits, const std::string& caption) {
  const std::vector<std::string> names = figure_names({&run, 1}, figures);
  if (names.empty()) return "";
  std::vector<std::string> header{"method"};
  for (const std::string& name : names) header.push_back(escaped(name));
  HtmlTable table(header);
  for (const RunMethod& method : run.methods) {
    std::vector<std::string> row{escaped(method.name)};
    for (const std::string& name : names) row.push_back(written(find_figure(method, figures, name), digits));
    table.add(row);
  }
  return table.markup(caption);
}

std::string agents_table(const RunData& run) {
  std::vector<std::string> header{"agent", "examples", "classes", accuracy_name(run) + " alone"};
  for (const RunMethod& method : run.methods)
    header.push_back(escaped(method.name) + ": " + escaped(method.credit_name));
  for (const RunMethod& method : run.methods)
    header.push_back(escaped(method.name) + ": " + accuracy_name(run));
  HtmlTable table(header);
  for (std::size_t i = 0; i < run.agents.size(); ++i) {
    const RunAgent& agent = run.agents[i];
    std::vector<std::string> row{escaped(label_of(agent)), std::to_string(agent.samples),
                                 std::to_string(agent.classes), written(agent.standalone_accuracy, 4)};
    for (const RunMethod& method : run.methods) row.push_back(written(method.credit[i], 4));
    for (const RunMethod& method : run.methods) row.push_back(written(method.agent_accuracy[i], 4));
    table.add(row);
  }
  std::string markup = table.markup(
      "Agents: what each holds, reaches alone, is credited with (- where it never took part), and ends "
      "with.");
  if (run.agents.size() <= most_labels) return markup;
  return element("details",
                 element("summary", "All " + std::to_string(run.agents.size()) + " agents") + markup) +
         "\n";
}

std::string scores_table(const RunData& run) {
  if (score_names(run).empty()) return "";
  std::vector<std::string> header{"score"};
  for (const RunMethod& method : run.methods)
    for (const char* which : {"Pearson", "Spearman"}) header.push_back(escaped(method.name) + ": " + which);
  HtmlTable table(header);
  for (const std::string& name : score_names(run)) {
    std::vector<std::string> row{escaped(name)};
    for (const RunMethod& method : run.methods) {
      const Agreement found = agreement(run, method, name);
      row.push_back(written(found.pearson, 3));
      row.push_back(written(found.spearman, 3));
    }
    table.add(row);
  }
  return table.markup("Scores: correlation of each agent's last score with its standalone " +
                      accuracy_name(run) +
                      ", over the agents that "
                      "were scored, by the method in whose rounds they were read; - where undefined.");
}

// "1-3, 5" for 1, 2, 3, 5.
std::string ranges(const std::vector<std::size_t>& ascending) {
  std::string text;
  for (std::size_t i = 0; i < ascending.size();) {
    std::size_t last = i;
    while (last + 1 < ascending.size() && ascending[last + 1] == ascending[last] + 1) ++last;
    text += (text.empty() ? "" : ", ") + std::to_string(ascending[i]);
    if (last > i) text += "\u2013" + std::to_string(ascending[last]);
    i = last + 1;
  }
  return text;
}

std::string refusals(const RunData& run) {
  HtmlTable table({"agent", "method", "rounds", "reason"}, false);
  bool any = false;
  for (const RunMethod& method : run.methods) {
    std::map<std::pair<std::size_t, std::string>, std::vector<std::size_t>> rounds;
    for (const RunRound& round : method.rounds)
      for (const Refusal& refusal : round.refused)
        rounds[{refusal.agent, refusal.reason}].push_back(round.round);
    for (const auto& [who, when] : rounds) {
      table.add({escaped(label_of(run.agents[who.first])), escaped(method.name), ranges(when),
                 escaped(who.second)});
      any = true;
    }
  }
  return any ? table.markup("Updates that were refused.") : element("p", "No update was refused.") + "\n";
}

std::string notes(const RunData& run) {
  std::string items;
  for (const RunMethod& method : run.methods)
    for (const std::string& note : method.notes)
      items += element("li", element("b", escaped(method.name)) + ": " + escaped(note)) + "\n";
  return items.empty() ? "" : element("h3", "Notes") + "\n" + element("ul", "\n" + items) + "\n";
}

}  // namespace

std::string run_section(const RunData& run, const std::string& id) {
  RunFigures figures(run, id);
  // The figures number themselves in the order in which they are asked for.
  std::string markup =
      "\n" +
      element("h2", escaped(run.settings.name) + " " + element("small", escaped(run.folder.string()))) +
      "\n" + setting(run);
  markup += figures.partition();
  markup += element("h3", "Methods") + "\n" + methods_table(run);
  markup += figures.accuracy();
  markup += figures.time();
  markup += figures_table(run, &RunMethod::split, 1,
                          "Seconds of the phases of a method's rounds, over all rounds.");
  markup += figures_table(run, &RunMethod::bytes, 0,
                          "Bytes sent over all rounds, both ways, by what messages carry.");
  markup += element("h3", "Agents") + "\n" + agents_table(run) + refusals(run);
  markup += element("h3", "Value against " + accuracy_name(run) + " alone") + "\n" + scores_table(run);
  markup += figures.against_standalone();
  if (!score_names(run).empty())
    markup += element("h3", "Scores by round") + "\n" + figures.scores_by_round();
  return element("section id='" + id + "' class='run'", markup + notes(run)) + "\n";
}

}  // namespace fedval::harness
