// Files of raw scalars as tensors, read by the system when they are touched, and the Gram matrix of vectors
// that lie in files and together are larger than memory. For POSIX systems (mmap), little-endian ones.
//
//   file   [anything: offset bytes] [entry 0] ... [entry count - 1] [anything, where count is given]
//
// Entries are float64, float32, float16 or bfloat16, little-endian, without gaps. A file that another program
// cuts short while it is mapped ends this program (SIGBUS), as with every mapping.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "fedval/tensor/gram_stream.hpp"

namespace fedval {

static_assert(std::endian::native == std::endian::little, "raw files are little-endian");

/// Which bytes of which file are a vector.
struct RawFile {
  std::string path;                       ///< of a regular file
  ScalarType type = ScalarType::float32;  ///< of an entry
  std::uint64_t offset = 0;               ///< bytes before the first entry
  std::optional<std::size_t> count = {};  ///< entries; not given: all up to the end of the file
};

/// A vector in a file, whose views are mapped memory: it holds what was touched, and goes with the last copy
/// of the view. What gram(), norms(), direction_sum() and combine() have read goes back behind them, but for
/// some 200 KiB a thread. Cheap to copy, and not an open file.
class MappedFile {
 public:
  /// O(1). Error names the file, and says that it is missing, no file, of too few bytes, of no whole number
  /// of entries, or that the entries do not start at a multiple of their size.
  explicit MappedFile(const RawFile& file) : file_(file), opened_(Descriptor(file.path).about()) {
    const std::size_t bytes = entry_bytes();
    const auto length = static_cast<std::uint64_t>(opened_.st_size);
    if (file.offset % bytes != 0)
      fail(file.path, ": entries of ", name(file.type), " cannot start at byte ", file.offset);
    if (file.offset > length)
      fail(file.path, ": has ", length, " bytes, the entries start at byte ", file.offset);
    const std::uint64_t rest = length - file.offset;
    if (!file.count && rest % bytes != 0)
      fail(file.path, ": ", rest, " bytes are no whole number of ", name(file.type), " entries");
    if (file.count.value_or(0) > rest / bytes)
      fail(file.path, ": has ", length, " bytes, too few for ", *file.count, " ", name(file.type),
           " entries from byte ", file.offset);
    size_ = file.count.value_or(rest / bytes);
  }

  /// The file's name as it was given.
  const std::string& path() const { return file_.path; }
  /// Number of entries.
  std::size_t size() const { return size_; }

  /// All entries, or [begin, begin + count) of them, as one flat vector. O(1). Error beyond the end, and when
  /// the file is not the one that it was.
  TensorView view() const { return view(0, size_); }
  /// The same of entries [begin, begin + count).
  TensorView view(std::size_t begin, std::size_t count) const {
    if (begin > size_ || count > size_ - begin)
      fail(file_.path, ": has ", size_, " entries, asked for ", count, " from entry ", begin);
    const Shape shape{static_cast<std::int64_t>(count)};
    Piece piece = Piece::host(nullptr, file_.type, shape, shape.row_major_strides());
    if (count > 0) map(begin, count, piece);  // no mapping is empty
    return {shape, {std::move(piece)}};
  }

 private:
  /// An open file.
  struct Descriptor {
    const std::string& path;
    int number;

    explicit Descriptor(const std::string& file)
        : path(file), number(open(file.c_str(), O_RDONLY | O_CLOEXEC)) {
      if (number < 0) fail(path, ": ", last_reason());
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() { close(number); }

    struct stat about() const {
      struct stat result {};
      if (fstat(number, &result) != 0) fail(path, ": ", last_reason());
      if (S_ISDIR(result.st_mode)) fail(path, ": is a directory");
      if (!S_ISREG(result.st_mode)) fail(path, ": is no regular file");
      return result;
    }
  };

  static std::string last_reason() { return std::generic_category().message(errno); }

  std::size_t entry_bytes() const {
    return visit_scalar(file_.type, [](auto value) { return sizeof(value); });
  }

