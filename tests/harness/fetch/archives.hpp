// Small archives for the tests, written by libarchive's writer.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace fedval::harness::test_archives {

/// A member: a file, or a link where `link` is not empty, or a folder where the path ends with "/".
struct Member {
  std::string path;
  std::string content = {};
  std::string link = {};
  bool hard = false;
};

/// Writes a .zip, or a .tar.gz under any other name.
inline void write_archive(const std::filesystem::path& path, const std::vector<Member>& members) {
  struct archive* const archive = archive_write_new();
  if (path.extension() == ".zip") {
    archive_write_set_format_zip(archive);
  } else {
    archive_write_add_filter_gzip(archive);
    archive_write_set_format_pax_restricted(archive);
  }
  bool good = archive_write_open_filename(archive, path.c_str()) == ARCHIVE_OK;
  for (const auto& member : members) {
    struct archive_entry* const entry = archive_entry_new();
    archive_entry_set_pathname(entry, member.path.c_str());
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_filetype(entry, member.path.ends_with('/') ? AE_IFDIR : AE_IFREG);
    archive_entry_set_size(entry, static_cast<la_int64_t>(member.content.size()));
    if (!member.link.empty() && member.hard) archive_entry_set_hardlink(entry, member.link.c_str());
    if (!member.link.empty() && !member.hard) {
      archive_entry_set_filetype(entry, AE_IFLNK);
      archive_entry_set_symlink(entry, member.link.c_str());
    }
    good = good && archive_write_header(archive, entry) == ARCHIVE_OK;
    const auto written = archive_write_data(archive, member.content.data(), member.content.size());
    good = good && written == static_cast<la_ssize_t>(member.content.size());
    archive_entry_free(entry);
  }
  good = archive_write_close(archive) == ARCHIVE_OK && good;
  archive_write_free(archive);
  if (!good) throw std::runtime_error("cannot write " + path.string());
}

}  // namespace fedval::harness::test_archives
