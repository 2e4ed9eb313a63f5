#include "harness/config/settings.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "fedval/error.hpp"
#include "harness/config/document.hpp"
#include "harness/config/reader.hpp"
#include "harness/config/wording.hpp"

namespace fedval::harness {
namespace {

[[noreturn]] void fail_to_read(const std::filesystem::path& path, int error) {
  if (error == ENOENT) fail("experiment file ", path.string(), ": no such file");
  fail("experiment file ", path.string(), ": cannot be read: ", std::generic_category().message(error));
}

std::string contents(const std::filesystem::path& path) {
  std::error_code ignored;  // opening the file says what is wrong with it
  if (std::filesystem::is_directory(path, ignored))
    fail("experiment file ", path.string(), ": is a directory");
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.string().c_str(), "rb"),
                                                             &std::fclose);
  if (!file) fail_to_read(path, errno);
  std::string text;
  char block[4096];
  while (const std::size_t length = std::fread(block, 1, sizeof block, file.get()))
    text.append(block, length);
  if (std::ferror(file.get())) fail_to_read(path, errno);
  return text;
}

}  // namespace

std::vector<Settings> parse_experiments(std::string_view text, const std::string& source,
                                        const std::vector<Override>& overrides) {
  toml::table document = parse_toml(text, source);
  std::optional<std::string> chosen = take_size(document, source);
  for (const Override& change : overrides) {
    toml::table changes = parse_toml(change);
    if (auto size = take_size(changes)) chosen = std::move(size);
  }
  std::vector<std::string> there;  // the chosen one last; a mistake in another one is a mistake, too
  for (const std::string_view size : sizes)
    if (document.contains(size)) there.emplace_back(size);
  if (!there.empty() && !chosen)
    fail(source, ": has a table [", there.front(),
         "], but no size is chosen: size = ", in_quotes(there.front()));
  if (chosen && std::erase(there, *chosen) == 0)
    fail(source, ": size is ", in_quotes(*chosen), ", but there is no table [", *chosen, "]");
  there.push_back(chosen.value_or(""));

  std::vector<Settings> experiments;
  for (const std::string& size : there) {
    document = parse_toml(text, source);  // anew, as copies forget their lines
    take_size(document);
    document = in_size(std::move(document), size, source);
    for (const Override& change : overrides) {
      toml::table changes = parse_toml(change);
      take_size(changes);
      merge(document, std::move(changes));
    }
    experiments = read_all(document, source);
  }
  return experiments;
}

std::vector<Settings> read_experiments(const std::filesystem::path& path,
                                       const std::vector<Override>& overrides) {
  return parse_experiments(contents(path), path.string(), overrides);
}

Settings parse_settings(std::string_view text, const std::string& source) {
  const std::vector<Settings> all = parse_experiments(text, source);
  if (all.size() > 1) fail(source, ": is a sweep of ", all.size(), " experiments, expected one");
  return all.front();
}

Settings read_settings(const std::filesystem::path& path) {
  return parse_settings(contents(path), path.string());
}

}  // namespace fedval::harness
