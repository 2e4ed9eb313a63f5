#include "harness/cli/experiment.hpp"

#include <ATen/Version.h>
#include <torch/version.h>

#include <chrono>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "fedval/error.hpp"
#include "fedval/version.hpp"
#include "harness/blackbox/runs.hpp"
#include "harness/cli/method_runs.hpp"
#include "harness/cli/peak_memory.hpp"
#include "harness/data/text_file.hpp"
#include "harness/federation/coalition_cache.hpp"
#include "harness/federation/coalition_training.hpp"
#include "harness/federation/standalone.hpp"
#include "harness/instruction_set.hpp"
#include "harness/method/methods.hpp"
#include "harness/report/earlier_runs.hpp"
#include "harness/report/progress.hpp"
#include "harness/report/run_folder.hpp"
#include "harness/report/table.hpp"
#include "harness/report/tables.hpp"
#include "harness/report/wording.hpp"

// Weak: another matrix library than OpenBLAS has no such function.
extern "C" char* openblas_get_corename() __attribute__((weak));

namespace fedval::harness {

namespace {

/// What decides the bits of a result beside the settings and the data.
std::string build() {
  return "fedval " + std::string(version) + ", LibTorch " + TORCH_VERSION + ", " +
         std::string(instruction_set()) + ", " + __VERSION__;
}

/// What LibTorch and its matrix library chose for this processor when the program began.
std::string kernels() {
  const std::string text = at::show_config(), title = "CPU capability usage: ";
  const std::size_t at = text.find(title);
  const char* const blas = openblas_get_corename != nullptr ? openblas_get_corename() : "";
  return (at == std::string::npos ? "" : text.substr(at, text.find('\n', at) - at)) + ", " + blas;
}

void say_where(const Terminal& terminal, const std::filesystem::path& path) {
  terminal.out << "\nWritten to " << path.string() << std::endl;
}

class Experiment {
 public:
  /// `folder`: null on a rank that does not lead.
  Experiment(Laboratory& laboratory, RunFolder* folder, const Terminal& terminal, Ranks& ranks)
      : laboratory_(laboratory),
        folder_(folder),
        terminal_(terminal),
        ranks_(ranks),
        standalone_(std::in_place, laboratory.federation),
        digest_(digest_of(laboratory.data)),
        received_before_(ranks.received()) {
    ranks.check_same(to_toml(what_decides(laboratory.settings)), "settings");
    ranks.check_same(std::to_string(digest_), "data");
    ranks.check_same(build(), "builds of fedval, LibTorch or the compiler");
    ranks.check_same(kernels(), "vector instructions, and so other last bits,");
    if (laboratory.settings.truth.coalitions == "none") return;
    ranks.together([&] {
      if (folder_ == nullptr) return;
      cache_.emplace(folder_->path().parent_path() / ".coalitions",
                     CoalitionOrigin{laboratory.settings, digest_, build()});
      coalitions_ = cache_->read();
    });
    Archive found;
    found.field("coalitions", coalitions_);
    Archive told(ranks.leading(found.bytes()), "coalitions of rank 0");
    told.field("coalitions", coalitions_);
    told.end();
    if (!coalitions_)
      training_.emplace(laboratory.federation);
    else if (cache_)
      terminal.progress << "note: coalitions were retrained before, " << cache_->path().string()
                        << " has them\n";
  }

  void load(std::string checkpoint) {
    Archive archive(std::move(checkpoint), "checkpoint", laboratory_.federation.device());
    fields(archive);
    archive.end();
    if (folder_ != nullptr) folder_->rewind(lengths_);
  }

  std::filesystem::path go() {
    {
      Progress progress(terminal_.progress, terminal_.columns, steps_left(),
                        accuracy_name(laboratory_.settings.evaluation.accuracy));
      train_alone(progress);
      train_coalitions(progress);
      for (std::size_t method = results_.size(); method < methods().size(); ++method)
        run(methods()[method], progress);
    }
    say_what_it_took();
    if (folder_ == nullptr) return {};
    const Results results = everything();
    std::filesystem::path path = folder_->finish(results);
    print_tables(terminal_.out, results);
    say_where(terminal_, path);
    return path;
  }

 private:
  const std::vector<std::string>& methods() const { return laboratory_.settings.methods.run; }
  std::size_t rounds() const { return laboratory_.settings.training.rounds; }

