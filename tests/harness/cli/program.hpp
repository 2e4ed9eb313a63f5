// Starts the harness as a user does and looks at what it leaves behind.
#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/harness/data/files.hpp"

namespace fedval::harness {

struct Finished {
  int code;
  std::string out, err;
};

inline std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// Runs `harness ARGUMENTS` to its end; its output goes to files in `folder`.
inline Finished harness(const test_files::Folder& folder, const std::string& arguments) {
  const std::string command = "unset BUILD_WORKING_DIRECTORY; harness/harness " + arguments + " >" +
                              (folder / "stdout").string() + " 2>" + (folder / "stderr").string();
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text_of(folder / "stdout"),
          text_of(folder / "stderr")};
}

/// Everything a folder holds, hidden names too; 0 where there is no such folder.
inline std::size_t entries(const std::filesystem::path& folder) {
  if (!std::filesystem::exists(folder)) return 0;
  const auto all = std::filesystem::directory_iterator(folder);
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

/// An experiment that takes a second or two.
inline const std::string tiny_experiment = R"(name = "tiny"
[data]
set = "digits"
[partition]
kind = "pow"
agents = 3
samples_per_agent = 40
[training]
rounds = 2
local_epochs = 1
batch_size = 16
learning_rate = 0.1
[evaluation]
test_samples = 50
)";

}  // namespace fedval::harness
