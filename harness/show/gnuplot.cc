#include "harness/show/gnuplot.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "fedval/error.hpp"
#include "harness/show/markup.hpp"

namespace fedval::harness {
namespace {

// A file in memory: unlike a pipe it never fills up, so that the two programs need not take turns.
class MemoryFile {
 public:
  explicit MemoryFile(const char* name) : descriptor_(memfd_create(name, MFD_CLOEXEC)) {
    if (descriptor_ < 0) fail("gnuplot: no file in memory: ", std::strerror(errno));
  }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  int descriptor() const { return descriptor_; }

  void fill(std::string_view text) {
    while (!text.empty()) {
      const ssize_t written = write(descriptor_, text.data(), text.size());
      if (written < 0) fail("gnuplot: its script cannot be written: ", std::strerror(errno));
      text.remove_prefix(static_cast<std::size_t>(written));
    }
    lseek(descriptor_, 0, SEEK_SET);
  }

  std::string content() const {
    std::string text;
    std::array<char, 1 << 16> chunk;
    lseek(descriptor_, 0, SEEK_SET);
    for (ssize_t got = 0; (got = read(descriptor_, chunk.data(), chunk.size())) > 0;)
      text.append(chunk.data(), static_cast<std::size_t>(got));
    return text;
  }

 private:
  int descriptor_;
};

class Redirections {
 public:
  Redirections() { posix_spawn_file_actions_init(&actions_); }
  ~Redirections() { posix_spawn_file_actions_destroy(&actions_); }
  Redirections(const Redirections&) = delete;
  Redirections& operator=(const Redirections&) = delete;

  void add(const MemoryFile& file, int as) {
    posix_spawn_file_actions_adddup2(&actions_, file.descriptor(), as);
  }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

// gnuplot gives its markers the same ids in every file; in one document they must differ. Inside tags only:
// gnuplot writes '<' in texts as a reference.
std::string with_own_ids(std::string_view markup, const std::string& id) {
  std::string result;
  bool tag = false;
  for (std::size_t i = 0; i < markup.size(); ++i) {
    if (markup[i] == '<') tag = true;
    if (markup[i] == '>') tag = false;
    result += markup[i];
    const std::string_view before = markup.substr(0, i + 1);
    for (const std::string_view mark : {" id='", " id=\"", "href='#", "url(#"})
      if (tag && before.ends_with(mark)) result += id + "-";
  }
  return result;
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (std::size_t i = 0; (i = text.find(what, i)) != std::string::npos; i += with.size())
    text.replace(i, what.size(), with);
}

// The elements inside gnuplot's <svg>, without its title, its description, and the titles of plots, which are
// mere numbers that a browser would show under the mouse.
std::string inner(const std::string& svg) {
  const std::size_t start = svg.find("</desc>"), end = svg.rfind("</svg>");
  if (start == std::string::npos || end == std::string::npos) fail("gnuplot: its output is no SVG: ", svg);
  std::string result = svg.substr(start + 7, end - start - 7);
  for (std::size_t i = 0; (i = result.find("<title>", i)) != std::string::npos;)
    result.erase(i, result.find("</title>", i) + 8 - i);
  replace_all(result, "xlink:href", "href");
  return result;
}

}  // namespace

std::string run_gnuplot(const std::string& script) {
  MemoryFile in("script"), out("plot"), complaints("complaints");
  in.fill(script);
  Redirections redirections;
  redirections.add(in, STDIN_FILENO);
  redirections.add(out, STDOUT_FILENO);
  redirections.add(complaints, STDERR_FILENO);
  std::string name = "gnuplot", no_personal_settings = "-d";
  const std::array<char*, 3> arguments{name.data(), no_personal_settings.data(), nullptr};
  pid_t process = 0;
  const int error =
      posix_spawnp(&process, name.c_str(), redirections.get(), nullptr, arguments.data(), environ);
  if (error == ENOENT)
    fail("gnuplot is not installed: it draws the figures; Debian's package is gnuplot-nox");
  if (error != 0) fail("gnuplot cannot be started: ", std::strerror(error));
  int status = 0;
  while (waitpid(process, &status, 0) < 0)
    if (errno != EINTR) fail("gnuplot: its end was missed: ", std::strerror(errno));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail("gnuplot failed: ", complaints.content());
  return out.content();
}

std::string gnuplot_svg(const Canvas& canvas, const std::string& script) {
  const std::string terminal = "set encoding utf8\nset terminal svg noenhanced size " +
                               std::to_string(canvas.width) + "," + std::to_string(canvas.height) +
                               " font 'sans-serif,11'\n";
  return svg_element(canvas, with_own_ids(inner(run_gnuplot(terminal + script)), canvas.id));
}

std::string svg_element(const Canvas& canvas, std::string_view content) {
  const std::string& id = canvas.id;
  const std::string opening = "svg role='img' aria-labelledby='" + id + "-title " + id +
                              "-desc' viewBox='0 0 " + std::to_string(canvas.width) + " " +
                              std::to_string(canvas.height) + "' width='" + std::to_string(canvas.width) +
                              "' height='" + std::to_string(canvas.height) + "'";
  return element(opening, element("title id='" + id + "-title'", escaped(canvas.title)) +
                              element("desc id='" + id + "-desc'", escaped(canvas.description)) +
                              std::string(content));
}

std::string gnuplot_text(std::string_view text) {
  std::string result = plain(text);
  replace_all(result, "'", "''");
  return "'" + result + "'";
}

}  // namespace fedval::harness