  std::size_t steps_left() const {
    const Federation& federation = laboratory_.federation;
    std::size_t steps = standalone_ ? federation.steps(standalone_->rounds(), rounds(), true) : 0;
    if (training_) steps += training_->steps_left();
    for (std::size_t method = results_.size(); method < methods().size(); ++method)
      steps += federation.steps(method == results_.size() && run_ ? run_->rounds() : 0, rounds(), false);
    return steps;
  }

  /// Of several ranks: what `harness plan` tells before.
  void say_what_it_took() {
    if (ranks_.count() == 1) return;
    std::vector<double> received(ranks_.count(),
                                 static_cast<double>(ranks_.received() - received_before_) / 1048576),
        memory(ranks_.count(), peak_memory() / 1048576);
    std::vector<std::size_t> each(ranks_.count());
    std::iota(each.begin(), each.end(), std::size_t{0});
    ranks_.share(received, each);
    ranks_.share(memory, each);
    const auto list = [](const std::vector<double>& values, int digits) {
      std::string text;
      for (const double value : values) text += (text.empty() ? "" : ", ") + fixed(value, digits);
      return text;
    };
    terminal_.progress << "ranks: " << ranks_.count() << "; received: " << list(received, 3)
                       << " MiB; memory at most: " << list(memory, 0) << " MiB" << std::endl;
  }

  void train_alone(Progress& progress) {
    if (!standalone_) return;
    progress.begin("standalone", rounds(), standalone_->rounds());
    during("standalone", [&] {
      while (!standalone_->done()) {
        standalone_->next(progress.steps());
        progress.round(standalone_->rounds());
        after_round(standalone_->rounds(), "standalone");
      }
      alone_ = standalone_->accuracies();
      alone_notes_ = standalone_->notes();
    });
    standalone_.reset();
  }

  void train_coalitions(Progress& progress) {
    if (!training_) return;
    progress.begin("coalitions", training_->all_rounds(), training_->rounds());
    during("coalitions", [&] {
      while (!training_->done()) {
        training_->next(progress.steps());
        progress.round(training_->rounds());
        after_round(training_->rounds(), "coalitions");
      }
      coalitions_ = training_->values();
      if (cache_) cache_->write(*coalitions_);
    });
    training_.reset();
  }

  void run(const std::string& name, Progress& progress) {
    if (!run_) run_ = make_run(name, laboratory_);
    progress.begin(name, rounds(), run_->rounds());
    during(name, [&] {
      while (!run_->done()) {
        const RoundRecord record = run_->next(progress.steps());
        if (folder_ != nullptr) folder_->round(name, record);
        progress.round(record);
        after_round(record.round, name);
      }
      results_.push_back(run_->finish());
    });
    run_.reset();
  }

  void after_round(std::size_t round, const std::string& what) {
    const bool stop = ranks_.any(terminal_.stop && *terminal_.stop);
    const std::size_t every = laboratory_.settings.checkpoint.every;
    if (stop || (every > 0 && round % every == 0)) save();
    if (stop)
      throw Stopped("stopped after round " + std::to_string(round) + " of " + what +
                    (folder_ != nullptr ? "; to go on: harness resume " + folder_->path().string() : ""));
  }

  void save() {
    if (standalone_) standalone_->collect();
    if (run_) run_->collect();
    if (folder_ == nullptr) return;
    lengths_ = folder_->sync();
    Archive archive;
    fields(archive);
    folder_->save(archive.bytes());
  }

  /// What a run must go on with: the settings and the data it began with; of another build it is only said.
  void check_origin(Archive& archive) {
    std::string built = build();
    archive.field("build", built);
    if (built != build())
      terminal_.progress << "note: this run began with another build (" << built
                         << "), so its results may differ from one that never stopped in the last bits\n";
    std::string settings = to_toml(laboratory_.settings);
    archive.field("settings", settings);
    if (archive.reading() &&
        what_decides(parse_settings(settings, "checkpoint: settings")) != what_decides(laboratory_.settings))
      fail("config.toml: other settings than those that the run began with");
    std::uint64_t digest = digest_;
    archive.field("data", digest);
    if (digest != digest_) fail("the data are not those that the run began with");
  }

