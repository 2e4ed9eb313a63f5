// The table of all settings: the one place that says how a setting is called in the file, where it is kept,
// what it accepts and what it means. Reading, writing, suggestions and documentation all walk this table.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

#include "harness/config/rules.hpp"
#include "harness/config/settings.hpp"

namespace fedval::harness {

/// Where a setting stands in the file; table is empty for the keys above the first table.
struct KeyName {
  std::string_view table, name;
  bool operator==(const KeyName&) const = default;

  /// "training.rounds"
  std::string path() const {
    return table.empty() ? std::string(name) : std::string(table) + "." + std::string(name);
  }
};

/// Whether the text can name the folder of a run: letters, digits, '.', '_' and '-', no dot in front.
inline bool is_folder_name(std::string_view text) {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return !text.empty() && text.front() != '.' && text.find_first_not_of(letters) == std::string_view::npos;
}

/// Calls visit(KeyName, member, rule, help) for every setting; those of one table come one after the other,
/// and the keys without a table come first.
template <class AnySettings, class Visitor>
requires std::same_as<std::remove_cvref_t<AnySettings>, Settings>
void visit_keys(AnySettings&& s, Visitor&& visit) {
  const Count any, positive{1};
  const Real above_0, fraction{.high = 1, .includes_low = true}, decay{.high = 1, .includes_high = true};

  visit(KeyName{"", "name"}, s.name,
        Text{"letters, digits, '.', '_' and '-', with no '.' in front", is_folder_name},
        "Names the folder of the run.");
  visit(KeyName{"", "seed"}, s.seed, any, "The same seed gives the same experiment.");
  visit(KeyName{"", "threads"}, s.threads, Count{0, 1024},
        "Agents trained at the same time; 0 = one for each core.");
  visit(KeyName{"", "device"}, s.device, Choice{{"cpu"}}, "Where the models are trained.");

  visit(KeyName{"data", "set"}, s.data.set, Choice{{"auto", "mnist", "digits"}},
        "The data set; \"auto\" = mnist where its files are found, otherwise the small built-in digits.");

  visit(KeyName{"partition", "kind"}, s.partition.kind, Choice{{"uni", "pow", "cla"}},
        "uni = equal shares, pow = shares that follow a power law, cla = agents that know 1 to all classes.");
  visit(KeyName{"partition", "agents"}, s.partition.agents, positive, "Number of agents.");
  visit(KeyName{"partition", "samples_per_agent"}, s.partition.samples_per_agent, positive,
        "Training examples of an agent, on average.");

  visit(KeyName{"model", "name"}, s.model.name, Choice{{"mnist_cnn"}}, "The network.");

  visit(KeyName{"training", "rounds"}, s.training.rounds, positive, "Times the agents meet.");
  visit(KeyName{"training", "local_epochs"}, s.training.local_epochs, positive,
        "Passes of an agent over its examples in a round.");
  visit(KeyName{"training", "batch_size"}, s.training.batch_size, positive, "Examples in a step.");
  visit(KeyName{"training", "learning_rate"}, s.training.learning_rate, above_0,
        "Step size in the first round.");
  visit(KeyName{"training", "learning_rate_decay"}, s.training.learning_rate_decay, decay,
        "The learning rate is multiplied by this after each round.");

  visit(KeyName{"evaluation", "test_samples"}, s.evaluation.test_samples, any,
        "Test examples used; 0 = all.");
  visit(KeyName{"evaluation", "every"}, s.evaluation.every, positive,
        "Rounds between evaluations of the server's model.");

  visit(KeyName{"methods", "run"}, s.methods.run, Choices{{"fedavg", "cgsv", "spectral_fed"}},
        "The methods compared, each from the same start on the same data.");

  visit(KeyName{"cgsv", "mode"}, s.cgsv.mode, Choice{{"paper"}},
        "Whose definition of the details is followed.");
  visit(KeyName{"cgsv", "gamma"}, s.cgsv.gamma, above_0, "Every update is scaled to this length.");
  visit(KeyName{"cgsv", "alpha"}, s.cgsv.alpha, fraction,
        "Memory of an agent's reputation; 0 = this round only.");
  visit(KeyName{"cgsv", "beta"}, s.cgsv.beta, above_0,
        "Altruism: large = equal rewards, small = rewards strictly by contribution.");

  visit(KeyName{"spectral_fed", "momentum"}, s.spectral_fed.momentum, fraction,
        "Memory of an agent's score; 0 = this round only.");
  visit(
      KeyName{"spectral_fed", "normaliser"}, s.spectral_fed.normaliser,
      Choice{{"log_min_dim", "none", "log_rank"}},
      "What the spectral entropy is divided by: the logarithm of the smaller side, nothing, or of the rank.");
}

}  // namespace fedval::harness
