// A checkpoint on the disk: bytes that are there whole or not at all, whenever the program or the machine
// stops.
//
//   "fedval-checkpoint-1\n" | length, 8 bytes | bytes | their CRC-32, 4 bytes        (little-endian)
//
// It is written beside the old one and put in its place by one rename, after its bytes are on the disk.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace fedval::harness {

/// Replaces the checkpoint at `path`. Error, which leaves the old one whole, when it cannot be written.
void write_checkpoint(const std::filesystem::path& path, std::string_view bytes);

/// Deletes the checkpoint at `path`, and what a killed program may have left of the next one. Error when that
/// cannot be done.
void discard_checkpoint(const std::filesystem::path& path);

/// The bytes of the checkpoint at `path`. Error when there is none, or it is damaged.
std::string read_checkpoint(const std::filesystem::path& path);

}  // namespace fedval::harness
