#include "harness/files/output_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>

#include "fedval/error.hpp"

namespace fedval::harness {

OutputFile::OutputFile(const std::filesystem::path& path)
    : path_(path), descriptor_(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) complain("open for writing");
}

OutputFile::~OutputFile() { close(descriptor_); }

void OutputFile::complain(const char* action) const {
  fail(path_.string(), ": cannot ", action, ": ", std::strerror(errno));
}

void OutputFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) complain("write");
    if (written > 0) bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

void OutputFile::clear() {
  if (ftruncate(descriptor_, 0) != 0) complain("empty");
}

void OutputFile::sync() {
  if (fsync(descriptor_) != 0) complain("write to the disk");
}

std::filesystem::path draft_of(const std::filesystem::path& path) { return path.string() + ".new"; }

void replace_file(const std::filesystem::path& path, std::initializer_list<std::string_view> pieces) {
  const std::filesystem::path draft = draft_of(path);
  try {
    OutputFile file(draft);
    file.clear();
    for (const std::string_view piece : pieces) file.write(piece);
    file.sync();
    put_in_place(draft, path);
  } catch (const Error& error) {
    std::error_code ignored;
    std::filesystem::remove(draft, ignored);
    fail(path.string(), ": cannot be written: ", error.what());
  }
}

void put_in_place(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0)
    fail(from.string(), ": cannot rename to ", to.string(), ": ", std::strerror(errno));
  // The new name is an entry of the folder, which is written like a file. Some file systems cannot sync a
  // folder; the name is then as lasting as they make it.
  const auto folder = to.has_parent_path() ? to.parent_path() : ".";
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  fsync(descriptor);
  close(descriptor);
}

void discard(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::remove_all(path, error); error)
    fail(path.string(), ": cannot delete: ", error.message());
}

}  // namespace fedval::harness
