#include "harness/fetch/fetch.hpp"

#include <algorithm>
#include <cstdint>
#include <iomanip>
#include <sstream>
#include <system_error>

#include "fedval/error.hpp"
#include "harness/fetch/unpack.hpp"
#include "harness/fetch/workplace.hpp"
#include "harness/files/output_file.hpp"

namespace fedval::harness {
namespace {

namespace fs = std::filesystem;

// What cannot be looked at counts as missing: making it then says why.
bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool all_there(const fs::path& folder, const std::vector<std::string>& files) {
  return std::all_of(files.begin(), files.end(), [&](const auto& file) { return is_file(folder / file); });
}

std::string mirrored(const std::string& address, const std::string& mirror) {
  if (mirror.empty()) return address;
  return mirror + (mirror.ends_with('/') ? "" : "/") + address.substr(address.rfind('/') + 1);
}

std::string megabytes(std::uint64_t bytes) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(1) << static_cast<double>(bytes) / 1e6 << " MB";
  return text.str();
}

// A line for each tenth of a file; none while its size is not known.
auto tenths(const std::string& file, std::ostream& progress) {
  return [file, &progress, last = std::uint64_t{0}](std::uint64_t bytes, std::uint64_t total) mutable {
    const std::uint64_t tenth = total == 0 ? 0 : bytes * 10 / total;
    if (tenth == last) return;
    last = tenth;
    progress << file << ": " << tenth * 10 << " % of " << megabytes(total) << std::endl;
  };
}

class Fetch {
 public:
  Fetch(const Source& source, const FetchOptions& options, std::ostream& progress)
      : source_(source),
        options_(options),
        progress_(progress),
        files_(wanted_files(source)),
        fetched_{.folder = options.data / source.folder} {}

  Fetched run() {
    if (all_there(fetched_.folder, files_)) return was_there();
    Workplace workplace(fetched_.folder,
                        [&] { say(fetched_.folder.string() + ": another process is fetching it, waiting"); });
    if (all_there(fetched_.folder, files_)) return was_there();
    const fs::path ready = workplace.folder() / "ready";
    discard(ready);
    source_.members.empty() ? collect_files(workplace.folder(), ready)
                            : unpack_archive(workplace.folder(), ready);
    publish(ready);
    workplace.clear();
    say(source_.name + ": ready in " + fetched_.folder.string());
    return fetched_;
  }

 private:
  void say(const std::string& line) const { progress_ << line << std::endl; }

  Fetched was_there() {
    say(source_.name + ": already there, in " + fetched_.folder.string());
    fetched_.was_there = true;
    return fetched_;
  }

  void get(Remote remote, const fs::path& folder) {
    remote.address = mirrored(remote.address, options_.mirror);
    DownloadOptions patience = options_.download;
    patience.progress = tenths(remote.file, progress_);
    patience.retrying = [&](const std::string& why) { say(why); };
    say(remote.file + ": from " + remote.address);
    const std::string digest = download(remote, folder, patience);
    if (!remote.digest.empty()) return;
    fetched_.notes.push_back(remote.file + ": no published checksum is known: " + digest + " as received");
    say(fetched_.notes.back());
  }

  // All are downloaded before the first is moved, so that what breaks off goes on where it was.
  void collect_files(const fs::path& folder, const fs::path& ready) {
    std::vector<std::string> missing;
    for (const auto& remote : source_.remotes) {
      if (is_file(fetched_.folder / remote.file)) continue;
      get(remote, folder);
      missing.push_back(remote.file);
    }
    std::error_code error;
    if (fs::create_directory(ready, error); error)
      fail(ready.string(), ": cannot make the folder: ", error.message());
    for (const auto& file : missing) put_in_place(folder / file, ready / file);
  }

  void unpack_archive(const fs::path& folder, const fs::path& ready) {
    const Remote& archive = source_.remotes.at(0);
    get(archive, folder);
    Unpacking unpacking;
    for (const auto& member : source_.members) unpacking.endings.push_back("/" + member);
    say(archive.file + ": unpacking");
    try {
      unpack(folder / archive.file, ready, unpacking);
    } catch (const Error&) {
      // Nothing vouches for this archive, so the next run must not take it for a good one.
      if (archive.digest.empty()) discard(folder / archive.file);
      throw;
    }
  }

  // A set whose folder is not there yet appears in one step.
  void publish(const fs::path& ready) const {
    const fs::path& folder = fetched_.folder;
    std::error_code ignored;
    if (!fs::exists(folder, ignored)) return put_in_place(ready, folder);
    for (const auto& file : files_)
      if (!is_file(folder / file)) put_in_place(ready / file, folder / file);
  }

  const Source& source_;
  const FetchOptions& options_;
  std::ostream& progress_;
  const std::vector<std::string> files_;
  Fetched fetched_;
};

}  // namespace

Fetched fetch(const Source& source, const FetchOptions& options, std::ostream& progress) {
  if (!source.members.empty() && source.remotes.size() != 1)
    fail("fetch: ", source.name, " has ", source.remotes.size(), " archives, expected 1");
  return Fetch(source, options, progress).run();
}

Fetched fetch(const std::string& set, const FetchOptions& options, std::ostream& progress) {
  return fetch(find_source(set), options, progress);
}

}  // namespace fedval::harness
