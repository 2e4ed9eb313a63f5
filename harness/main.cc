// The command line: what to do, where the data is, where results go.
#include <sys/ioctl.h>
#include <unistd.h>

#include <c10/util/Exception.h>
#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <memory>
#include <new>
#include <optional>

#include "fedval/error.hpp"
#include "harness/cli/data_command.hpp"
#include "harness/cli/dry_run.hpp"
#include "harness/cli/experiment.hpp"
#include "harness/cli/plan.hpp"
#include "harness/config/settings.hpp"
#include "harness/distributed/launch.hpp"
#include "harness/distributed/ranks.hpp"
#include "harness/show/comparison.hpp"
#include "harness/show/report.hpp"
#include "harness/show/study.hpp"

namespace {

using namespace fedval::harness;
namespace fs = std::filesystem;

// The experiment that `quickstart` runs, as the text of its file.
constexpr std::string_view quickstart_toml =
#include "harness/quickstart_toml.inc"
    ;

// Set by the first Ctrl-C; a second one ends the program at once. SIGTERM may come twice at a time: to a
// group of processes, and from one of them to the others.
std::atomic<bool> stop_requested = false;

void request_stop(int signal) {
  stop_requested = true;
  if (signal == SIGINT) std::signal(signal, SIG_DFL);
}

/// Width of the terminal that progress is written to; 0 when it is none.
std::size_t terminal_columns() {
  winsize size{};
  if (::isatty(STDERR_FILENO) == 0) return 0;
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

struct Options {
  fs::path experiment, stopped, runs = "runs";
  std::optional<fs::path> data, page;
  std::vector<fs::path> shown;
  std::vector<std::string> changes, sets;
  std::optional<std::string> seed, device, threads, mirror;
  std::vector<std::string> launched;
  std::size_t ranks = 1;
  std::vector<std::size_t> planned{1, 2, 3, 4};
  double agents = 0, parameters = 0, link = 125;
  bool dry = false, resume = false, markdown = false, one_machine = false;

  Places places() const { return {data, runs}; }
  std::vector<Override> overrides() const {
    std::vector<Override> all;
    for (const std::string& change : changes) all.push_back({change, "--set " + change});
    if (seed) all.push_back({"seed=" + *seed, "--seed " + *seed});
    if (device) all.push_back({"device=" + *device, "--device " + *device});
    if (threads) all.push_back({"threads=" + *threads, "--threads " + *threads});
    return all;
  }
};

void add_data_option(CLI::App& command, Options& options) {
  command.add_option(
      "--data", options.data,
      "Folder with the data sets (default: $FEDVAL_DATA, else $XDG_CACHE_HOME/fedval/data, else "
      "~/.cache/fedval/data)");
}

void add_run_options(CLI::App& command, Options& options) {
  add_data_option(command, options);
  command.add_option("--out", options.runs, "Folder that the run folder goes into")->capture_default_str();
  command.add_option("--set", options.changes,
                     "KEY=VALUE in place of the file's, as training.rounds=5; a list makes a sweep");
  command.add_option("--seed", options.seed, "The same as --set seed=...");
  command.add_option("--device", options.device, "cpu, cuda or cuda:N: where models are trained and scored");
  command.add_option("--threads", options.threads, "Agents trained side by side; 0: one a core");
  CLI::Option* const dry = command.add_flag(
      "--dry-run", options.dry, "Only say what would be run, how long it takes and how much memory");
  command
      .add_flag("--resume", options.resume,
                "Leave experiments that are finished as they are, and go on with those that stopped")
      ->excludes(dry);
}

/// The settings of all of them, without the number of threads, which ranks may have of their own.
std::string what_decides(std::vector<Settings> experiments) {
  std::string text;
  for (Settings& settings : experiments) {
    settings.threads = 0;
    text += to_toml(settings) + '\n';
  }
  return text;
}

/// Every experiment of a file; `source` is what messages call it.
void run_all(const std::vector<Settings>& experiments, const std::string& source, const Options& options,
             const Terminal& terminal, Ranks& ranks) {
  ranks.check_same(what_decides(experiments), "settings");
  std::vector<fs::path> done;
  std::size_t number = 0;
  for (const Settings& settings : experiments) {
    ++number;
    if (experiments.size() > 1)
      terminal.out << (number == 1 ? "" : "\n") << "Experiment " << number << " of " << experiments.size()
                   << ": " << settings.name << std::endl;
    try {
      if (options.dry) {
        dry_run(settings, options.places(), terminal.out);
        continue;
      }
      const auto begin = options.resume ? run_or_resume : run_experiment;
      const fs::path run = begin(settings, options.places(), terminal, ranks);
      if (!run.empty()) done.push_back(run);
    } catch (const fedval::Error& error) {
      fedval::fail(source, ": ", experiments.size() > 1 ? settings.name + ": " : "", error.what());
    }
  }
  if (done.size() > 1) {
    terminal.out << '\n';
    print_comparison(terminal.out, done);
  }
}

void plan_all(const std::vector<Settings>& experiments, const Options& options) {
  for (const Settings& settings : experiments)
    print_plan(settings, options.places(), options.planned, options.link * 1e6, options.one_machine,
               std::cout);
}

/// Calls work(terminal, ranks) as this process, or as one of the ranks that a launcher has started; `dry`:
/// only as the leading one.
template <class Work>
void with_ranks(const std::string& command, bool dry, Work&& work) {
  const std::optional<Rendezvous> others = rendezvous_of(from_environment);
  if (dry && others && others->rank > 0) return;
  if (others) std::signal(SIGPIPE, SIG_IGN);  // of a rank that is gone: an error where it was written to
  const std::unique_ptr<Ranks> ranks =
      others && !dry ? std::make_unique<Ranks>(*others) : std::make_unique<Ranks>();
  std::ostream silence(nullptr);
  const bool speaks = ranks->leads();
  const Terminal terminal{speaks ? std::cout : silence, speaks ? std::cerr : silence,
                          speaks ? terminal_columns() : 0, &stop_requested};
  const auto finish = [&] {
    try {
      ranks->finish();
    } catch (const fedval::Error& error) {  // what the leading rank had to write is written
      if (!ranks->leads()) throw;
      terminal.progress << "note: " << error.what() << std::endl;
    }
  };
  try {
    ranks->check_same(command, "commands");
    work(terminal, *ranks);
    finish();
  } catch (const Stopped&) {
    finish();
    throw;
  } catch (const std::exception& error) {
    ranks->abandon(error.what());
    throw;
  }
}

int run_command_line(int argc, char** argv) {
  CLI::App app("fedval: who contributed what to a federated model, and what should each get back?",
               "harness");
  app.require_subcommand(1);
  Options options;
  CLI::App* run = app.add_subcommand("run", "Run an experiment, or a sweep, from its TOML file");
  run->add_option("experiment", options.experiment, "The experiment's file")->required();
  add_run_options(*run, options);
  CLI::App* quickstart =
      app.add_subcommand("quickstart", "Run harness/experiments/quickstart.toml, a first look in minutes");
  add_run_options(*quickstart, options);
  CLI::App* resume = app.add_subcommand("resume", "Go on with a run that was stopped or killed");
  resume->add_option("run", options.stopped, "The run's folder (runs/.NAME.partial, or runs/NAME)")
      ->required();
  add_data_option(*resume, options);
  resume->add_option("--threads", options.threads, "Agents trained side by side; 0: one a core");
  CLI::App* launcher = app.add_subcommand(
      "launch", "Run a command as several processes of this machine: launch -n 2 -- run FILE");
  launcher->add_option("-n", options.ranks, "How many")->required()->check(CLI::Range(1, 4096));
  launcher->add_option("command", options.launched, "run, quickstart or resume, with its options")
      ->required();
  CLI::App* plan =
      app.add_subcommand("plan", "Say what an experiment takes on several ranks: time, memory, traffic");
  CLI::Option* agents =
      plan->add_option("--agents", options.agents, "In place of a file: one round of so many agents")
          ->check(CLI::Range(1.0, 1e9));
  CLI::Option* parameters = plan->add_option("--parameters", options.parameters, "whose models are so large")
                                ->check(CLI::Range(1.0, 1e15))
                                ->needs(agents);
  agents->needs(parameters);
  plan->add_option("--ranks", options.planned, "How many, as 1,2,4")
      ->delimiter(',')
      ->allow_extra_args(false)  // the file may follow
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  plan->add_option("--link", options.link, "MB a second that a rank can receive")
      ->check(CLI::Range(1e-3, 1e9))
      ->capture_default_str();
  for (CLI::Option* of_a_file :
       {plan->add_option("experiment", options.experiment, "The experiment's file"),
        plan->add_option("--data", options.data, "As for run"),
        plan->add_option("--set", options.changes, "KEY=VALUE in place of the file's, as training.rounds=5")
            ->allow_extra_args(false),
        plan->add_option("--threads", options.threads,
                         "Agents trained side by side on a rank; 0: one a core"),
        plan->add_flag("--one-machine", options.one_machine,
                       "All ranks on this one, as `launch` starts them")})
    of_a_file->excludes(agents);
  CLI::App* report = app.add_subcommand("report", "Write one HTML page about one run or several");
  report->add_option("runs", options.shown, "Run folders")->required();
  report->add_option("--out", options.page,
                     "The page (default: RUN/report.html, or report.html for several)");
  CLI::App* compare = app.add_subcommand("compare", "Print runs side by side, with intervals over seeds");
  compare->add_option("runs", options.shown, "Run folders")->required();
  CLI::App* summarise = app.add_subcommand(
      "summarise", "Write a study's tables, plots and numbers: OUT.md, OUT-*.svg, OUT.json");
  summarise->add_option("runs", options.shown, "Run folders: settings x seeds")->required();
  summarise->add_option("--out", options.page, "What the files' names begin with")->required();
  CLI::App* data = app.add_subcommand("data", "List the data sets and where they are");
  add_data_option(*data, options);
  CLI::App* fetch = app.add_subcommand("fetch", "Download data sets from their official addresses");
  fetch->add_option("sets", options.sets, "Their names, as `harness data` lists them")->required();
  fetch->add_option("--mirror", options.mirror, "Take MIRROR/FILE instead of the official addresses");
  add_data_option(*fetch, options);
  CLI::App* settings =
      app.add_subcommand("settings", "Print every setting with its default and meaning, as TOML");
  settings->add_flag("--markdown", options.markdown, "As the page docs/settings.md");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  // `bazel run` starts programs in a folder of its own; paths on the command line mean the user's.
  if (const char* folder = std::getenv("BUILD_WORKING_DIRECTORY")) fs::current_path(folder);
  if (((*run || *quickstart) && !options.dry) || *resume) {
    std::signal(SIGINT, request_stop);
    std::signal(SIGTERM, request_stop);
  }
  if (*settings) std::cout << (options.markdown ? settings_page() : describe_settings());
  if (*run)
    with_ranks(options.resume ? "run --resume" : "run", options.dry,
               [&](const Terminal& terminal, Ranks& ranks) {
                 run_all(read_experiments(options.experiment, options.overrides()),
                         options.experiment.string(), options, terminal, ranks);
               });
  if (*quickstart)
    with_ranks(options.resume ? "quickstart --resume" : "quickstart", options.dry,
               [&](const Terminal& terminal, Ranks& ranks) {
                 run_all(parse_experiments(quickstart_toml, "quickstart.toml", options.overrides()),
                         "quickstart.toml", options, terminal, ranks);
               });
  if (*resume)
    with_ranks("resume", false, [&](const Terminal& terminal, Ranks& ranks) {
      resume_experiment(options.stopped, options.places(), options.overrides(), terminal, ranks);
    });
  if (*plan && *agents)
    print_plan(options.agents, options.parameters, options.planned, options.link * 1e6, std::cout);
  else if (*plan && options.experiment.empty())
    fedval::fail("plan needs an experiment's file, or --agents and --parameters");
  else if (*plan)
    plan_all(read_experiments(options.experiment, options.overrides()), options);
  if (*launcher) return launch(options.ranks, options.launched);
  if (*report) {
    const fs::path page = options.page.value_or(
        options.shown.size() == 1 ? options.shown.front() / "report.html" : fs::path("report.html"));
    write_report(options.shown, page);
    std::cout << "Written to " << page.string() << '\n';
  }
  if (*compare) print_comparison(std::cout, options.shown);
  if (*summarise) {
    write_study(options.shown, *options.page);
    std::cout << "Written to " << options.page->string() << ".md, .json and -*.svg\n";
  }
  if (*data) list_data(std::cout, options.data);
  if (*fetch) fetch_data(options.sets, options.data, options.mirror, std::cerr);
  return 0;
}

int not_enough_memory(const std::string& details) {
  std::cerr << "harness: there is not enough memory; a run can be gone on with from what it has saved"
            << details << '\n';
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run_command_line(argc, argv);
  } catch (const fedval::Error& error) {
    std::cerr << "harness: " << error.what() << '\n';
    return 2;
  } catch (const Stopped& stopped) {
    std::cerr << "harness: " << stopped.what() << '\n';
    return 130;  // as a shell reports a program that Ctrl-C ended
  } catch (const std::bad_alloc&) {
    return not_enough_memory("");
  } catch (const c10::Error& error) {  // what() is a page of addresses
    const std::string text = error.what_without_backtrace();
    if (text.find("allocate memory") != std::string::npos || text.find("out of memory") != std::string::npos)
      return not_enough_memory(": " + text);
    std::cerr << "harness: LibTorch: " << text << '\n';
    return 1;
  } catch (const std::exception& error) {
    std::cerr << "harness: " << error.what() << '\n';
    return 1;
  }
}
