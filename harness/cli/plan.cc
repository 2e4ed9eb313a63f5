#include "harness/cli/plan.hpp"

#include <ATen/ops/rand.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <ctime>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <thread>

#include "fedval/error.hpp"
#include "fedval/tensor/direction_sum.hpp"
#include "fedval/tensor/gram.hpp"
#include "fedval/tensor/torch.hpp"
#include "harness/blackbox/runs.hpp"
#include "harness/cli/peak_memory.hpp"
#include "harness/report/table.hpp"
#include "harness/report/wording.hpp"

namespace fedval::harness {

namespace {

constexpr double bytes_a_float = 4, mib = 1 << 20;

double cores() { return static_cast<double>(std::max(1U, std::thread::hardware_concurrency())); }

/// Products of entries a second on one core, for as many vectors as fill the kernel's tiles.
double measured_products() {
  constexpr std::int64_t n = 60, size = 1 << 17;
  std::vector<TensorView> vectors;
  for (std::int64_t i = 0; i < n; ++i) vectors.emplace_back(at::rand({size}));
  const auto start = std::chrono::steady_clock::now();
  constexpr int repetitions = 5;
  for (int i = 0; i < repetitions; ++i)
    if (!(gram(vectors).norm(0) > 0)) fail("the Gram matrix of random vectors is 0");
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double threads = detail::threads_for(static_cast<std::size_t>(n * size));
  return repetitions * n * (n + 1) / 2.0 * size / seconds / threads;
}

template <std::size_t n>
bool is_one_of(const std::string& name, const std::array<std::string_view, n>& names) {
  return std::ranges::find(names, name) != names.end();
}

constexpr std::array<std::string_view, 7> by_gram{"cgsv_exact",      "cgsv_euclidean",    "rffl",
                                                  "gated_entropy",   "consensus_entropy", "confirmed_entropy",
                                                  "verified_entropy"};
/// By a Gram matrix only where agents are few (fedval/tensor/direction_sum.hpp).
constexpr std::array<std::string_view, 3> by_sums{"cgsv", "cgsv_authors_code", "leave_one_out_cosine"};
constexpr std::array<std::string_view, 9> with_own_models{
    "cgsv",    "cgsv_exact", "cgsv_euclidean", "cgsv_authors_code", "rffl", "cffl",
    "shapfed", "fedmd",      "fedzge"};
constexpr std::array<std::string_view, 1> with_joined_updates{"rffl"};
constexpr std::array<std::string_view, 2> with_own_losses{"afl", "qffl"};
/// What is done beside training, and so what is sent, that the model does not count.
constexpr std::array<std::string_view, 14> uncounted{
    "residual", "eci_or",  "eci_mr", "fedsv",  "comfedsv", "gtg_shapley", "leave_one_out",
    "cffl",     "shapfed", "fedmd",  "fedzge", "feddf",    "dense",       "fedgen"};

Scale scale_of(const Laboratory& laboratory) {
  const Federation& federation = laboratory.federation;
  const Settings& settings = laboratory.settings;
  const FinalLayer& final = federation.network().final_layer();
  Scale scale{
      .agents = static_cast<double>(federation.agents().size()),
      .parameters = static_cast<double>(federation.dimension()),
      .state = static_cast<double>(federation.dimension() + federation.buffers()),
      .final_layer = static_cast<double>(final.classes * (final.features + (final.bias_begin < 0 ? 0 : 1)))};
  const std::size_t rounds = settings.training.rounds;
  const auto examples = static_cast<double>(federation.test_samples());
  const std::size_t saves = settings.checkpoint.every == 0 ? 0 : rounds / settings.checkpoint.every;
  Scale::Phase phase{.rounds = static_cast<double>(rounds),
                     .steps = static_cast<double>(federation.steps(0, rounds, true)),
                     .tests = scale.agents * examples,
                     .sends = false,
                     .own_models = true,
                     .saves = static_cast<double>(saves)};
  scale.phases.push_back(phase);
  phase.steps = static_cast<double>(federation.steps(0, rounds, false));
  const double evaluated = std::ceil(phase.rounds / static_cast<double>(settings.evaluation.every));
  double all_examples = 0;
  for (const Agent& agent : federation.agents()) all_examples += static_cast<double>(agent.shard.size());
  for (const std::string& method : settings.methods.run) {
    phase.sends = !distils(method);
    phase.own_models = is_one_of(method, with_own_models);
    phase.joins = is_one_of(method, with_joined_updates);
    phase.tests = examples * (evaluated + (phase.own_models ? scale.agents : 1)) +
                  (is_one_of(method, with_own_losses) ? phase.rounds * all_examples : 0);
    const auto count = [&](const auto& names) {
      const auto is_one = [&](const std::string& name) { return is_one_of(name, names); };
      return static_cast<double>(std::ranges::count_if(settings.scores.read, is_one) +
                                 (is_one(method) ? 1 : 0));
    };
    const bool few = federation.agents().size() <= most_in_pairs;
    phase.grams = count(by_gram) + (few ? count(by_sums) : 0);
    phase.sums = few ? 0 : count(by_sums);
    scale.phases.push_back(phase);
  }
  return scale;
}

Table table_of(const Scale& scale, const std::function<Speeds(std::size_t)>& speeds_with,
               const std::vector<std::size_t>& ranks) {
  constexpr double a_minute = 60;
  Table table({"ranks", "time", "memory of rank 0, MiB", "received by rank 0, MiB"});
  for (const std::size_t count : ranks) {
    const Needs needs = needs_of(scale, speeds_with(count), count);
    table.add({std::to_string(count),
               needs.seconds < a_minute ? fixed(needs.seconds, 1) + " s" : duration(needs.seconds),
               fixed(needs.memory / mib, 0), fixed(needs.received / mib, 1)});
  }
  return table;
}

/// Seconds of processors that this program has taken so far.
double seconds_taken() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

}  // namespace

std::string uncounted_in(const Settings& settings) {
  std::set<std::string> names;
  for (const auto* asked : {&settings.methods.run, &settings.scores.read})
    for (const std::string& name : *asked)
      if (is_one_of(name, uncounted)) names.insert(name);
  if (settings.truth.coalitions != "none") names.insert("truth.coalitions");
  if (!settings.attack.kinds.empty()) names.insert("attack");
  std::string text;
  for (const std::string& name : names)
    text += (text.empty() ? "Not counted is what these do beside the clients' training: " : ", ") + name;
  return text.empty() ? text : text + ".\n";
}

Needs needs_of(const Scale& scale, const Speeds& speeds, std::size_t ranks) {
  const auto R = static_cast<double>(ranks);
  const double N = scale.agents, D = scale.parameters, S = scale.state, F = scale.final_layer;
  const double elsewhere = 1 - 1 / R, held = std::ceil(N / R);
  const auto slices = static_cast<double>(detail::Slices(static_cast<std::size_t>(D)).count());
  const double run = std::ceil(slices / R) / slices * D;
  const double threads = speeds.threads > 0
                             ? speeds.threads
                             : std::max(1.0, std::floor(speeds.cores / (speeds.one_machine ? R : 1)));
  // On one machine there may be more threads than cores.
  const double crowd = speeds.one_machine ? std::max(1.0, R * threads / speeds.cores) : 1;
  Needs needs{.seconds = speeds.start * (speeds.one_machine ? std::max(1.0, R / speeds.cores) : 1) +
                         (ranks > 1 ? speeds.join : 0),
              .memory = speeds.base};
  for (const Scale::Phase& phase : scale.phases) {
    double floats = 0, matrices = 0;  // entries of vectors; bytes of sums over entries
    if (phase.sends && ranks > 1) {
      floats = N * elsewhere * (run + F + S - D) + D * elsewhere + (phase.joins ? held * elsewhere * D : 0);
      matrices = 8 * (phase.grams * N * N + phase.sums * (2 * N + 1));
    }
    const double saved = phase.saves > 0 ? (phase.own_models ? 3 * N + 2 * held : 4) * S : 0;
    const double received =
        bytes_a_float * (phase.rounds * floats + (phase.own_models ? phase.saves * N * elsewhere * S : 0)) +
        phase.rounds * matrices;
    needs.received += received;

    const double side_by_side = std::ceil(held / threads);  // an agent has one thread
    // A norm, a sum's entry and a product with the sum.
    const double products = phase.rounds * (phase.grams * (N + 1) / 2 + phase.sums * 3) * N * run;
    needs.seconds += (phase.steps * speeds.step * side_by_side / N +
                      phase.tests * speeds.example / (R * threads) + products / speeds.products / threads) *
                     crowd;
    // A Gram matrix's sum goes through the ranks that have slices, one after the other.
    needs.seconds += (received + phase.rounds * matrices * std::min(R, slices)) / speeds.link;

    const double models =
        ((phase.own_models ? 4 : 3) * held * S + (phase.joins ? held : 0) * D + 5 * D + N * (F + S - D)) *
        bytes_a_float;
    const double sums =
        phase.grams > 0
            ? 8 * (3 * N * N + std::min(std::ceil(slices / R) * N * N, std::max(threads * N * N, 0x1p25)))
            : 0;
    needs.memory = std::max(needs.memory, speeds.base + std::max(models + sums, bytes_a_float * saved));
  }
  return needs;
}

void print_plan(const Settings& settings, const Places& places, const std::vector<std::size_t>& ranks,
                double link, bool one_machine, std::ostream& out) {
  // Where cores share caches and memory, a step takes the longer the more of them are at work; and where
  // threads share a core, until they have taken their turns. More than two a core change little more.
  const auto at_work = [&](std::size_t count) {
    if (!one_machine || settings.threads == 0) return settings.threads;
    return std::min(2 * static_cast<std::size_t>(cores()), count * settings.threads);
  };
  struct Measured {
    Speeds speeds;
    std::string steps_a_second;
  };
  std::map<std::size_t, Measured> measured;
  std::optional<Scale> scale;
  std::string left_out;
  double start = 0, base = 0;
  for (const std::size_t count : ranks) {
    if (measured.contains(at_work(count))) continue;
    Settings asked = settings;
    asked.threads = at_work(count);
    Laboratory laboratory(asked, places);
    if (!scale) start = seconds_taken();
    const Federation::Pace pace = laboratory.federation.measure();
    if (!scale) {
      base = peak_memory();
      print_setting(out, laboratory);
      scale = scale_of(laboratory);
      left_out = uncounted_in(laboratory.settings);
    }
    const double used = std::min(cores(), static_cast<double>(laboratory.workers.count()));
    measured[at_work(count)] = {{.start = start,
                                 .join = 1,  // c10d looks for rank 0 once a second
                                 .step = pace.seconds_a_step * used,
                                 .example = pace.seconds_an_example * used,
                                 .products = measured_products(),
                                 .link = link,
                                 .cores = cores(),
                                 .threads = static_cast<double>(settings.threads),
                                 .base = base,
                                 .one_machine = one_machine},
                                fixed(1 / pace.seconds_a_step, 1)};
  }
  out << table_of(
             *scale, [&](std::size_t count) { return measured[at_work(count)].speeds; }, ranks)
      << '\n'
      << (one_machine ? "All ranks on this machine, whose " : "Each rank on a machine like this one, whose ")
      << cores() << " cores do ";
  for (const auto& [threads, found] : measured) {
    out << found.steps_a_second << " steps a second";
    if (measured.size() > 1) out << " with " << threads << " at work";
    out << (threads == measured.rbegin()->first ? "; " : ", ");
  }
  out << fixed(link / 1e6, 0) << " MB a second between ranks.\n";
  out << left_out << std::flush;
}

void print_plan(double agents, double parameters, const std::vector<std::size_t>& ranks, double link,
                std::ostream& out) {
  const Scale scale{
      .agents = agents, .parameters = parameters, .state = parameters, .phases = {{.rounds = 1, .grams = 1}}};
  const Speeds speeds{.products = measured_products(), .link = link, .cores = cores()};
  out << "One round of averaging with one score by a Gram matrix, without the training:\n"
      << fixed(agents, 0) << " agents, " << fixed(parameters, 0) << " parameters\n\n"
      << table_of(
             scale, [&](std::size_t) { return speeds; }, ranks)
      << '\n'
      << "Each rank on a machine like this one, whose " << fixed(speeds.cores, 0) << " cores do "
      << fixed(speeds.products * speeds.cores / 1e9, 1) << "e9 products a second; " << fixed(link / 1e6, 0)
      << " MB a second between ranks.\n"
      << std::flush;
}

}  // namespace fedval::harness