  void map(std::size_t begin, std::size_t count, Piece& piece) const {
    const Descriptor descriptor(file_.path);
    const struct stat now = descriptor.about();
    if (now.st_dev != opened_.st_dev || now.st_ino != opened_.st_ino || now.st_size != opened_.st_size)
      fail(file_.path, ": was replaced, or has another size, since it was opened");
    const std::uint64_t first = file_.offset + begin * entry_bytes();
    const std::uint64_t before = first % static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    const std::size_t length = before + count * entry_bytes();
    void* pages =
        mmap(nullptr, length, PROT_READ, MAP_PRIVATE, descriptor.number, static_cast<off_t>(first - before));
    if (pages == MAP_FAILED) fail(file_.path, ": ", last_reason());
    piece.owner = std::shared_ptr<const void>(pages, [pages, length](const void*) { munmap(pages, length); });
    piece.data = static_cast<std::byte*>(pages) + before;
    piece.release = release;
  }

  /// Pages that hold entries [begin, end), and those that the system read with them.
  static void release(const Piece& piece, std::size_t begin, std::size_t end) {
    constexpr std::size_t around = std::size_t{1} << 20;  // the system maps 64 KiB around what is touched
    auto* pages = static_cast<std::byte*>(const_cast<void*>(piece.owner.get()));
    const auto before = static_cast<std::size_t>(static_cast<std::byte*>(piece.data) - pages);
    const std::size_t bytes = visit_scalar(piece.type, [](auto value) { return sizeof(value); });
    std::size_t first = before + begin * bytes;
    first -= std::min(first, around);
    first -= first % static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    madvise(pages + first, before + end * bytes - first, MADV_DONTNEED);
  }

  RawFile file_;
  struct stat opened_;
  std::size_t size_ = 0;
};

/// A file is a flat tensor that can only be read.
template <>
struct tensor_traits<MappedFile> {
  /// All entries; errors as for MappedFile::view().
  static TensorView view(const MappedFile& file) { return file.view(); }
};

namespace detail {

/// The Gram matrix of vectors in files, of which at most `window` bytes are mapped at a time, or one block.
inline Gram gram_of_windows(std::span<const MappedFile> files, std::vector<std::string> names,
                            std::size_t window) {
  const std::size_t n = files.size(), entries = files.empty() ? 0 : files[0].size();
  for (std::size_t i = 1; i < n; ++i)
    if (files[i].size() != entries)
      fail(names[i], ": has ", files[i].size(), " entries, ", names[0], " has ", entries);
  GramStream grams(n, entries, std::move(names));
  // Whole blocks, none split between two windows; an entry has at most 8 bytes.
  const std::size_t block = n * panel_width * sizeof(double);
  const std::size_t length = panel_width * (block == 0 ? 1 : std::max<std::size_t>(1, window / block));
  for (std::size_t begin = 0; begin < entries; begin += length) {
    std::vector<TensorView> chunk;
    for (const MappedFile& file : files) chunk.push_back(file.view(begin, std::min(length, entries - begin)));
    grams.add(chunk);
  }
  return grams.result();
}

}  // namespace detail

/// The Gram matrix of n vectors in a file each, with the bits of gram(). O(n^2 D) time, O(n^2) memory beside
/// the window: 100 clients of billions of parameters fit. Error names the file that cannot be read, that has
/// another number of entries than the first, or the entry that is not finite.
inline Gram gram_of_files(std::span<const RawFile> files, std::size_t window = std::size_t{1} << 26) {
  std::vector<MappedFile> mapped;
  std::vector<std::string> names;
  for (const RawFile& file : files) {
    mapped.emplace_back(file);
    names.push_back(file.path);
  }
  return detail::gram_of_windows(mapped, std::move(names), window);
}

/// As gram_of_files, the vectors being the rows of an n x D matrix in one file. Error also when its entries
/// are no multiple of n.
inline Gram gram_of_rows(const RawFile& file, std::size_t n, std::size_t window = std::size_t{1} << 26) {
  const std::size_t entries = MappedFile(file).size();
  if (n == 0 ? entries > 0 : entries % n != 0) fail(file.path, ": ", entries, " entries are no ", n, " rows");
  const std::size_t bytes = visit_scalar(file.type, [](auto value) { return sizeof(value); });
  std::vector<MappedFile> rows;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t columns = entries / n;
    rows.emplace_back(RawFile{file.path, file.type, file.offset + i * columns * bytes, columns});
    names.push_back(file.path + ": row " + std::to_string(i));
  }
  return detail::gram_of_windows(rows, std::move(names), window);
}

}  // namespace fedval
