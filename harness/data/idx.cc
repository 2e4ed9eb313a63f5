#include "harness/data/idx.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iomanip>
#include <limits>
#include <memory>
#include <span>
#include <sstream>
#include <string>
#include <type_traits>

#include "fedval/error.hpp"

namespace fedval::harness {
namespace {

constexpr std::size_t chunk = std::size_t{1} << 20;

struct Close {
  void operator()(gzFile file) const { gzclose_r(file); }
};
using File = std::unique_ptr<std::remove_pointer_t<gzFile>, Close>;

File open(const std::filesystem::path& path) {
  errno = 0;
  File file(gzopen(path.c_str(), "rb"));
  if (!file) fail(path.string(), ": cannot open: ", errno != 0 ? std::strerror(errno) : "out of memory");
  return file;
}

// Fills the span as far as the file goes and returns the bytes read: fewer only at a sound end of the file.
// zlib reports a stream that ends early by a short count like any other, so the error is asked for each time.
std::size_t read(gzFile file, const std::filesystem::path& path, std::span<std::uint8_t> to) {
  const int got = gzread(file, to.data(), static_cast<unsigned>(to.size()));
  if (got >= 0 && static_cast<std::size_t>(got) == to.size()) return to.size();
  int code = Z_OK;
  const std::string text = gzerror(file, &code);  // opens with the path, except when memory ran out
  if (code == Z_BUF_ERROR) fail(text, " (truncated gzip stream)");
  if (code == Z_DATA_ERROR) fail(text, " (damaged gzip stream)");
  if (code != Z_OK || got < 0) fail(path.string(), ": cannot read: ", text);
  return static_cast<std::size_t>(got);
}

std::uint32_t read_word(gzFile file, const std::filesystem::path& path) {
  std::array<std::uint8_t, 4> bytes{};
  if (read(file, path, bytes) < bytes.size()) fail(path.string(), ": ends inside the idx header");
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 |
         bytes[3];
}

std::string hexadecimal(std::uint32_t word) {
  std::ostringstream text;
  text << "0x" << std::hex << std::setw(8) << std::setfill('0') << word;
  return text.str();
}

std::string written(const std::vector<std::size_t>& shape) {
  std::string text = std::to_string(shape.front());
  for (std::size_t i = 1; i < shape.size(); ++i) text += " x " + std::to_string(shape[i]);
  return text;
}

std::size_t product(const std::filesystem::path& path, const std::vector<std::size_t>& shape) {
  // A zero dimension makes the product zero, whatever the others are.
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  std::size_t count = 1;
  for (const std::size_t extent : shape) {
    if (count > std::numeric_limits<std::size_t>::max() / extent)
      fail(path.string(), ": the header says ", written(shape), " values, more than can be counted");
    count *= extent;
  }
  return count;
}

}  // namespace

Idx read_idx(const std::filesystem::path& path, std::size_t expected_rank) {
  if (expected_rank == 0 || expected_rank > 255)
    fail(path.string(), ": an idx file has rank 1 to 255, not ", expected_rank);
  const File file = open(path);
  const std::uint32_t magic = read_word(file.get(), path);
  const auto expected = static_cast<std::uint32_t>(0x0800 + expected_rank);
  if (magic != expected)
    fail(path.string(), ": magic number ", hexadecimal(magic), ", expected ", hexadecimal(expected));

  Idx idx;
  for (std::size_t i = 0; i < expected_rank; ++i) idx.shape.push_back(read_word(file.get(), path));
  const std::size_t count = product(path, idx.shape);

  while (idx.values.size() < count) {
    const std::size_t before = idx.values.size();
    const std::size_t wanted = std::min(chunk, count - before);
    idx.values.resize(before + wanted);
    const std::size_t got = read(file.get(), path, std::span(idx.values).subspan(before));
    if (got < wanted)
      fail(path.string(), ": ", before + got, " values, expected ", count, " (", written(idx.shape), ")");
  }
  // Reading past the last value also makes zlib check the checksum at the end of a gzip stream.
  std::array<std::uint8_t, 1> extra{};
  if (read(file.get(), path, extra) != 0)
    fail(path.string(), ": bytes after the ", count, " values (", written(idx.shape),
         ") that the header says");
  return idx;
}

}  // namespace fedval::harness
