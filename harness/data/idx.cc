#include "harness/data/idx.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <iomanip>
#include <limits>
#include <memory>
#include <span>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>

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

std::uint32_t big_endian(std::span<const std::uint8_t, 4> bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 |
         bytes[3];
}

std::uint32_t read_word(gzFile file, const std::filesystem::path& path) {
  std::array<std::uint8_t, 4> bytes{};
  if (read(file, path, bytes) < bytes.size()) fail(path.string(), ": ends inside the idx header");
  return big_endian(bytes);
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

std::size_t total_bytes(const std::filesystem::path& path, const std::vector<std::size_t>& shape,
                        std::size_t width) {
  // A zero dimension makes the product zero, whatever the others are.
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  std::size_t bytes = width;
  for (const std::size_t extent : shape) {
    if (bytes > std::numeric_limits<std::size_t>::max() / extent)
      fail(path.string(), ": the header says ", written(shape), " values, more than can be counted");
    bytes *= extent;
  }
  return bytes;
}

// The shape and the bytes of the values, each of `width` bytes, of an idx file of the given type.
Idx<std::uint8_t> read_raw(const std::filesystem::path& path, std::uint32_t type, std::size_t width,
                           std::size_t expected_rank, const CheckShape& check) {
  if (expected_rank == 0 || expected_rank > 255)
    fail(path.string(), ": an idx file has rank 1 to 255, not ", expected_rank);
  const File file = open(path);
  const std::uint32_t magic = read_word(file.get(), path);
  const auto expected = static_cast<std::uint32_t>(type << 8 | expected_rank);
  if (magic != expected)
    fail(path.string(), ": magic number ", hexadecimal(magic), ", expected ", hexadecimal(expected));

  Idx<std::uint8_t> raw;
  for (std::size_t i = 0; i < expected_rank; ++i) raw.shape.push_back(read_word(file.get(), path));
  if (check) check(raw.shape);
  const std::size_t bytes = total_bytes(path, raw.shape, width);

  while (raw.values.size() < bytes) {
    const std::size_t before = raw.values.size();
    const std::size_t wanted = std::min(chunk, bytes - before);
    raw.values.resize(before + wanted);
    const std::size_t got = read(file.get(), path, std::span(raw.values).subspan(before));
    if (got < wanted)
      fail(path.string(), ": ", (before + got) / width, " values, expected ", bytes / width, " (",
           written(raw.shape), ")");
  }
  // Reading past the last value also makes zlib check the checksum at the end of a gzip stream.
  std::array<std::uint8_t, 1> extra{};
  if (read(file.get(), path, extra) != 0)
    fail(path.string(), ": bytes after the ", bytes / width, " values (", written(raw.shape),
         ") that the header says");
  return raw;
}

}  // namespace

template <>
Idx<std::uint8_t> read_idx(const std::filesystem::path& path, std::size_t expected_rank,
                           const CheckShape& check) {
  return read_raw(path, 0x08, 1, expected_rank, check);
}

template <>
Idx<std::int32_t> read_idx(const std::filesystem::path& path, std::size_t expected_rank,
                           const CheckShape& check) {
  Idx<std::uint8_t> raw = read_raw(path, 0x0c, 4, expected_rank, check);
  Idx<std::int32_t> idx{.shape = std::move(raw.shape), .values = {}};
  for (std::size_t at = 0; at < raw.values.size(); at += 4)
    idx.values.push_back(
        std::bit_cast<std::int32_t>(big_endian(std::span(raw.values).subspan(at).first<4>())));
  return idx;
}

}  // namespace fedval::harness
