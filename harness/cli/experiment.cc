#include "harness/cli/experiment.hpp"

#include <chrono>
#include <optional>

#include "harness/data/registry.hpp"
#include "harness/federation/federation.hpp"
#include "harness/method/methods.hpp"
#include "harness/partition/partition.hpp"
#include "harness/report/progress.hpp"
#include "harness/report/run_folder.hpp"
#include "harness/report/tables.hpp"

namespace fedval::harness {

std::filesystem::path run_experiment(const Settings& settings, const Places& places, std::ostream& out,
                                     std::ostream& progress_out, bool terminal) {
  const auto start = std::chrono::steady_clock::now();
  if (settings.device != "cpu")
    fail("device is \"", settings.device, "\"; this version trains on \"cpu\" only");
  const Dataset data = load_dataset(settings.data.set, places.data, settings.seed);
  const Shards shards =
      partition(settings.partition.kind, data.train.labels, data.classes, settings.partition.agents,
                settings.partition.samples_per_agent, settings.seed);
  Workers workers(settings.threads);
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
    Progress progress(progress_out, terminal, federation.steps_a_run() * (settings.methods.run.size() + 1));
    progress.begin("standalone", 0);
    const std::vector<double> standalone = federation.standalone({.steps = &progress.steps()});
    for (std::size_t i = 0; i < federation.agents().size(); ++i) {
      const Agent& agent = federation.agents()[i];
      results.agents.push_back({agent.id.text(), agent.samples.size(), agent.classes, standalone[i]});
    }
    for (const std::string& name : settings.methods.run) {
      const std::unique_ptr<Method> method = make_method(name, settings);
      progress.begin(name, settings.training.rounds);
      RunResult run = federation.run(*method, [&] { return make_readers(settings); },
                                     {.round =
                                          [&](const RoundRecord& record) {
                                            folder.round(name, record);
                                            progress.round(record);
                                          },
                                      .steps = &progress.steps()});
      results.methods.push_back({name, credit_name(name), method->credit(), std::move(run), method->notes});
    }
  }
  results.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  print_tables(out, results);
  const std::filesystem::path path = folder.finish(results);
  out << "\nWritten to " << path.string() << std::endl;
  return path;
}

}  // namespace fedval::harness
