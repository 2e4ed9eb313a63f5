#include "harness/report/earlier_runs.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <tuple>

#include "fedval/error.hpp"
#include "harness/report/run_folder.hpp"

namespace fedval::harness {

namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code unknown;
  return fs::exists(path, unknown);
}

/// Whether a program holds the lock of the folder that it is at.
bool is_busy(const fs::path& run) {
  const int file = ::open((run / "config.toml").c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool locked = ::flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(file);
  return locked;
}

bool is_of_another_build(const fs::path& run) {
  std::ifstream file(run / "summary.json");
  const nlohmann::json summary = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  return !summary.is_object() || !summary.contains("versions") ||
         summary["versions"] != nlohmann::json(versions());
}

/// Sorts the one first that came furthest, and of several the one whose name comes first.
auto order(const fs::path& stopped) {
  return std::tuple(!is_there(stopped / "summary.json"), !is_there(stopped / "checkpoint"), stopped);
}

}  // namespace

Settings what_decides(Settings settings) {
  settings.threads = 0;
  settings.checkpoint = {};
  return settings;
}

EarlierRuns earlier_runs(const fs::path& parent, const Settings& settings) {
  EarlierRuns earlier;
  std::error_code error;
  fs::directory_iterator entry(parent, error);
  if (error == std::errc::no_such_file_or_directory) return earlier;
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const fs::path& path = entry->path();
    const std::string name = path.filename().string();
    const bool partial = name.starts_with("." + settings.name) && name.ends_with(".partial");
    if (!partial && !name.starts_with(settings.name)) continue;
    try {
      if (what_decides(read_settings(path / "config.toml")) != what_decides(settings)) continue;
    } catch (const Error&) {
      continue;
    }
    if (partial && is_busy(path))
      earlier.busy = path;
    else if (partial && (earlier.stopped.empty() || order(path) < order(earlier.stopped)))
      earlier.stopped = path;
    else if (!partial && is_there(path / "summary.json") &&
             (earlier.finished.empty() || path < earlier.finished))
      earlier.finished = path;
  }
  if (error) fail(parent.string(), ": cannot be read: ", error.message());
  earlier.other_build = !earlier.finished.empty() && is_of_another_build(earlier.finished);
  return earlier;
}

}  // namespace fedval::harness
