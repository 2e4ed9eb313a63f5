#include "harness/data/input_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "fedval/error.hpp"

namespace fedval::harness {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::status(path, ignored).type() != fs::file_type::not_found;
}

bool any_there(const fs::path& folder, const std::vector<std::string>& names) {
  return std::any_of(names.begin(), names.end(), [&](const auto& name) { return is_there(folder / name); });
}

fs::path first_with(const std::vector<fs::path>& folders, const std::vector<std::string>& names) {
  const auto found = std::find_if(folders.begin(), folders.end(),
                                  [&](const fs::path& folder) { return any_there(folder, names); });
  return found == folders.end() ? folders.front() : *found;
}

std::optional<fs::path> find_plain_or_gzip(const fs::path& where, const std::string& name) {
  for (const char* ending : {"", ".gz"})
    if (const fs::path path = where / (name + ending); is_there(path)) return path;
  return std::nullopt;
}

fs::path require_plain_or_gzip(const std::string& set, const fs::path& where, const std::string& name) {
  const auto path = find_plain_or_gzip(where, name);
  if (!path) fail(set, ": ", name, " (or ", name, ".gz) is not in ", where.string());
  return *path;
}

std::ifstream open_input(const fs::path& path) {
  // Some other things can be opened, but opening may wait forever (a pipe), and reading may fail (a folder).
  std::error_code ignored;
  if (fs::exists(path, ignored) && !fs::is_regular_file(path, ignored))
    fail(path.string(), ": not a regular file");
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(path.string(), ": cannot open: ", std::strerror(errno));
  if (file.peek() == std::ifstream::traits_type::eof()) fail(path.string(), ": is empty");
  return file;
}

}  // namespace fedval::harness