  void fields(Archive& archive) {
    check_origin(archive);
    double before = seconds();
    archive.field("seconds", before);
    if (archive.reading()) seconds_before_ = before;
    archive.field("metrics", lengths_.metrics);
    archive.field("scores", lengths_.scores);
    archive.field("alone", alone_);
    archive.field("notes alone", alone_notes_);
    if (!alone_.empty()) standalone_.reset();
    if (standalone_) standalone_->fields(archive);
    archive.field("coalitions", coalitions_);
    bool training = training_.has_value();
    archive.field("training", training);
    if (training && !training_) training_.emplace(laboratory_.federation);
    if (!training) training_.reset();
    if (training_) training_->fields(archive);
    archive.field("results", results_);
    bool running = run_ != nullptr;
    archive.field("running", running);
    if (!running) return;
    if (archive.reading()) {
      if (results_.size() >= methods().size()) fail("the checkpoint has more methods than the settings");
      run_ = make_run(methods()[results_.size()], laboratory_);
    }
    run_->fields(archive);
  }

  double seconds() const {
    return seconds_before_ + std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

  Results everything() const {
    const Federation& federation = laboratory_.federation;
    const FinalLayer& final = federation.network().final_layer();
    Results results{.settings = laboratory_.settings,
                    .data = laboratory_.data.description,
                    .test_samples = federation.test_samples(),
                    .dimension = federation.dimension(),
                    .final_layer = final.name + ", " + std::to_string(final.classes) + " x " +
                                   std::to_string(final.features),
                    .workers = laboratory_.workers.count(),
                    .class_counts = class_counts(laboratory_.shards, laboratory_.data),
                    .seconds = seconds()};
    for (const std::string& note : alone_notes_) results.notes.push_back("standalone, " + note);
    for (std::size_t i = 0; i < federation.agents().size(); ++i) {
      const Agent& agent = federation.agents()[i];
      results.agents.push_back({agent.id, owner_of(agent), agent.shard.size(), agent.classes, alone_[i]});
    }
    if (coalitions_) {
      CoalitionShapley shapley = shapley_of(*coalitions_);
      results.truth = TruthResult{*coalitions_, std::move(shapley.accuracy), std::move(shapley.loss)};
    }
    for (std::size_t i = 0; i < results_.size(); ++i)
      results.methods.push_back(
          {methods()[i], distils(methods()[i]) ? "data share" : credit_name(methods()[i]), results_[i]});
    return results;
  }

  /// Whose data an agent of a natural partition holds.
  std::string owner_of(const Agent& agent) const {
    if (laboratory_.settings.partition.kind != "natural") return "";
    return laboratory_.data.owner_names[laboratory_.data.train.owners[agent.shard.front()]];
  }

  template <class Action>
  static void during(const std::string& what, Action&& action) {
    try {
      action();
    } catch (const Error& error) {
      fail(what, ": ", error.what());
    }
  }

  Laboratory& laboratory_;
  RunFolder* folder_;
  const Terminal& terminal_;
  Ranks& ranks_;
  std::optional<Standalone> standalone_;  // until it is done
  std::uint64_t digest_;
  std::optional<CoalitionCache> cache_;        // where coalitions are asked for
  std::optional<CoalitionTraining> training_;  // until it is done
  std::optional<std::vector<Tested>> coalitions_;
  std::vector<double> alone_;  // standalone accuracies, once they are known
  std::vector<std::string> alone_notes_;
  std::vector<RunResult> results_;  // of the methods that are done
  std::unique_ptr<MethodRun> run_;  // of the next one, once it has begun
  RunFolder::Lengths lengths_;
  std::size_t received_before_ = 0;  // by the experiments of a sweep before this one
  double seconds_before_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// From the beginning; `partial`: where the leading rank keeps it, once that is known.
std::filesystem::path begin(const Settings& settings, const Places& places, const Terminal& terminal,
                            Ranks& ranks, std::filesystem::path& partial) {
  std::optional<Laboratory> laboratory;
  std::optional<RunFolder> folder;
  ranks.together([&] {
    laboratory.emplace(settings, places, &ranks);
    check_memory(laboratory->federation);
    check_runs(*laboratory);
    if (ranks.leads()) partial = folder.emplace(places.runs, laboratory->settings).path();
  });
  print_setting(terminal.out, *laboratory);
  return Experiment(*laboratory, folder ? &*folder : nullptr, terminal, ranks).go();
}

std::filesystem::path go_on(const std::filesystem::path& stopped, const Places& places,
                            const std::vector<Override>& overrides, const Terminal& terminal, Ranks& ranks) {
  std::optional<RunFolder> folder;
  std::string settings, checkpoint;  // empty: stopped before its first checkpoint
  std::filesystem::path file, published;
  ranks.together([&] {
    if (!ranks.leads()) return;
    folder.emplace(stopped);
    if (folder->complete()) {  // stopped after its last round
      published = folder->publish();
      return;
    }
    file = folder->path() / "config.toml";
    settings = read_text(file);
    if (std::optional<LastCheckpoint> last = folder->checkpoint()) {
      if (!last->note.empty()) terminal.progress << "note: " << last->note << std::endl;
      checkpoint = std::move(last->bytes);
    }
  });
  published = ranks.leading(published.string());
  if (!published.empty()) {
    if (!ranks.leads()) return {};
    terminal.progress << "note: all was done but to give the folder its name" << std::endl;
    say_where(terminal, published);
    return published;
  }
  settings = ranks.leading(settings);
  file = ranks.leading(file.string());
  checkpoint = ranks.leading(checkpoint);
  try {
    std::optional<Laboratory> laboratory;
    ranks.together([&] {
      Settings asked = parse_experiments(settings, file.string(), overrides).front();
      // Of several ranks each has its own number of threads; those in the file are the leading one's.
      const bool said = std::ranges::any_of(
          overrides, [](const Override& each) { return each.text.starts_with("threads="); });
      if (ranks.count() > 1 && !said) asked.threads = 0;
      laboratory.emplace(asked, places, &ranks);
      check_memory(laboratory->federation);
    });
    print_setting(terminal.out, *laboratory);
    Experiment experiment(*laboratory, folder ? &*folder : nullptr, terminal, ranks);
    if (!checkpoint.empty())
      experiment.load(std::move(checkpoint));
    else if (folder)
      folder->restart();
    return experiment.go();
  } catch (const Error& error) {
    if (!folder) throw;
    fail(folder->path().string(), ": ", error.what());
  }
}

/// Begins, or goes on from `partial`; and goes on with the ranks that are left where one is lost and that is
/// wanted.
template <class Begin>
std::filesystem::path to_the_end(Begin&& begin, std::filesystem::path& partial, bool began,
                                 const Places& places, const std::vector<Override>& overrides,
                                 const Terminal& terminal, Ranks& ranks) {
  for (bool lost = false;;) {
    try {
      if (lost) {
        ranks.reform();
        std::error_code unknown;
        began = ranks.any(began ||
                          (!partial.empty() && std::filesystem::exists(partial / "checkpoint", unknown)));
        lost = false;
      }
      return began ? go_on(partial, places, overrides, terminal, ranks) : begin();
    } catch (const Error& error) {
      lost = ranks.lost_one();
      if (!lost) throw;
      terminal.progress << "note: " << error.what() << "; the others go on from the last checkpoint"
                        << std::endl;
    }
  }
}

}  // namespace

std::filesystem::path run_experiment(const Settings& settings, const Places& places, const Terminal& terminal,
                                     Ranks& ranks) {
  std::filesystem::path partial;
  return to_the_end([&] { return begin(settings, places, terminal, ranks, partial); }, partial, false, places,
                    {}, terminal, ranks);
}

std::filesystem::path resume_experiment(const std::filesystem::path& stopped, const Places& places,
                                        const std::vector<Override>& overrides, const Terminal& terminal,
                                        Ranks& ranks) {
  std::filesystem::path partial = stopped;
  return to_the_end([] { return std::filesystem::path(); }, partial, true, places, overrides, terminal,
                    ranks);
}

std::filesystem::path run_or_resume(const Settings& settings, const Places& places, const Terminal& terminal,
                                    Ranks& ranks) {
  EarlierRuns earlier;
  ranks.together([&] {
    if (!ranks.leads()) return;
    Settings asked = settings;
    asked.data.set = data_set_of(settings, places);
    earlier = earlier_runs(places.runs, asked);
  });
  const std::string finished = ranks.leading(earlier.finished.string());
  const std::string stopped = ranks.leading(earlier.stopped.string());
  const std::string busy = ranks.leading(earlier.busy.string());
  if (!finished.empty()) {
    terminal.out << "Finished before: " << finished << (earlier.other_build ? ", by another build" : "")
                 << std::endl;
    return earlier.finished;
  }
  if (!busy.empty()) {
    terminal.out << "Another program is at it: " << busy << std::endl;
    return {};
  }
  if (stopped.empty()) return run_experiment(settings, places, terminal, ranks);
  terminal.progress << "note: goes on from " << stopped << std::endl;
  std::vector<Override> free;
  for (const std::string& text : {"threads=" + std::to_string(settings.threads),
                                  "checkpoint.every=" + std::to_string(settings.checkpoint.every)})
    free.push_back({text, text});
  return resume_experiment(stopped, places, free, terminal, ranks);
}

}  // namespace fedval::harness
