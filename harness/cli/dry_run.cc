#include "harness/cli/dry_run.hpp"

#include "harness/cli/method_runs.hpp"
#include "harness/cli/peak_memory.hpp"
#include "harness/cli/plan.hpp"
#include "harness/partition/picture.hpp"
#include "harness/report/table.hpp"
#include "harness/report/wording.hpp"

namespace fedval::harness {

void dry_run(const Settings& asked, const Places& places, std::ostream& out) {
  Laboratory laboratory(asked, places);
  Federation& federation = laboratory.federation;
  const Settings& settings = laboratory.settings;
  check_runs(laboratory);
  print_setting(out, laboratory);
  print_partition(out, class_counts(laboratory.shards, laboratory.data));

  const std::size_t rounds = settings.training.rounds, methods = settings.methods.run.size(),
                    agents = federation.agents().size();
  const std::size_t steps = federation.steps(0, rounds, true) + methods * federation.steps(0, rounds, false);
  // The server every so often and after the last round, then everyone's model; alone, everyone's.
  const std::size_t tests = methods * (rounds / settings.evaluation.every +
                                       (rounds % settings.evaluation.every != 0 ? 1 : 0) + agents) +
                            agents;
  const Federation::Pace pace = federation.measure();
  const double training = static_cast<double>(steps) * pace.seconds_a_step,
               testing = static_cast<double>(tests * federation.test_samples()) * pace.seconds_an_example;
  // An agent's own model, what it reached, and its update.
  const double states = static_cast<double>(3 * agents) *
                        static_cast<double>(federation.dimension() + federation.buffers()) * sizeof(float) /
                        1048576;

  const double program = peak_memory() / 1048576;
  out << "\nAbout " << duration(training + testing) << ": " << steps << " steps at "
      << fixed(1 / pace.seconds_a_step, 1) << " a second (" << duration(training) << "), and up to " << tests
      << " tests of " << federation.test_samples() << " examples (" << duration(testing)
      << "), if everyone ends with a model of its own.\n"
      << "About " << fixed(program + states, 0) << " MiB of memory: " << fixed(program, 0)
      << " for the program, the data and " << laboratory.workers.count() << " networks at work, "
      << fixed(states, 0) << " for the agents' models and updates.\n"
      << uncounted_in(settings) << "Nothing was run and nothing was written.\n"
      << std::flush;
}

}  // namespace fedval::harness
