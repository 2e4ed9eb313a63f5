// Binary files of records of one size, one after the other without a header, as CIFAR and FedISIC have them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>

namespace fedval::harness {

/// Calls `take` with each record of the file in order and its number from 0; returns the number of records,
/// at least one. O(bytes), memory of one record of `bytes` bytes (1 or more). Throws Error naming the file
/// when it is missing, no regular file, not readable, empty, or ends inside a record (after all whole ones
/// were taken).
std::size_t read_records(const std::filesystem::path& path, std::size_t bytes,
                         const std::function<void(std::size_t, std::span<const std::uint8_t>)>& take);

}  // namespace fedval::harness
