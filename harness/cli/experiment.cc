#include "harness/cli/experiment.hpp"

#include <chrono>
#include <optional>

#include "harness/data/data_folder.hpp"
#include "harness/data/registry.hpp"
#include "harness/federation/federation.hpp"
#include "harness/method/methods.hpp"
#include "harness/partition/partition.hpp"
#include "harness/report/progress.hpp"
#include "harness/report/run_folder.hpp"
#include "harness/report/tables.hpp"

namespace fedval::harness {

namespace {

Dataset load(const Settings& settings, const Places& places) {
  const std::string& set = settings.data.set;
  if (!places.data) return load_dataset(set, set == "digits" ? "" : default_data_folder(), settings.seed);
  // A folder that was named is meant: falling back to other data would hide a misspelt path.
  return load_dataset(set == "auto" ? "mnist" : set, *places.data, settings.seed);
}

/// What `action` returns; its Error says what was going on.
template <class Action>
auto during(const std::string& what, Action&& action) {
  try {
    return action();
  } catch (const Error& error) {
    fail(what, ": ", error.what());
  }
}

}  // namespace

std::filesystem::path run_experiment(const Settings& asked, const Places& places, std::ostream& out,
                                     std::ostream& progress_out, std::size_t columns) {
  const auto start = std::chrono::steady_clock::now();
  static_cast<void>(to_toml(asked));  // refuses what the command line may have made of the file's settings
  const Dataset data = load(asked, places);
  Workers workers(asked.threads);
  Settings settings = asked;  // resolved: what this run really used, so that it can be repeated elsewhere
  settings.data.set = data.name;
  settings.threads = workers.count();
  const Shards shards =
      partition(settings.partition.kind, data.train.labels, data.classes, settings.partition.agents,
                settings.partition.samples_per_agent, settings.seed);
  Federation federation(settings, data, shards, workers);
  RunFolder folder(places.runs, settings);

  const FinalLayer& final = federation.final_layer();
  Results results{.settings = settings,
                  .data = data.description,
                  .test_samples = federation.test_samples(),
                  .dimension = federation.dimension(),
                  .final_layer = final.name + ", " + std::to_string(final.classes) + " x " +
                                 std::to_string(final.features),
                  .workers = workers.count(),
                  .agents = {},
                  .methods = {}};
  out << "fedval: " << settings.name << '\n'
      << "  DATA     " << data.description << '\n'
      << "  agents   " << settings.partition.agents << " (" << settings.partition.kind << "), tested on "
      << results.test_samples << " images\n"
      << "  model    " << settings.model.name << ", " << results.dimension << " parameters, final layer "
      << results.final_layer << '\n'
      << "  training " << settings.training.rounds << " rounds, " << workers.count()
      << " agents side by side, seed " << settings.seed << '\n'
      << std::endl;

  {
    Progress progress(progress_out, columns, federation.steps_a_run() * (settings.methods.run.size() + 1));
    progress.begin("standalone", 0);
    const std::vector<double> standalone =
        during("standalone", [&] { return federation.standalone({.steps = &progress.steps()}); });
    for (std::size_t i = 0; i < federation.agents().size(); ++i) {
      const Agent& agent = federation.agents()[i];
      results.agents.push_back({agent.id.text(), agent.samples.size(), agent.classes, standalone[i]});
    }
    for (const std::string& name : settings.methods.run) {
      const std::unique_ptr<Method> method = make_method(name, settings);
      progress.begin(name, settings.training.rounds);
      const Observer observer{.round =
                                  [&](const RoundRecord& record) {
                                    folder.round(name, record);
                                    progress.round(record);
                                  },
                              .steps = &progress.steps()};
      RunResult run = during(name, [&] {
        return federation.run(
            *method, [&] { return make_readers(settings); }, observer);
      });
      results.methods.push_back({name, credit_name(name), method->credit(), std::move(run), method->notes});
    }
  }
  results.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  print_tables(out, results);
  std::filesystem::path path = folder.finish(results);
  out << "\nWritten to " << path.string() << std::endl;
  return path;
}

}  // namespace fedval::harness
