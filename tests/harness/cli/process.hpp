// A harness that runs beside the test: to be killed, interrupted and resumed.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/harness/cli/program.hpp"

namespace fedval::harness {

using Clock = std::chrono::steady_clock;

/// `harness ARGUMENTS`, started and not waited for; killed at the latest by the destructor. Its output goes
/// to files in `folder`. Writing a file beyond `room` bytes fails as on a full disk. `prefix`: a command that
/// starts it.
class Process {
 public:
  Process(const test_files::Folder& folder, std::vector<std::string> arguments, rlim_t room = RLIM_INFINITY,
          const std::vector<std::string>& prefix = {})
      : folder_(folder) {
    arguments.insert(arguments.begin(), "harness/harness");
    arguments.insert(arguments.begin(), prefix.begin(), prefix.end());
    std::vector<char*> words;
    words.reserve(arguments.size() + 1);
    for (std::string& argument : arguments) words.push_back(argument.data());
    words.push_back(nullptr);
    const std::string out = (folder / "stdout").string(), err = (folder / "stderr").string();
    pid_ = fork();
    if (pid_ < 0) throw std::runtime_error("cannot fork");
    if (pid_ == 0) {
      unsetenv("BUILD_WORKING_DIRECTORY");
      dup2(open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666), STDOUT_FILENO);
      dup2(open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666), STDERR_FILENO);
      const rlimit limit{room, RLIM_INFINITY};
      if (room != RLIM_INFINITY) setrlimit(RLIMIT_FSIZE, &limit);
      std::signal(SIGXFSZ, SIG_IGN);
      execvp(words.front(), words.data());
      _exit(127);
    }
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    if (running()) {
      send(SIGKILL);
      wait();
    }
  }

  bool running() {
    if (pid_ > 0 && waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = 0;
    return pid_ > 0;
  }
  void send(int signal) {
    if (running()) kill(pid_, signal);
  }
  /// To its end. The code is 128 + the signal's number where a signal ended it, as a shell has it.
  Finished wait() {
    if (pid_ > 0) waitpid(pid_, &status_, 0);
    pid_ = 0;
    return {WIFSIGNALED(status_) ? 128 + WTERMSIG(status_) : WEXITSTATUS(status_),
            text_of(folder_ / "stdout"), text_of(folder_ / "stderr")};
  }
  /// Kill -9, unless it has ended.
  Finished end() {
    send(SIGKILL);
    return wait();
  }

  /// Waits until the condition holds or the program has ended.
  template <class Condition>
  void until(Condition&& condition) {
    while (running() && !condition()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

 private:
  const test_files::Folder& folder_;
  pid_t pid_ = 0;
  int status_ = 0;
};

/// A file that is replaced is another file: which one it is now, 0 while there is none.
inline ino_t identity_of(const std::filesystem::path& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 ? found.st_ino : 0;
}

/// Every file of a folder with what it holds.
inline std::map<std::string, std::string> contents(const std::filesystem::path& folder) {
  std::map<std::string, std::string> all;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    all[entry.path().filename().string()] = text_of(entry.path());
  return all;
}

/// A value without its times, and without the number of workers, which decides nothing else.
inline nlohmann::json timeless(nlohmann::json value) {
  if (value.is_object())
    for (const char* key : {"seconds", "training_seconds", "valuation_seconds", "workers"}) value.erase(key);
  if (value.is_structured())
    for (auto& part : value) part = timeless(part);
  return value;
}

/// What a finished run found, all that is the same whenever and wherever it runs.
struct Found {
  std::string scores;
  std::vector<nlohmann::json> metrics;
  nlohmann::json summary;
  bool operator==(const Found&) const = default;
};

inline Found found_in(const std::filesystem::path& run) {
  Found found{
      text_of(run / "scores.csv"), {}, timeless(nlohmann::json::parse(text_of(run / "summary.json")))};
  std::ifstream lines(run / "metrics.jsonl");
  for (std::string line; std::getline(lines, line);)
    found.metrics.push_back(timeless(nlohmann::json::parse(line)));
  return found;
}

/// An experiment of a fraction of a second, with everything in it that a resumed run could get wrong: agents
/// that are away or do not finish, and dropout in the model.
inline const std::string small_experiment = R"(name = "small"
threads = 2
[data]
set = "sentences"
[partition]
kind = "pow"
agents = 3
samples_per_agent = 20
[model]
name = "text_cnn"
kernel_widths = [2]
[training]
rounds = 3
local_epochs = 1
batch_size = 16
learning_rate = 0.1
[participation]
fraction = 0.67
dropout = 0.2
stragglers = 0.3
[evaluation]
test_samples = 20
)";

/// The same with rounds that take minutes.
inline const std::string endless_experiment = [] {
  std::string text = small_experiment;
  const std::string epochs = "local_epochs = 1";
  return text.replace(text.find(epochs), epochs.size(), "local_epochs = 10000");
}();

}  // namespace fedval::harness
