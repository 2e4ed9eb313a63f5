#include "harness/cli/experiment.hpp"

#include <torch/version.h>

#include <chrono>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "fedval/error.hpp"
#include "harness/blackbox/runs.hpp"
#include "harness/federation/coalition_cache.hpp"
#include "harness/federation/coalition_training.hpp"
#include "harness/federation/run.hpp"
#include "harness/federation/standalone.hpp"
#include "harness/method/methods.hpp"
#include "harness/method/readers.hpp"
#include "harness/report/progress.hpp"
#include "harness/report/run_folder.hpp"
#include "harness/report/tables.hpp"
#include "harness/version.hpp"

namespace fedval::harness {

namespace {

/// What decides the bits of a result beside the settings and the data.
std::string build() {
  return "fedval " + std::string(version) + ", LibTorch " + TORCH_VERSION + ", " +
         std::string(instruction_set()) + ", " + __VERSION__;
}

/// The settings without those that a run may go on with others of: its bits do not depend on them.
Settings what_decides(Settings settings) {
  settings.threads = 0;
  settings.checkpoint = {};
  return settings;
}

class Experiment {
 public:
  Experiment(Laboratory& laboratory, RunFolder& folder, const Terminal& terminal)
      : laboratory_(laboratory),
        folder_(folder),
        terminal_(terminal),
        standalone_(std::in_place, laboratory.federation),
        digest_(digest_of(laboratory.data)) {
    if (laboratory.settings.truth.coalitions == "none") return;
    cache_.emplace(folder.path().parent_path() / ".coalitions",
                   CoalitionOrigin{laboratory.settings, digest_, build()});
    coalitions_ = cache_->read();
    if (coalitions_) {
      terminal.progress << "note: coalitions were retrained before, " << cache_->path().string()
                        << " has them\n";
    } else {
      training_.emplace(laboratory.federation);
    }
  }

  void load(std::string checkpoint) {
    Archive archive(std::move(checkpoint), "checkpoint");
    fields(archive);
    archive.end();
    folder_.rewind(lengths_);
  }

  std::filesystem::path go() {
    {
      Progress progress(terminal_.progress, terminal_.columns, steps_left());
      train_alone(progress);
      train_coalitions(progress);
      for (std::size_t method = results_.size(); method < methods().size(); ++method)
        run(methods()[method], progress);
    }
    const Results results = everything();
    print_tables(terminal_.out, results);
    std::filesystem::path path = folder_.finish(results);
    terminal_.out << "\nWritten to " << path.string() << std::endl;
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
      cache_->write(*coalitions_);
    });
    training_.reset();
  }

  void run(const std::string& name, Progress& progress) {
    if (!run_) run_ = make_run(name);
    progress.begin(name, rounds(), run_->rounds());
    during(name, [&] {
      while (!run_->done()) {
        const RoundRecord record = run_->next(progress.steps());
        folder_.round(name, record);
        progress.round(record);
        after_round(record.round, name);
      }
      results_.push_back(run_->finish());
    });
    run_.reset();
  }

  std::unique_ptr<MethodRun> make_run(const std::string& name) {
    if (distils(name)) return make_distillation_run(name, laboratory_.federation);
    return std::make_unique<Run>(laboratory_.federation, make_method(name, laboratory_.settings),
                                 [&] { return make_readers(laboratory_.settings); });
  }

  void after_round(std::size_t round, const std::string& what) {
    const bool stop = terminal_.stop && *terminal_.stop;
    const std::size_t every = laboratory_.settings.checkpoint.every;
    if (stop || (every > 0 && round % every == 0)) save();
    if (stop)
      throw Stopped("stopped after round " + std::to_string(round) + " of " + what +
                    "; to go on: harness resume " + folder_.path().string());
  }

  void save() {
    lengths_ = folder_.sync();
    Archive archive;
    fields(archive);
    folder_.save(archive.bytes());
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
      run_ = make_run(methods()[results_.size()]);
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
  RunFolder& folder_;
  const Terminal& terminal_;
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
  double seconds_before_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

std::filesystem::path run_experiment(const Settings& settings, const Places& places,
                                     const Terminal& terminal) {
  Laboratory laboratory(settings, places);
  RunFolder folder(places.runs, laboratory.settings);
  print_setting(terminal.out, laboratory);
  return Experiment(laboratory, folder, terminal).go();
}

std::filesystem::path resume_experiment(const std::filesystem::path& stopped, const Places& places,
                                        const std::vector<Override>& overrides, const Terminal& terminal) {
  RunFolder folder(stopped);
  const Settings settings = read_experiments(folder.path() / "config.toml", overrides).front();
  std::optional<std::string> checkpoint = folder.checkpoint();
  try {
    Laboratory laboratory(settings, places);
    print_setting(terminal.out, laboratory);
    Experiment experiment(laboratory, folder, terminal);
    if (checkpoint) {
      experiment.load(std::move(*checkpoint));
    } else {  // stopped before its first checkpoint: from the beginning
      folder.restart();
    }
    return experiment.go();
  } catch (const Error& error) {
    fail(folder.path().string(), ": ", error.what());
  }
}

}  // namespace fedval::harness
