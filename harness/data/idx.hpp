// The idx file format of MNIST: a header of big-endian 32-bit words, then the values, last dimension fastest.
//
//   magic (0x00 0x00, type, rank), rank dimensions, product(dimensions) values
//   type: 0x08 = unsigned byte, 0x0c = 32-bit signed integer, big-endian
//
// Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", section on file formats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

namespace fedval::harness {

/// The content of an idx file.
template <class Value = std::uint8_t>
struct Idx {
  std::vector<std::size_t> shape;
  std::vector<Value> values;  // product(shape)
};

/// Throws where a shape is not what it should be.
using CheckShape = std::function<void(const std::vector<std::size_t>& shape)>;

/// Reads an idx file of unsigned bytes or, as read_idx<std::int32_t>, of integers; plain or gzip (told apart
/// by content, not by name). `check` sees the shape before any value is read. Memory grows with the bytes
/// that are there, not with what the header promises; but a gzip file may hold a thousand times its size.
/// O(bytes). Throws Error naming the file when it cannot be read, is a damaged or truncated gzip stream, has
/// another magic number than that of the type and `expected_rank` (1 to 255), or holds fewer or more bytes
/// than its header says.
template <class Value = std::uint8_t>
Idx<Value> read_idx(const std::filesystem::path& path, std::size_t expected_rank,
                    const CheckShape& check = {});

template <>
Idx<std::uint8_t> read_idx<std::uint8_t>(const std::filesystem::path& path, std::size_t expected_rank,
                                         const CheckShape& check);
template <>
Idx<std::int32_t> read_idx<std::int32_t>(const std::filesystem::path& path, std::size_t expected_rank,
                                         const CheckShape& check);

}  // namespace fedval::harness
