#include "harness/fetch/unpack.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <set>
#include <string_view>
#include <system_error>
#include <type_traits>

#include "fedval/error.hpp"
#include "harness/files/output_file.hpp"

namespace fedval::harness {
namespace {

namespace fs = std::filesystem;

struct Close {
  void operator()(struct archive* archive) const { archive_read_free(archive); }
  void operator()(gzFile file) const { gzclose_r(file); }
};
using Archive = std::unique_ptr<struct archive, Close>;

// The bytes of a gzip stream. Read by zlib and not by libarchive, which does not compare the checksum at the
// end.
class Gzip {
 public:
  explicit Gzip(const fs::path& path) : path_(path), file_(gzopen(path.c_str(), "rb")), buffer_(1 << 16) {
    if (!file_) fail(path.string(), ": cannot open: ", std::strerror(errno));
    // A file of another format is passed on as it is; that of an empty one would be an empty archive.
    if (gzdirect(file_.get()) != 0) fail(path.string(), ": not a gzip stream");
  }

  std::string_view read() {
    const int got = gzread(file_.get(), buffer_.data(), static_cast<unsigned>(buffer_.size()));
    if (got == static_cast<int>(buffer_.size())) return {buffer_.data(), buffer_.size()};
    int code = Z_OK;
    const char* const text = gzerror(file_.get(), &code);
    if (code == Z_BUF_ERROR) fail(path_.string(), ": truncated gzip stream");
    if (code != Z_OK || got < 0) fail(path_.string(), ": damaged gzip stream: ", text);
    return {buffer_.data(), static_cast<std::size_t>(got)};
  }

 private:
  const fs::path& path_;
  std::unique_ptr<std::remove_pointer_t<gzFile>, Close> file_;
  std::vector<char> buffer_;
};

la_ssize_t read_gzip(struct archive* archive, void* gzip, const void** bytes) {
  try {
    const std::string_view got = static_cast<Gzip*>(gzip)->read();
    *bytes = got.data();
    return static_cast<la_ssize_t>(got.size());
  } catch (const Error& error) {  // no exception may pass through libarchive, which is C
    archive_set_error(archive, EIO, "%s", error.what());
    return -1;
  }
}

// A folder beside the target, gone again unless it was put in place.
class FreshFolder {
 public:
  explicit FreshFolder(const fs::path& target) {
    std::string name = target.string() + ".XXXXXX";
    if (mkdtemp(name.data()) == nullptr) fail(name, ": cannot make the folder: ", std::strerror(errno));
    path_ = name;
    // mkdtemp's folder is its owner's alone; the data may be everybody's.
    if (chmod(path_.c_str(), 0755) != 0) fail(name, ": cannot open to others: ", std::strerror(errno));
  }
  FreshFolder(const FreshFolder&) = delete;
  FreshFolder& operator=(const FreshFolder&) = delete;
  ~FreshFolder() {
    std::error_code ignored;  // where it was put in place, there is nothing to remove
    fs::remove_all(path_, ignored);
  }

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

class Unpacker {
 public:
  Unpacker(const fs::path& path, const fs::path& folder, const Unpacking& unpacking)
      : path_(path),
        folder_(folder),
        unpacking_(unpacking),
        archive_(archive_read_new()),
        found_(unpacking.endings.size()) {
    if (!archive_) fail(path.string(), ": libarchive cannot be started");
  }

  void run() {
    open();
    struct archive_entry* entry = nullptr;
    for (int code = 0; (code = archive_read_next_header(archive_.get(), &entry)) != ARCHIVE_EOF;) {
      member_ = "";
      if (code < ARCHIVE_WARN) complain();
      // A warning is about the letters of a name. The names that are wanted have none that could be lost.
      if (const char* const name = archive_entry_pathname(entry)) member_ = name;
      take(entry);
    }
    // What follows an archive's last member is read too, since a gzip stream's checksum is at its end.
    while (gzip_ && !gzip_->read().empty()) continue;
    for (std::size_t i = 0; i < found_.size(); ++i)
      if (!found_[i]) fail(path_.string(), ": no member ends with \"", unpacking_.endings[i], "\"");
  }

