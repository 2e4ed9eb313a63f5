// What the tests of fetching share.
#pragma once

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "fedval/random/philox.hpp"
#include "harness/fetch/download.hpp"
#include "tests/harness/data/files.hpp"
#include "tests/support/complaint.hpp"

namespace fedval::harness {

using test_files::contains;
using tests::complaint_of;

inline std::string text_of(const std::filesystem::path& path) {
  const auto bytes = test_files::read(path);
  return {bytes.begin(), bytes.end()};
}

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  test_files::write(path, {text.begin(), text.end()});
}

/// The names in a folder, sorted.
inline std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

inline std::string random_text(std::uint64_t seed, std::size_t size) {
  random::Stream draw(seed);
  std::string text(size, ' ');
  for (auto& letter : text) letter = static_cast<char>(draw.below(256));
  return text;
}

/// Asks 127.0.0.1 directly, whatever proxy the environment names, and does not wait long.
inline DownloadOptions impatient() {
  DownloadOptions options;
  options.attempts = 3;
  options.first_wait = std::chrono::milliseconds(5);
  options.stalled_time = std::chrono::seconds(1);
  options.no_proxy = "*";
  return options;
}

}  // namespace fedval::harness
