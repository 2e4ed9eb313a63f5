// A file that is written piece by piece and must be on the disk before it counts: what is written is never
// buffered here, so that a program that is killed leaves all it was given.
#pragma once

#include <filesystem>
#include <initializer_list>
#include <string_view>

namespace fedval::harness {

/// A file open for writing at its end. Every member throws Error naming the file and the system's reason,
/// such as a full disk.
class OutputFile {
 public:
  /// Opens the file, or makes it where there is none; its folder must be there.
  explicit OutputFile(const std::filesystem::path& path);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  void write(std::string_view bytes);
  /// Throws away all that the file holds.
  void clear();
  /// Waits until the file's bytes are on the disk.
  void sync();

 private:
  [[noreturn]] void complain(const char* action) const;

  std::filesystem::path path_;
  int descriptor_;
};

/// Makes a file hold these pieces, one after the other. They are written beside it, to draft_of(path), and
/// put in place when they are on the disk: whenever the program or the machine stops, the file is the old one
/// or the new one. Throws Error naming the file; it is then the old one.
void replace_file(const std::filesystem::path& path, std::initializer_list<std::string_view> pieces);

/// Where replace_file() writes first. A program that is killed may leave it.
std::filesystem::path draft_of(const std::filesystem::path& path);

/// Renames a file or folder in one step and makes that lasting. A file at `to` is replaced. Throws Error
/// naming both.
void put_in_place(const std::filesystem::path& from, const std::filesystem::path& to);

/// Deletes a file, or a folder with all it holds; nothing there is no error. Throws Error naming it.
void discard(const std::filesystem::path& path);

}  // namespace fedval::harness
