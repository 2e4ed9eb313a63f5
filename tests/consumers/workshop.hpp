// A folder in which another project stands beside a copy of fedval, and a shell that builds it there.
#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace fedval::consumers {

inline std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::istringstream text(text_of(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

/// The `number`th block (from 1) of `language` in a Markdown file: what a reader would copy.
inline std::string block_of(const std::filesystem::path& markdown, const std::string& language, int number) {
  std::string block;
  bool inside = false;
  for (const std::string& line : lines_of(markdown)) {
    if (line.starts_with("```")) {
      if (inside) return block;
      inside = line == "```" + language && --number == 0;
    } else if (inside) {
      block += line + '\n';
    }
  }
  throw std::runtime_error(markdown.string() + " has no such block of " + language);
}

struct Finished {
  int code;
  std::string output;  ///< stdout and stderr
};

/// Whether a command of this name can be started.
inline bool have(const std::string& command) {
  return std::system(("command -v " + command + " >/dev/null 2>&1").c_str()) == 0;
}

/// A fresh folder in which scripts run: $FEDVAL is the library's folder, $HOME the fresh one.
class Workshop {
 public:
  Workshop() {
    const char* temporary = std::getenv("TEST_TMPDIR");
    std::string name = std::string(temporary ? temporary : "/tmp") + "/consumer-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
    folder_ = name;
  }
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;
  ~Workshop() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  std::filesystem::path operator/(const std::string& name) const { return folder_ / name; }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream file(folder_ / name);
    file << text;
    if (!file) throw std::runtime_error("cannot write " + name);
  }

  Finished run(const std::string& script) const {
    write("script.sh", "set -e\nexport HOME=\"$PWD\"\n" + script);
    const std::string command =
        "export FEDVAL=\"$PWD\"; cd " + folder_.string() + " && sh script.sh >output 2>&1";
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text_of(folder_ / "output")};
  }

 private:
  std::filesystem::path folder_;
};

}  // namespace fedval::consumers
