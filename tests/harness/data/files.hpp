// Small files for the tests of the loaders, in a folder that is gone at the end of the test.
#pragma once

#include <stdlib.h>
#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "tests/support/complaint.hpp"

namespace fedval::harness::test_files {

using Bytes = std::vector<std::uint8_t>;

/// A fresh folder, removed with all it holds by the destructor.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "fedval-test-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline void write(const std::filesystem::path& path, const Bytes& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!file) throw std::runtime_error("cannot write " + path.string());
}

inline void write_gzip(const std::filesystem::path& path, const Bytes& bytes) {
  gzFile file = gzopen(path.c_str(), "wb");
  const auto size = static_cast<unsigned>(bytes.size());
  const bool written = file != nullptr && gzwrite(file, bytes.data(), size) == static_cast<int>(size);
  if (gzclose(file) != Z_OK || !written) throw std::runtime_error("cannot write " + path.string());
}

inline Bytes read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

using tests::complaint_of;

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

inline void append_big_endian(Bytes& bytes, std::uint32_t word) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(word >> shift));
}

/// The header of an idx file; type 0x08 is unsigned bytes, 0x0c integers.
inline Bytes idx_header(std::uint8_t type, std::initializer_list<std::size_t> shape) {
  Bytes bytes{0, 0, type, static_cast<std::uint8_t>(shape.size())};
  for (const std::size_t extent : shape) append_big_endian(bytes, static_cast<std::uint32_t>(extent));
  return bytes;
}

/// An idx file of unsigned bytes; the values need not match the shape.
inline Bytes idx_bytes(std::initializer_list<std::size_t> shape, const Bytes& values) {
  Bytes bytes = idx_header(8, shape);
  bytes.insert(bytes.end(), values.begin(), values.end());
  return bytes;
}

/// An idx file of integers; the values need not match the shape.
inline Bytes idx_int_bytes(std::initializer_list<std::size_t> shape,
                           const std::vector<std::int32_t>& values) {
  Bytes bytes = idx_header(0x0c, shape);
  for (const std::int32_t value : values) append_big_endian(bytes, static_cast<std::uint32_t>(value));
  return bytes;
}

/// Writes MNIST's two files of one part, images of `side` x `side` zeros.
inline void write_mnist_part(const std::filesystem::path& where, const std::string& part, std::size_t images,
                             const Bytes& labels, std::size_t side = 28) {
  write_gzip(where / (part + "-images-idx3-ubyte.gz"),
             idx_bytes({images, side, side}, Bytes(images * side * side)));
  write(where / (part + "-labels-idx1-ubyte"), idx_bytes({labels.size()}, labels));
}

}  // namespace fedval::harness::test_files
