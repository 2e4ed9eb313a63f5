#include "harness/show/study_summary.hpp"

#include <algorithm>

#include "harness/report/table.hpp"
#include "harness/show/markdown.hpp"
#include "harness/show/measures.hpp"
#include "harness/show/study_json.hpp"
#include "harness/show/study_names.hpp"

namespace fedval::harness {
namespace {

// In how many kinds of attack the attacker earns more than its twin on average.
std::size_t paying_kinds(const std::vector<AttackEffects>& effects) {
  return static_cast<std::size_t>(std::count_if(effects.begin(), effects.end(), [](const auto& e) {
    return mean_defined(e.ratio).value_or(0) > 1 + 1e-9;
  }));
}

std::size_t kinds_with_ratio(const std::vector<AttackEffects>& effects) {
  return static_cast<std::size_t>(std::count_if(
      effects.begin(), effects.end(), [](const auto& e) { return mean_defined(e.ratio).has_value(); }));
}

std::size_t honest_trainings(const Study& study) {
  return defined(of_trainings(study, [](const RunData&) { return 1.0; })).size();
}

std::string note(const Study& study, std::size_t trainings, std::size_t truths, bool attacks) {
  const std::string ahead = trainings > 1
                                ? "the 95 % interval of the difference, training by training, above 0."
                                : "its mean larger; the difference in a single training has no interval.";
  std::string text = "Fairness: Pearson with standalone accuracy in the rounds of " + reading_methods(study) +
                     ", mean \u00B1 half-width of Student's 95 % interval over n = " +
                     counted(trainings, "honest training") +
                     ", the runs of all settings taken together. * best, or tied for best: "
                     "no other score is ahead of it, " +
                     ahead;
  if (trainings < study.runs.size())
    text += " Of " + counted(study.runs.size(), "run") + ", " +
            std::to_string(study.runs.size() - trainings) +
            " repeat the training of another or have attackers inside: they are not counted again.";
  if (truths > 0)
    text += " Truth: Spearman with the Shapley value by accuracy of retrained coalitions, mean over n = " +
            counted(truths, "run") + ".";
  if (attacks)
    text +=
        " Worst attack: the largest mean of the attacker's share relative to its honest twin's. Attacks "
        "that pay: kinds in which that mean is above 1, of the kinds that have one.";
  return text +
         " Cost: median share of the agents' training time over n = " + counted(study.runs.size(), "run") +
         ". Where fewer have a number, (n = ...) says how many; a dash: none has one.";
}

}  // namespace

std::vector<Fairness> fairness(const Study& study, const std::vector<std::string>& scores) {
  std::vector<Fairness> found(scores.size());
  const bool single = honest_trainings(study) < 2;
  std::vector<std::vector<std::optional<double>>> values;
  for (std::size_t s = 0; s < scores.size(); ++s) {
    values.push_back(of_trainings(
        study, [&](const RunData& run) { return agreement(run, reading_method(run), scores[s]).pearson; }));
    found[s].pearson = student_interval(defined(values[s]));
  }
  for (std::size_t s = 0; s < scores.size(); ++s)
    for (std::size_t other = 0; other < scores.size(); ++other) {
      std::vector<double> differences;
      for (std::size_t i = 0; i < values[s].size(); ++i)
        if (values[s][i] && values[other][i]) differences.push_back(*values[other][i] - *values[s][i]);
      const std::optional<Interval> difference = student_interval(differences);
      if (!difference || (!difference->half_width && !single)) continue;
      if (difference->mean <= difference->half_width.value_or(0)) continue;
      if (!found[s].ahead || difference->mean > found[s].ahead->difference.mean)
        found[s].ahead = {other, *difference};
    }
  return found;
}

StudySection summary_section(const Study& study, const TruthComparison& truth, const AttackResults& attacks,
                             const StudyCosts& costs) {
  const std::vector<std::string>& scores = costs.scores;
  if (scores.empty()) return {};
  const bool has_truth = !truth.runs.empty(), has_attacks = !attacks.kinds.empty();
  const std::size_t trainings = honest_trainings(study);
  std::vector<std::string> header{"score", "fairness (Pearson)"};
  if (has_truth) header.emplace_back("truth (Spearman)");
  if (has_attacks) header.insert(header.end(), {"worst attack", "attacks that pay"});
  header.emplace_back("cost");
  MarkdownTable table(header);
  StudySection section;
  const std::vector<Fairness> fair = fairness(study, scores);
  for (std::size_t s = 0; s < scores.size(); ++s) {
    std::vector<std::string> row{scores[s]};
    OrderedJson& json = section.json[scores[s]];
    row.push_back(written(fair[s].pearson, 3, "", "\u00B1", trainings) + (fair[s].best() ? " *" : ""));
    json["fairness"] = json_of(fair[s].pearson);
    json["best_or_tied"] = fair[s].best();
    json["ahead"] = nullptr;
    if (const auto& ahead = fair[s].ahead)
      json["ahead"] = {{"score", scores[ahead->score]}, {"by", json_of(ahead->difference)}};
    if (has_truth) {
      const Resampled& spearman = truth.by_accuracy[s].spearman;
      row.push_back(spearman.mean
                        ? fixed(*spearman.mean, 3) + fewer(defined(spearman.values).size(), truth.runs.size())
                        : "-");
      json["truth_spearman"] = rounded(spearman.mean);
    }
    if (has_attacks) {
      const std::vector<AttackEffects>& effects = attacks.effects[s];
      const std::optional<std::size_t> worst = worst_attack(attacks, s);
      const std::optional<double> ratio = worst ? mean_defined(effects[*worst].ratio) : std::nullopt;
      row.push_back(worst ? fixed(*ratio, 2) + " (" + attacks.kinds[*worst] + ")" : "-");
      row.push_back(worst ? std::to_string(paying_kinds(effects)) + " of " +
                                std::to_string(kinds_with_ratio(effects))
                          : "-");
      json["worst_attack"] = worst ? OrderedJson{{"kind", attacks.kinds[*worst]}, {"ratio", rounded(ratio)}}
                                   : OrderedJson(nullptr);
      json["attacks_that_pay"] = {{"count", paying_kinds(effects)}, {"of", kinds_with_ratio(effects)}};
    }
    row.push_back(written(costs.of_training[s], 3, " %"));
    json["percent_of_training"] = rounded(costs.of_training[s].median);
    table.add(row);
  }
  section.markdown =
      markdown_part("## Summary", table.text(), note(study, trainings, truth.runs.size(), has_attacks));
  return section;
}

}  // namespace fedval::harness
