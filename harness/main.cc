// The command line: what to run, where the data is, where results go.
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <optional>

#include "fedval/error.hpp"
#include "harness/cli/experiment.hpp"
#include "harness/config/settings.hpp"

namespace {

// The experiment that `quickstart` runs, as the text of its file.
constexpr std::string_view quickstart_toml =
#include "harness/quickstart_toml.inc"
    ;

struct Options {
  std::filesystem::path experiment, runs = "runs";
  std::optional<std::filesystem::path> data;
  std::optional<std::uint64_t> seed;
  std::optional<std::size_t> threads;
};

void add_run_options(CLI::App& command, Options& options) {
  command.add_option("--data", options.data,
                     "Folder with the data sets (default: $FEDVAL_DATA, else ~/.cache/fedval/data)");
  command.add_option("--out", options.runs, "Folder that the run folder goes into")->capture_default_str();
  command.add_option("--seed", options.seed, "Overrides the experiment's seed");
  command.add_option("--threads", options.threads, "Agents trained side by side; 0: one a core");
}

/// Width of the terminal that progress is written to; 0 when it is none.
std::size_t terminal_columns() {
  winsize size{};
  if (::isatty(STDERR_FILENO) == 0) return 0;
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/// `source` is what messages call the experiment.
void run(fedval::harness::Settings settings, const std::string& source, const Options& options) {
  if (options.seed) settings.seed = *options.seed;
  if (options.threads) settings.threads = *options.threads;
  try {
    fedval::harness::run_experiment(settings, {options.data, options.runs}, std::cout, std::cerr,
                                    terminal_columns());
  } catch (const fedval::Error& error) {
    fedval::fail(source, ": ", error.what());
  }
}

int run_command_line(int argc, char** argv) {
  CLI::App app("fedval: who contributed what to a federated model, and what should each get back?",
               "harness");
  app.require_subcommand(1);
  Options options;
  CLI::App* run_command = app.add_subcommand("run", "Run an experiment from its TOML file");
  run_command->add_option("experiment", options.experiment, "The experiment's file")->required();
  add_run_options(*run_command, options);
  CLI::App* quickstart =
      app.add_subcommand("quickstart", "Run harness/experiments/quickstart.toml, a first look in minutes");
  add_run_options(*quickstart, options);
  CLI::App* settings =
      app.add_subcommand("settings", "Print every setting with its default and meaning, as TOML");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  // `bazel run` starts programs in a folder of its own; paths on the command line mean the user's.
  if (const char* folder = std::getenv("BUILD_WORKING_DIRECTORY")) std::filesystem::current_path(folder);
  if (*settings) std::cout << fedval::harness::describe_settings();
  if (*run_command)
    run(fedval::harness::read_settings(options.experiment), options.experiment.string(), options);
  if (*quickstart)
    run(fedval::harness::parse_settings(quickstart_toml, "quickstart.toml"), "quickstart.toml", options);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run_command_line(argc, argv);
  } catch (const fedval::Error& error) {
    std::cerr << "harness: " << error.what() << '\n';
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "harness: " << error.what() << '\n';
    return 1;
  }
}