 private:
  void open() {
    const std::string name = path_.filename().string();
    int code = ARCHIVE_OK;
    if (name.ends_with(".zip")) {
      archive_read_support_format_zip_seekable(archive_.get());
      code = archive_read_open_filename(archive_.get(), path_.c_str(), 1 << 16);
    } else if (name.ends_with(".gz") || name.ends_with(".tgz")) {
      const bool is_tar = name.ends_with(".tar.gz") || name.ends_with(".tgz");
      is_tar ? archive_read_support_format_tar(archive_.get())
             : archive_read_support_format_raw(archive_.get());
      if (!is_tar) only_name_ = name.substr(0, name.size() - 3);
      gzip_ = std::make_unique<Gzip>(path_);
      code = archive_read_open(archive_.get(), gzip_.get(), nullptr, read_gzip, nullptr);
    } else {
      fail(path_.string(), ": not a kind of archive that is known; known are .tar.gz, .tgz, .zip and .gz");
    }
    if (code != ARCHIVE_OK) complain();
  }

  [[noreturn]] void complain() const {
    const char* const text = archive_error_string(archive_.get());
    const std::string reason = text != nullptr ? text : "damaged";
    // The gzip stream's own message names the file already.
    fail(reason.starts_with(path_.string()) ? "" : path_.string() + ": ", reason,
         member_.empty() ? "" : " (at " + member_ + ")");
  }

  [[noreturn]] void refuse(const std::string& reason) const {
    fail(path_.string(), ": ", member_, ": ", reason);
  }

  void check_place(struct archive_entry* entry) const {
    if (member_.empty()) refuse("a member without a name");
    if (member_.front() == '/') refuse("an absolute path");
    for (const auto& component : fs::path(member_))
      if (component == "..") refuse("a path with \"..\"");
    if (archive_entry_hardlink(entry) != nullptr) refuse("a link");
    const auto type = archive_entry_filetype(entry);
    if (type == AE_IFLNK) refuse("a link");
    if (type != AE_IFREG && type != AE_IFDIR) refuse("neither a file nor a folder");
  }

  void count(std::uint64_t bytes) {
    if (bytes > unpacking_.most_bytes - bytes_)
      refuse("the archive unpacks to more than " + std::to_string(unpacking_.most_bytes) + " bytes");
    bytes_ += bytes;
  }

  bool wanted() {
    bool any = unpacking_.endings.empty();
    for (std::size_t i = 0; i < found_.size(); ++i)
      if (("/" + member_).ends_with(unpacking_.endings[i])) any = found_[i] = true;
    return any;
  }

  void take(struct archive_entry* entry) {
    if (!only_name_.empty()) member_ = only_name_;
    check_place(entry);
    if (archive_entry_filetype(entry) == AE_IFDIR) return;
    // Counted before it is read, so that a file that is skipped counts too; what comes beyond is counted
    // then.
    const auto promised = static_cast<std::uint64_t>(std::max<la_int64_t>(0, archive_entry_size(entry)));
    count(promised);
    if (wanted()) unpack_member(promised);
  }

  void unpack_member(std::uint64_t counted) {
    const fs::path target = folder_ / fs::path(member_).filename();
    if (!names_.insert(target).second) refuse("a second member of this name");
    OutputFile file(target);
    std::uint64_t got = 0;
    const void* bytes = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    while (true) {
      const int code = archive_read_data_block(archive_.get(), &bytes, &size, &offset);
      if (code == ARCHIVE_EOF) break;
      if (code != ARCHIVE_OK) complain();
      if (static_cast<std::uint64_t>(offset) != got) refuse("a file with holes");
      got += size;
      if (got > counted) {
        count(got - counted);
        counted = got;
      }
      file.write({static_cast<const char*>(bytes), size});
    }
    file.sync();
  }

  const fs::path& path_;
  const fs::path& folder_;
  const Unpacking& unpacking_;
  std::unique_ptr<Gzip> gzip_;
  Archive archive_;
  std::string only_name_;  // of a .gz file's content
  std::string member_;
  std::vector<bool> found_;
  std::set<fs::path> names_;
  std::uint64_t bytes_ = 0;
};

}  // namespace

void unpack(const fs::path& archive, const fs::path& folder, const Unpacking& unpacking) {
  std::error_code ignored;
  if (fs::exists(folder, ignored))
    fail(folder.string(), ": is there already, so ", archive.string(), " is not unpacked");
  const FreshFolder fresh(folder);
  Unpacker(archive, fresh.path(), unpacking).run();
  put_in_place(fresh.path(), folder);
}

}  // namespace fedval::harness
